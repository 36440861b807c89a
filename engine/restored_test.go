package engine_test

import (
	"path/filepath"
	"testing"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// TestSweepAfterARestore: what was delivered since the backup, and is another in its
// source again, is found by comparing all of it (R12). It is done once.
func TestSweepAfterARestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{})
	d.order("A", 3, nil, "open")
	d.run()
	was, backup := d.sold(), filepath.Join(t.TempDir(), "backup.db")
	d.with(func(_ *engine.Engine, db *state.DB) {
		if err := db.Backup(backup, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(4))
	d.want("after the backup", d.run(), "1 updated")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(3))
	if _, err := state.Restore(filepath.Join(d.dir, "state"), backup, d.clock.Now()); err != nil {
		t.Fatal(err)
	}
	d.want("the run over the restored state", d.run(), "1 updated")
	d.want("the ERP", d.sold(), was)
	asked := d.try(engine.RunOptions{}).Asked
	if asked != 0 {
		t.Errorf("%d records are compared once more", asked)
	}
}
