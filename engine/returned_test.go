package engine_test

import (
	"errors"
	"testing"
	"time"

	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
)

// TestReturnedBehindACrash: a record that a run wrote before it died, and that its source
// then has as it was settled before, is looked up: the ERP has the version between (R5).
func TestReturnedBehindACrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 2})
	d.order("A", 1)
	d.want("first", d.run(), "1 created")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(2))
	applied := false
	d.erpFaults.Fail = func(c connectortest.Call) *connectortest.Fault {
		if applied = applied || c.Op == "apply"; !applied {
			return nil
		}
		return &connectortest.Fault{Err: errors.New("the cable was pulled"), Lost: true}
	}
	if s := d.try(engine.RunOptions{}); s.Err == nil {
		t.Fatal("the run did not fail")
	}
	d.want("written, and not known", d.sold(), "A 2 - - -")
	d.erpFaults.Fail = nil
	d.clock.move(24 * time.Hour)
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(1))
	d.want("returned", d.run(), "1 updated")
	d.want("the ERP", d.sold(), "A 1 - - -")
}

// TestCopyBehindACrash: of a record that the last process was about to write, the
// destination is asked once. A copy of it is a copy, as without the crash.
func TestCopyBehindACrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 1})
	for _, no := range []string{"A", "B", "A"} {
		d.order(no, 1)
	}
	applied := false
	d.erpFaults.Fail = func(c connectortest.Call) *connectortest.Fault {
		if applied = applied || c.Op == "apply"; !applied {
			return nil
		}
		return &connectortest.Fault{Err: errors.New("the cable was pulled"), Lost: true}
	}
	if s := d.try(engine.RunOptions{}); s.Err == nil {
		t.Fatal("the run did not fail")
	}
	d.erpFaults.Fail = nil
	d.clock.move(24 * time.Hour)
	d.want("behind the crash", d.run(), "1 created, 1 unchanged, 1 duplicate")
}
