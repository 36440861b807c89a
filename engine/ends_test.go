package engine_test

import (
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
)

// TestStoppedBehindACrash: what the last process wrote and did not settle is looked up
// also where the newer version is stopped, or not wanted (R5): the ledger knows it
// then, and nobody takes it for a foreign change (R13).
func TestStoppedBehindACrash(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flow string
		qty  any // of the version behind the crash
		want string
	}{
		"rejected":          {`rule "sound" {` + "\n check = \"qty < 100\"\n}", 100, "1 rejected"},
		"held":              {`rule "sound" {` + "\n check = \"qty < 100\"\n on_fail = hold\n}", 100, "1 held"},
		"rejected unmapped": {"", "x", "1 rejected"},
		"refused":           {"", 100, "1 rejected"},
		"not wanted":        {`filter = "qty < 100"`, 100, "1 skipped"},
	} {
		for _, created := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", created", false: ", updated"}[created], func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, rulesetText{flow: test.flow + "\ndelete = true\nguard {\n deletes = \"9\"\n rejects = \"100%\"\n}"})
				d.order("Z", 1)
				if !created {
					d.order("A", 1)
				}
				d.run()
				if created {
					d.order("A", 2)
				} else {
					d.edit(d.orders, "A", "qty", 2)
				}
				d.erpFaults = crashAfterApply()
				d.try(engine.RunOptions{})
				d.erpFaults = &connectortest.Faults{}
				d.want("applied", d.sold(), "A 2 - - -\nZ 1 - - -")
				d.edit(d.orders, "A", "qty", test.qty)
				d.sales.Refuse = refuseHundred
				d.want("stopped", d.run(), test.want)
				d.edit(d.orders, "A", "qty", 3)
				s := d.try(engine.RunOptions{})
				d.want("newer", countsText(s), "1 updated, 1 unchanged")
				if s.Conflicts != 0 {
					t.Error("a foreign change is told")
				}
				d.want("the ERP", d.sold(), "A 3 - - -\nZ 1 - - -")
			})
		}
	}
}

// TestKnownBehindACrash: a record that the last process created is deleted when it
// goes, though all that was read of it since was stopped.
func TestKnownBehindACrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{flow: "delete = true\nrule \"sound\" {\n check = \"qty < 100\"\n}\nguard {\n deletes = \"9\"\n rejects = \"100%\"\n}"})
	d.order("Z", 1)
	d.run()
	d.order("A", 2)
	d.erpFaults = crashAfterApply()
	d.try(engine.RunOptions{})
	d.erpFaults = &connectortest.Faults{}
	d.edit(d.orders, "A", "qty", 100)
	d.run()
	d.orders.Remove("no", cells("A")[0])
	d.want("gone", d.run(), "1 deleted, 1 unchanged")
	d.want("the ERP", d.sold(), "Z 1 - - -")
}

func refuseHundred(_ connectors.Op, row map[string]record.Value) (code, words string) {
	if v := row["qty"]; !v.Missing() && v.Int() == 100 {
		return "check", "too many"
	}
	return "", ""
}
