package engine_test

import (
	"errors"
	"strings"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
)

func key(t testing.TB, values ...any) record.Key {
	t.Helper()
	var key []byte
	var err error
	for _, v := range cells(values...) {
		if key, err = record.AppendKey(key, v); err != nil {
			t.Fatal(err)
		}
	}
	return record.Key(key)
}

// TestReferences: headgate fills the reference column when it creates, with the same
// text for the same record, and never changes it.
func TestReferences(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{erp: `reference = "ref"`, size: 10})
	d.sales = d.erp.Create("sales", "no", "qty", "customer", "status", "id", "ref")
	d.put(d.sales, "B", 1, nil, nil, nil, "ours")
	d.order("A", 1)
	d.order("B", 2)
	d.want("run", d.run(), "1 created, 1 updated")
	d.want("the ERP", d.sold(), "A 1 - - - "+rules.Reference("orders", key(t, "A"))+"\nB 2 - - - ours")
	if name := rules.Reference("orders", key(t, "A")); len(name) != 26 || name == rules.Reference("orders", key(t, "B")) {
		t.Errorf("%q names a record", name)
	}
	d.want("again", d.run(), "2 unchanged")
}

// TestReferencesOfTheRuleset: the ruleset may say what a reference is made of.
func TestReferencesOfTheRuleset(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{erp: "reference = \"ref\"\n write = {\n no = \"no\"\n ref = \"'X-' + no\"\n customer = \"reference\"\n}"})
	d.sales = d.erp.Create("sales", "no", "qty", "customer", "status", "id", "ref")
	d.order("A", 1)
	d.want("run", d.run(), "1 created")
	d.want("the ERP", d.sold(), "A 1 "+rules.Reference("orders", key(t, "A"))+" - - X-A")
}

// idInWrite has two columns that use the id: one of the source's, one of nobody's.
const idInWrite = `id = "row.id"
    write = {
      qty    = "qty + 0"
      linked = "string(id) + '/' + string(qty)"
      own    = "string(id)"
    }`

// TestIDsInWrite: what uses an id that the destination makes follows the create, and
// goes with later changes.
func TestIDsInWrite(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{erp: idInWrite, size: 10})
	d.sales = d.erp.Create("sales", "no", "qty", "customer", "status", "id", "linked", "own")
	d.sales.Serial = "id"
	d.order("A", 1)
	d.order("B", 2)
	d.put(d.sales, "B", 2)
	d.want("run", d.run(), "1 created, 1 updated")
	d.want("the ERP", d.sold(), "A 1 - - 2 2/1 2\nB 2 - - 1 1/2 1")
	d.want("again", d.run(), "2 unchanged")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(5))
	d.want("a change", d.run(), "1 updated, 1 unchanged")
	d.want("the ERP", d.sold(), "A 5 - - 2 2/5 2\nB 2 - - 1 1/2 1")
}

// TestIDsInWriteAfterACrash: a create whose columns of the id could not follow is
// completed by the next run.
func TestIDsInWriteAfterACrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{erp: idInWrite})
	d.sales = d.erp.Create("sales", "no", "qty", "customer", "status", "id", "linked", "own")
	d.sales.Serial = "id"
	d.order("A", 1)
	applies := 0
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if c.Op == "apply" {
			if applies++; applies > 1 {
				return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
			}
		}
		return nil
	}}
	if s := d.try(engine.RunOptions{}); s.Err == nil {
		t.Error("the run did not fail")
	}
	d.erpFaults = &connectortest.Faults{}
	d.want("the ERP", d.sold(), "A 1 - - 1 - -")
	d.want("next run", d.run(), "1 updated")
	d.want("the ERP", d.sold(), "A 1 - - 1 1/1 1")
	d.want("again", d.run(), "1 unchanged")
}

// TestIDsThatAreSeen: ids are kept whenever a row is seen, also of records that are
// stopped, and of records that were settled before their ids were asked for.
func TestIDsThatAreSeen(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{entity: "rule \"few\" {\n check = \"qty < 5\"\n}", flow: "guard {\n rejects = \"100%\"\n}"})
	d.orders = d.shop.Create("orders", "no", "qty", "customer", "status", "shop_id")
	d.order("A", 1, nil, nil, "s1")
	d.order("B", 9, nil, nil, "s2")
	d.want("run", d.run(), "1 created, 1 rejected")
	d.text.shop = `id = "row.shop_id"`
	d.run()
	d.with(func(_ *engine.Engine, db *state.DB) {
		ids := make([]record.Value, 2)
		if err := db.IDs("shop.orders", []record.Key{key(t, "A"), key(t, "B")}, ids); err != nil {
			t.Fatal(err)
		}
		if got := ids[0].Text() + " " + ids[1].Text(); got != "s1 s2" {
			t.Errorf("ids %s", got)
		}
	})
	if s := d.run(); !strings.Contains(s, "unchanged") {
		t.Error(s)
	}
}
