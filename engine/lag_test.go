package engine_test

import (
	"strings"
	"testing"
	"time"

	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/record"
)

// TestWithinTheLag: an API that does not show yet what it was given is not believed:
// what the record is there, the ledger knows (R8).
func TestWithinTheLag(t *testing.T) {
	t.Parallel()
	lagging := memory.API{Find: true, Lag: time.Minute}
	set := func(d *desk, qty int) {
		d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(int64(qty)))
	}
	for name, test := range map[string]struct {
		text rulesetText
		then func(*desk) // behind the run that created A 1
		sold string
		sent string // what was sent, in order
	}{
		"a newer version": {rulesetText{}, func(d *desk) {
			set(d, 2)
			d.want("run", d.run(), "1 updated")
		}, "A 2 - - -", "create update"},
		"newer and newer": {rulesetText{}, func(d *desk) {
			set(d, 2)
			d.run()
			set(d, 3)
			d.want("run", d.run(), "1 updated")
		}, "A 3 - - -", "create update update"},
		"as it was before": {rulesetText{}, func(d *desk) {
			d.clock.move(time.Hour)
			set(d, 2)
			d.run()
			set(d, 1)
			d.want("run", d.run(), "1 updated") // the API shows 1, and has 2
		}, "A 1 - - -", "create update update"},
		"compared by a sweep": {rulesetText{flow: `sweep = "1s"`}, func(d *desk) {
			d.clock.move(time.Hour)
			set(d, 2)
			d.run()
			d.clock.move(10 * time.Second)
			s := d.try(engine.RunOptions{})
			if s.Conflicts != 0 {
				t.Errorf("%d foreign changes are told", s.Conflicts)
			}
			d.want("run", countsText(s), "1 unchanged")
		}, "A 2 - - -", "create update"},
		"gone and back": {rulesetText{flow: "delete = true\nguard {\n deletes = \"9\"\n}"}, func(d *desk) {
			d.clock.move(time.Hour)
			d.order("B", 1)
			d.orders.Remove("no", record.StringValue("A"))
			d.want("gone", d.run(), "1 created, 1 deleted")
			d.order("A", 1)
			d.want("back", d.run(), "1 created, 1 unchanged")
		}, "A 1 - - -\nB 1 - - -", "create create delete create"},
		"gone at once": {rulesetText{flow: "delete = true\nguard {\n deletes = \"9\"\n}"}, func(d *desk) {
			d.order("B", 1)
			d.orders.Remove("no", record.StringValue("A"))
			d.want("gone", d.run(), "1 created, 1 deleted")
		}, "B 1 - - -", "create create delete"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, lagging, test.text)
			d.order("A", 1)
			d.run()
			test.then(d)
			d.clock.move(time.Hour)
			d.run()
			d.want("the ERP", d.sold(), test.sold)
			var sent []string
			for _, s := range d.sales.Sends() {
				op, _, _ := strings.Cut(s.Text, " ")
				sent = append(sent, op)
			}
			d.want("sent", strings.Join(sent, " "), test.sent)
			if slept := d.clock.slept; len(slept) > 0 {
				t.Errorf("waited %v", slept)
			}
		})
	}
}

// TestLagIsWaitedFor: where the ledger does not know enough of what was given a moment
// ago, it is asked for when it shows, and not before.
func TestLagIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]rulesetText{
		"rules need it":       {status: `transitions = { open = ["paid"] }`},
		"its id is not known": {erp: `id = "row.id"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, memory.API{Find: true, Lag: time.Minute}, text)
			d.order("A", 1, nil, "open")
			d.run()
			d.clock.move(20 * time.Second)
			d.orders.Set("no", record.StringValue("A"), "status", record.StringValue("paid"))
			d.want("run", d.run(), "1 updated")
			d.want("the ERP", d.sold(), "A 1 - paid -")
			if slept := d.clock.slept; len(slept) != 1 || slept[0] != 70*time.Second { // the lag, and the timeout of 30 s (R8)
				t.Errorf("waited %v", slept)
			}
		})
	}
}

// TestLagIsNotLookedBackAt: a foreign change that was set right shows for a while yet;
// that the destination made it once more is not known by that.
func TestLagIsNotLookedBackAt(t *testing.T) {
	t.Parallel()
	d := newAPI(t, memory.API{Find: true, Lag: time.Minute}, rulesetText{flow: `sweep = "1s"`})
	d.order("A", 1)
	d.run()
	for range 2 {
		d.clock.move(time.Hour)
		d.sales.Set("no", record.StringValue("A"), "qty", record.IntValue(9))
		d.want("set right", d.run(), "1 updated")
	}
	d.want("the ERP", d.sold(), "A 1 - - -")
}
