package engine_test

import "testing"

// TestStoppedMeanwhile: a record that was delivered, and then stopped by stricter rules,
// is not delivered again when it passes again: also where the destination cannot be asked.
func TestStoppedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, jsonl := range map[string]bool{"into a table": false, "into files": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{jsonl: jsonl, flow: "guard {\n rejects = \"100%\"\n}"})
			d.order("A", 3, nil, "open")
			d.want("delivered", d.run(), "1 created")
			sold := d.sold()
			d.text.entity = "rule \"few\" {\n check = \"qty < 2\"\n}"
			d.want("stopped", d.run(), "1 rejected")
			d.text.entity = ""
			d.want("passing again", d.run(), "2 unchanged")
			d.want("the ERP", d.sold(), sold)
			d.want("what waits", d.open(), "")
		})
	}
}
