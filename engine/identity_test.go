package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
)

// TestOtherKeys: a ledger says nothing about records that are known by another key.
// The flow stands still, in a plan too, until a person lets it start anew.
func TestOtherKeys(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{
		"another field": func(hcl string) string { return strings.Replace(hcl, "key   = [no]", "key   = [no, qty]", 1) },
		"another type": func(hcl string) string {
			return strings.Replace(hcl, "field \"no\" {\n    type = string", "field \"no\" {\n    type = int", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{})
			d.order("1", 1)
			d.run()
			before := d.hcl()
			d.text.whole = change(before)
			if d.text.whole == before {
				t.Fatal("the ruleset did not change")
			}
			s := d.try(engine.RunOptions{})
			if !strings.Contains(s.Paused, "its ledger knows them by no (string)") || s.Read > 0 {
				t.Errorf("%q, %d read", s.Paused, s.Read)
			}
			if p := d.plan(engine.PlanOptions{}); p.Paused == "" || p.Read > 0 {
				t.Errorf("planned %+v", p)
			}
			d.with(func(e *engine.Engine, _ *state.DB) {
				if _, err := e.Resume("orders", engine.ResumeOptions{SameRecords: true}); err == nil || !strings.Contains(err.Error(), "knows records by no (string)") {
					t.Errorf("resumed as the same records: %v", err)
				}
				if _, err := e.Resume("orders", engine.ResumeOptions{OtherRecords: true}); err != nil {
					t.Error(err)
				}
			})
			if s := d.try(engine.RunOptions{}); s.Err != nil || s.Read != 1 || s.Paused != "" {
				t.Errorf("anew: %+v", s)
			}
		})
	}
}

// TestRenamed: a flow keeps the state of its former name, and its references.
func TestRenamed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{erp: `reference = "ref"`, entity: "rule \"few\" {\n check = \"qty < 5\"\n}", flow: "guard {\n rejects = \"100%\"\n}"})
	d.sales = d.erp.Create("sales", "no", "qty", "customer", "status", "id", "ref")
	d.order("A", 1)
	d.order("B", 9)
	d.run()
	for _, rename := range [][2]string{{"orders", "sales"}, {"sales", "shipments"}} {
		d.text.whole = strings.NewReplacer("flow \""+rename[0]+"\" {", "flow \""+rename[1]+"\" {\n was = \""+rename[0]+"\"", " was = \"orders\"", "").Replace(d.hcl())
		d.want("renamed", d.run(), "2 unchanged")
	}
	d.order("C", 1)
	d.orders.Set("no", record.StringValue("B"), "qty", record.IntValue(2))
	d.want("goes on", d.run(), "2 created, 1 unchanged")
	d.want("what waits", d.open(), "")
	want := "A 1 - - - " + rules.Reference("orders", key(t, "A")) + "\nB 2 - - - " + rules.Reference("orders", key(t, "B")) + "\nC 1 - - - " + rules.Reference("orders", key(t, "C"))
	d.want("the ERP", d.sold(), want)
	d.text.whole = strings.Replace(d.hcl(), "was = \"sales\"", "", 1) + strings.Replace(back, "zback", "orders", 1)
	d.both("orders")
	d.want("another flow takes the old name", d.both("shipments"), "shipments: 3 unchanged")
	d.with(func(_ *engine.Engine, db *state.DB) {
		names, err := db.Ledgers()
		if err != nil || !slices.Equal(names, []string{"orders", "shipments"}) {
			t.Errorf("ledgers %v, %v", names, err)
		}
		if err := db.Drop("shipments"); err != nil {
			t.Fatal(err)
		}
		if names, err = db.Ledgers(); err != nil || !slices.Equal(names, []string{"orders"}) {
			t.Errorf("ledgers %v, %v", names, err)
		}
	})
	d.want("dropped and begun again", d.both("shipments"), "shipments: 3 unchanged")
}

// TestLate: what is missing in the destination for longer than its flow allows is
// counted from its first version that was stopped, and told when it grows.
func TestLate(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{entity: "rule \"few\" {\n check = \"qty < 5\"\n}", flow: "due = \"2h\"\n guard {\n rejects = \"100%\"\n}"})
	var told []engine.Event
	d.notify = func(e engine.Event) {
		if e.Kind == engine.EventLate {
			told = append(told, e)
		}
	}
	late := func(want int64) {
		t.Helper()
		if s := d.try(engine.RunOptions{}); s.Late != want {
			t.Errorf("%d late, want %d", s.Late, want)
		}
	}
	d.order("A", 9)
	d.order("B", 1)
	late(0)
	d.clock.move(90 * time.Minute)
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(8))
	late(0)
	d.clock.move(time.Hour)
	d.order("C", 7)
	late(1)
	d.with(func(_ *engine.Engine, db *state.DB) {
		l, err := db.Ledger("orders", "", "")
		if err != nil {
			t.Fatal(err)
		}
		found, err := engine.LateRecords(l, 2*time.Hour, d.clock.Now())
		if err != nil || found.Count != 1 || d.clock.Now().Sub(found.Oldest) != 150*time.Minute || found.Key != engine.LedgerKey(key(t, "A")) {
			t.Errorf("%+v, %v", found, err)
		}
	})
	if len(told) != 1 || told[0].Count != 1 || told[0].Flow != "orders" {
		t.Errorf("told %+v", told)
	}
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(1))
	late(0)
}
