package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// back takes what the ERP owns back into the shop.
const back = `flow "zback" {
  from = connector.erp.orders
  to   = connector.shop.orders
  mode = live
}`

// newTwoWay is a desk where the shop owns orders and the ERP owns their status.
func newTwoWay(t testing.TB, flow string) *desk {
	return newDesk(t, rulesetText{status: "owner = connector.erp", flow: flow, size: 10, more: back})
}

// both runs all flows side by side, or those named, and returns what each did.
func (d *desk) both(flows ...string) string {
	d.t.Helper()
	var texts []string
	for _, s := range d.summaries(engine.RunOptions{Flows: flows}) {
		if s.Err != nil {
			d.t.Fatal(s.Err)
		}
		text := s.Flow + ": " + countsText(s)
		if s.Conflicts > 0 {
			text += fmt.Sprintf(", %d foreign", s.Conflicts)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "\n")
}

func (d *desk) summaries(options engine.RunOptions) (all []engine.Summary) {
	d.t.Helper()
	d.with(func(e *engine.Engine, db *state.DB) {
		var err error
		if all, err = e.RunOnce(context.Background(), options); err != nil {
			d.t.Fatal(err)
		}
		d.verify(db)
	})
	return all
}

func (d *desk) inShop() string { return tableText(d.orders) }

func (d *desk) edit(table interface {
	Set(string, record.Value, string, record.Value) int
}, no, column string, to any) {
	table.Set("no", record.StringValue(no), column, cells(to)[0])
}

// TestTwoOwners: each side gives what it owns, and nothing echoes.
func TestTwoOwners(t *testing.T) {
	t.Parallel()
	d := newTwoWay(t, "")
	d.order("A", 1, "Ann", "new")
	d.order("B", 2, "Bob", nil)
	d.both("orders")
	d.edit(d.sales, "A", "status", "paid")
	d.edit(d.orders, "B", "qty", 3)
	d.both()
	d.want("the ERP", d.sold(), "A 1 Ann paid -\nB 3 Bob - -")
	d.want("the shop", d.inShop(), "A 1 Ann paid\nB 3 Bob -")
	d.both() // what one flow read while the other wrote is looked at again
	d.want("then nothing is written", d.both(), "orders: 2 unchanged\nzback: 2 unchanged")
}

// TestForeignChanges: what another system changed and does not own is seen when its
// row is read, on delivery, or by the reverse flow, and is treated as on_conflict says.
func TestForeignChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy, first, second, third, erp string
	}{
		"overwrite": {"overwrite", "orders: 1 updated, 2 unchanged, 1 foreign\nzback: 2 unchanged", "orders: 2 unchanged\nzback: 2 unchanged", "orders: 2 unchanged\nzback: 2 unchanged", "A 1 Ann - -\nB 1 - - -"},
		"accept":    {"accept", "orders: 3 unchanged, 1 foreign\nzback: 2 unchanged", "orders: 2 unchanged\nzback: 2 unchanged", "orders: 2 unchanged\nzback: 2 unchanged", "A 7 Ann - -\nB 1 - - -"},
		"hold":      {"hold", "orders: 1 unchanged, 2 held, 1 foreign\nzback: 2 unchanged", "", "", "A 7 Ann - -\nB 1 - - -"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTwoWay(t, "on_conflict = "+test.policy)
			d.order("A", 1, "Ann")
			d.order("B", 1)
			d.both("orders")
			d.both("zback")
			d.edit(d.sales, "A", "qty", 7)
			d.want("the reverse flow", d.both("zback"), "zback: 2 unchanged")
			if name == "hold" {
				d.both("orders")
				d.want("what waits", d.open(), "A held foreign_change")
				d.edit(d.sales, "A", "qty", 1)
				d.both("orders")
				d.want("when it was taken back", d.open(), "")
				return
			}
			d.both("orders")
			d.want("the ERP", d.sold(), test.erp)
			d.both() // whatever was noted meanwhile is looked at
			d.want("then", d.both(), test.second)
			d.want("and then", d.both(), test.third)
			d.edit(d.orders, "A", "qty", 9)
			d.both("orders")
			d.want("its owner has the last word", d.sold(), "A 9 Ann - -\nB 1 - - -")
		})
	}
}

// TestReleaseOfAForeignChange: a person lets it be set right; the next one asks again.
func TestReleaseOfAForeignChange(t *testing.T) {
	t.Parallel()
	d := newTwoWay(t, "on_conflict = hold")
	d.order("A", 1, "Ann")
	d.both("orders")
	d.both("zback")
	for qty := range 2 {
		d.edit(d.sales, "A", "qty", 7+qty)
		d.both("zback")
		d.both("orders")
		d.want("what waits", d.open(), "A held foreign_change")
		d.with(func(e *engine.Engine, _ *state.DB) {
			released, err := e.Release(context.Background(), "orders", d.id("A"), engine.Actor{Name: "eve"}, "a slip")
			if err != nil || len(released.Rules) != 1 || released.Run.Counts[engine.Updated] != 1 {
				t.Fatalf("%+v, %v", released, err)
			}
		})
		d.want("the ERP", d.sold(), "A 1 Ann - -")
		d.want("what waits", d.open(), "")
		d.both()
	}
}

// TestForeignChangesAreReportedOnce: and set right once, and told in the plan before.
func TestForeignChangesAreReportedOnce(t *testing.T) {
	t.Parallel()
	d := newTwoWay(t, "")
	d.order("A", 1, "Ann")
	d.order("B", 1)
	d.both("orders")
	d.both("zback")
	d.edit(d.sales, "A", "qty", 7)
	d.both("zback")
	p := d.plan(engine.PlanOptions{})
	if len(p.Items) != 3 || p.Items[0].Note != "erp.orders changed qty, which it does not own: set right" || len(p.Items[0].Changes) != 1 {
		t.Errorf("planned %+v", p.Items)
	}
	d.want("set right", d.both("orders"), "orders: 1 updated, 2 unchanged, 1 foreign")
	for range 3 {
		d.want("the reverse flow", d.both("zback"), "zback: 2 unchanged")
		d.want("once", d.both("orders"), "orders: 2 unchanged")
	}
}

// TestForeignChangeOnDelivery: the owner changes another column at the same time.
func TestForeignChangeOnDelivery(t *testing.T) {
	t.Parallel()
	d := newTwoWay(t, "on_conflict = accept")
	d.order("A", 1, "Ann")
	d.both("orders")
	d.edit(d.sales, "A", "qty", 7)
	d.edit(d.orders, "A", "customer", "Eve")
	d.want("run", d.both("orders"), "orders: 1 updated, 1 foreign")
	d.want("the ERP", d.sold(), "A 7 Eve - -")
	d.edit(d.orders, "A", "customer", "Ann")
	d.want("what was accepted is known", d.both("orders"), "orders: 1 updated")
	d.want("the ERP", d.sold(), "A 7 Ann - -")
}

// TestNoConflictAfterACrash: R13. What was applied and not settled is ours, also when
// the source has changed it again before anybody looks.
func TestNoConflictAfterACrash(t *testing.T) {
	t.Parallel()
	for _, changedAgain := range []bool{false, true} {
		for _, edited := range []bool{false, true} {
			t.Run(fmt.Sprintf("changed again %v, edited %v", changedAgain, edited), func(t *testing.T) {
				t.Parallel()
				d := newTwoWay(t, "")
				d.order("A", 1, "Ann")
				d.both("orders")
				d.edit(d.orders, "A", "qty", 2)
				d.erpFaults = crashAfterApply()
				d.summaries(engine.RunOptions{Flows: []string{"orders"}})
				d.erpFaults = &connectortest.Faults{}
				d.want("applied", d.sold(), "A 2 Ann - -")
				if changedAgain {
					d.edit(d.orders, "A", "qty", 3)
				}
				if edited {
					d.edit(d.sales, "A", "qty", 8)
				}
				d.both("zback")
				got := d.both("orders")
				if strings.Contains(got, "updated") != (changedAgain || edited) || strings.Contains(got, "foreign") != edited {
					t.Errorf("after the crash: %s", got)
				}
			})
		}
	}
}

// crashAfterApply lets one lot be applied, and nothing after it work.
func crashAfterApply() *connectortest.Faults {
	crashed := false
	return &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if c.Op == "apply" && !crashed {
			crashed = true
			return &connectortest.Fault{Lost: true, Err: errors.New("connection reset")}
		}
		if crashed {
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
		}
		return nil
	}}
}

// TestDestinationsThatChangeWhatTheyAreGiven: a destination that keeps a value in its
// own way is fought once, and is known from then on.
func TestDestinationsThatChangeWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	d := newTwoWay(t, "")
	d.sales.Store = func(row map[string]record.Value) {
		if v := row["customer"]; !v.Missing() {
			row["customer"] = record.StringValue(strings.ToUpper(v.Text()))
		}
	}
	d.order("A", 1, "Ann")
	d.both("orders")
	d.both("zback")
	d.want("once", d.both("orders"), "orders: 2 unchanged, 1 foreign")
	for range 2 {
		d.want("the reverse flow", d.both("zback"), "zback: 1 unchanged")
		d.want("and no more", d.both("orders"), "orders: 1 unchanged")
	}
	d.edit(d.sales, "A", "customer", "Eve")
	d.both("zback")
	d.want("another change is seen", d.both("orders"), "orders: 1 updated, 1 unchanged, 1 foreign")
}
