package engine_test

import (
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// again runs the flow once, which must succeed, and returns what became of the
// records that waited, a line a reason.
func (d *desk) again() string {
	d.t.Helper()
	s := d.try(engine.RunOptions{})
	if s.Err != nil || s.Paused != "" {
		d.t.Fatal(s.Err, s.Paused)
	}
	var lines []string
	for _, a := range s.AgainBy {
		lines = append(lines, strings.TrimSpace(a.Code+" "+a.Rule)+": "+countsText(engine.Summary{Counts: a.Counts}))
	}
	return strings.Join(lines, "\n")
}

// forgetOrders takes all orders out of the shop: what happens from then on comes
// from what was kept.
func (d *desk) forgetOrders() {
	for _, no := range []string{"A", "B", "C", "D", "E"} {
		d.orders.Remove("no", record.StringValue(no))
	}
}

// TestMendedRule: a changed flow judges again all that waits, drains what passes
// now, and says so; what still waits is neither told nor counted as if it were new.
func TestMendedRule(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 2, flow: allRejects, entity: "rule \"few\" {\n check = \"qty < 3\"\n}\nrule \"named\" {\n check = \"customer != nil\"\n}"})
	for i, no := range []string{"A", "B", "C", "D"} {
		d.order(no, 2+i, "Ann")
	}
	d.order("E", 1)
	d.want("run", d.run(), "1 created, 4 rejected")
	d.forgetOrders()
	d.want("the same rules", d.again(), "")
	d.text.flow = "" // the guard of today: 20 % rejects
	d.text.entity = "rule \"few\" {\n check = \"qty < 4\"\n}\nrule \"named\" {\n check = \"customer != nil\"\n}"
	d.want("a mended rule", d.again(), "rule few: 1 created, 2 rejected\nrule named: 1 rejected")
	d.want("the ERP", d.sold(), "A 2 Ann - -\nB 3 Ann - -")
	d.want("what waits", d.open(), "C rejected rule few\nD rejected rule few\nE rejected rule named")
	d.want("once", d.again(), "")
	d.text.flow = `filter = "no != 'C'"`
	d.want("a filter", d.again(), "rule few: 1 skipped, 1 rejected\nrule named: 1 rejected")
	d.want("what waits", d.open(), "D rejected rule few\nE rejected rule named")
	d.text.entity = "rule \"tiny\" {\n check = \"qty < 1\"\n}"
	d.want("another rule", d.again(), "rule few: 1 rejected\nrule named: 1 rejected")
	d.want("what waits says why now", d.open(), "D rejected rule tiny\nE rejected rule tiny")
}

// TestMendedMapping: what waits is mapped again too, also from a row that was kept
// when the resource had other columns, and keeps its exception.
func TestMendedMapping(t *testing.T) {
	t.Parallel()
	few := "rule \"few\" {\n check = \"qty < 3\"\n}"
	d := newDesk(t, rulesetText{flow: allRejects, entity: few})
	d.order("A", 9, "Ann", "open")
	d.want("run", d.run(), "1 rejected")
	first := d.id("A")
	d.text.shop = "read = {\n status = \"row.status ?? row.customer\"\n}"
	d.want("read in another way", d.again(), "rule few: 1 rejected")
	d.want("its exception", d.id("A"), first)
	d.text.shop = "read = {\n qty = \"decimal(row.qty) > 3 ? 1 : 2\"\n}"
	d.want("another quantity", d.again(), "rule few: 1 created")
	d.want("the ERP", d.sold(), "A 1 Ann open -")
}

// TestRefusedAgain: what a destination refused is sent again when a growing wait is
// over, not at every reading of its source, and goes when what was in its way is gone.
func TestRefusedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10})
	sent, closed := 0, true
	d.sales.Refuse = func(connectors.Op, map[string]record.Value) (string, string) {
		if sent++; closed {
			return "fk", "no such customer"
		}
		return "", ""
	}
	d.order("A", 1)
	d.want("run", d.run(), "1 rejected")
	for _, step := range []struct {
		wait time.Duration
		sent int
	}{{59 * time.Second, 1}, {time.Second, 2}, {119 * time.Second, 2}, {time.Second, 3}, {4 * time.Minute, 4}, {7 * time.Minute, 4}} {
		d.clock.move(step.wait)
		d.run()
		if sent != step.sent {
			t.Errorf("after %s more it was sent %d times, want %d", step.wait, sent, step.sent)
		}
	}
	d.want("what waits", d.open(), "A rejected fk")
	if lines := d.told("A"); len(lines) != 1 {
		t.Errorf("told %d times, want once", len(lines))
	}
	closed = false
	d.forgetOrders()
	d.clock.move(time.Minute)
	d.want("when the customer came", d.again(), "fk: 1 created")
	d.want("what waits", d.open(), "")
}

// TestRefusedOtherwise: other values are other content: they are sent at once.
func TestRefusedOtherwise(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{more: customersLookup, erp: "write = {\n status = \"customers(customer).id\"\n}"})
	d.sales.Refuse = func(_ connectors.Op, row map[string]record.Value) (string, string) {
		if row["status"].Text() == "C1" {
			return "fk", "C1 is gone"
		}
		return "", ""
	}
	d.put(d.customers, "Ann", "C1")
	d.order("A", 1, "Ann")
	d.want("run", d.run(), "1 rejected")
	d.want("again", d.run(), "1 unchanged")
	d.customers.Set("name", record.StringValue("Ann"), "id", record.StringValue("C2"))
	d.want("with another id", d.run(), "1 created")
	d.want("the ERP", d.sold(), "A 1 - C2 -")
}

// TestHeldByAnotherRule: the exception says which rule holds now, and the time that
// rule allows begins when it began to hold.
func TestHeldByAnotherRule(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{more: customersLookup, flow: allRejects, entity: knownCustomer + "\n" + `rule "vip" {
    check   = "customers(customer).id != 'C1'"
    on_fail = hold
    within  = "1h"
  }`})
	d.order("A", 1, "Ann")
	d.want("run", d.run(), "1 held")
	d.want("what waits", d.open(), "A held rule known")
	d.clock.move(24 * time.Hour)
	d.put(d.customers, "Ann", "C1")
	d.want("when Ann came", d.again(), "rule known: 1 held")
	d.want("what waits", d.open(), "A held rule vip")
	d.clock.move(59 * time.Minute)
	d.run()
	d.want("for less than an hour", d.open(), "A held rule vip")
	d.clock.move(time.Minute)
	d.want("for longer", d.again(), "rule vip: 1 rejected")
	d.want("what waits", d.open(), "A rejected within vip")
}

// TestRulesOnCurrentAgain: what is stopped by a rule about the destination's record
// is asked about at each reading, and told and counted once.
func TestRulesOnCurrentAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{flow: allRejects + "\nrule \"new\" {\n check = \"current == nil or current.qty < 5\"\n}"})
	d.put(d.sales, "A", 9)
	d.order("A", 1)
	d.want("run", d.run(), "1 rejected")
	d.want("again", d.run(), "1 unchanged")
	if lines := d.told("A"); len(lines) != 1 {
		t.Errorf("told %d times, want once", len(lines))
	}
	d.sales.Set("no", record.StringValue("A"), "qty", record.IntValue(2))
	d.want("when it may", d.run(), "1 updated")
	d.want("what waits", d.open(), "")
}

// TestReleaseOutlivesColumns: a release is of a content, also where the resource has
// other columns when it is judged next, and when it is read again.
func TestReleaseOutlivesColumns(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{entity: largeHeld})
	d.order("A", 20, "Ann", "open")
	d.want("run", d.run(), "1 held")
	d.with(func(e *engine.Engine, _ *state.DB) {
		if err := e.Pause("orders", "stocktaking"); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := d.release("A", sales); err != nil {
		t.Fatal(err)
	}
	d.want("not yet", d.sold(), "")
	d.text.shop = "read = {\n status = \"row.status ?? row.customer\"\n}"
	d.resume(engine.ResumeOptions{})
	d.want("with other columns", d.again(), "rule large: 1 created")
	d.want("read again", d.run(), "1 unchanged")
	d.want("what waits", d.open(), "")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(21))
	d.want("another content", d.run(), "1 held")
}
