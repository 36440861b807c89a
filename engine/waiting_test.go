package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
)

const (
	allRejects = "guard {\n rejects = \"100%\"\n}"
	largeHeld  = "rule \"large\" {\n check = \"qty <= 10\"\n on_fail = hold\n release = [\"sales\"]\n}"
)

// ids are the exceptions that wait, by key.
func (d *desk) ids(keys ...string) map[string]bool {
	d.t.Helper()
	all, _, err := exceptions.Current(d.logDir())
	if err != nil {
		d.t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, x := range all {
		if len(keys) == 0 || slices.Contains(keys, x.Key) {
			ids[x.ID] = true
		}
	}
	return ids
}

func (d *desk) id(key string) string {
	d.t.Helper()
	for id := range d.ids(key) {
		return id
	}
	d.t.Fatalf("%s does not wait", key)
	return ""
}

// retry judges records again and returns what became of them.
func (d *desk) retry(ids map[string]bool) string {
	d.t.Helper()
	var s engine.Summary
	d.with(func(e *engine.Engine, db *state.DB) {
		var err error
		if s, err = e.Retry(context.Background(), "orders", ids); err != nil || s.Err != nil {
			d.t.Fatal(err, s.Err)
		}
		d.verify(db)
	})
	return againText(s)
}

func againText(s engine.Summary) string {
	return countsText(engine.Summary{Counts: s.Again})
}

func (d *desk) dismiss(ids map[string]bool) {
	d.t.Helper()
	d.with(func(e *engine.Engine, db *state.DB) {
		closed, err := e.Dismiss("orders", ids, engine.Actor{Name: "ann"}, "a test order")
		if err != nil || len(closed) != len(ids) {
			d.t.Fatal(closed, err)
		}
		d.verify(db)
	})
}

func (d *desk) release(key string, actor engine.Actor) (string, error) {
	d.t.Helper()
	var text string
	var failed error
	d.with(func(e *engine.Engine, db *state.DB) {
		released, err := e.Release(context.Background(), "orders", d.id(key), actor, "agreed by phone")
		if failed = err; err == nil {
			text = strings.Join(released.Rules, " ") + ": " + againText(released.Run)
		}
		d.verify(db)
	})
	return text, failed
}

var sales = engine.Actor{Name: "bob", Groups: []string{"sales"}}

// shut lets every call to the shop fail.
func (d *desk) shut() {
	d.shopFaults = &connectortest.Faults{Fail: func(connectortest.Call) *connectortest.Fault {
		return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Broken, Op: "read", Err: errors.New("the shop is shut")}}
	}}
}

// TestRetryRefused: what the destination refused is sent again when a person asks
// for it, from the row that was kept: the source is not asked.
func TestRetryRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, flow: allRejects})
	unlucky := int64(13)
	d.sales.Refuse = func(_ connectors.Op, row map[string]record.Value) (string, string) {
		if row["qty"].Int() == unlucky {
			return "check", fmt.Sprint(unlucky, " is unlucky")
		}
		return "", ""
	}
	for i, no := range []string{"A", "B", "C"} {
		d.order(no, 12+i)
	}
	d.want("run", d.run(), "2 created, 1 rejected")
	d.shut()
	d.want("still refused", d.retry(d.ids()), "1 rejected")
	d.want("what waits", d.open(), "B rejected check")
	unlucky = 0
	d.want("mended", d.retry(d.ids("B")), "1 created")
	d.want("what waits", d.open(), "")
	d.want("the ERP", d.sold(), "A 12 - - -\nB 13 - - -\nC 14 - - -")
	d.shopFaults = &connectortest.Faults{}
	d.want("run", d.run(), "3 unchanged")
}

// TestRetryInAFile: what is appended by a retry is published, once.
func TestRetryInAFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, flow: allRejects, jsonl: true, entity: knownCustomer, more: customersLookup})
	d.order("A", 1, "Ann")
	d.order("B", 1, "Bob")
	d.customers.Insert(cells("Bob", 2)...)
	d.run()
	before := d.published()
	d.customers.Insert(cells("Ann", 1)...)
	d.want("retried", d.retry(d.ids()), "1 created")
	if after := d.published(); len(after) <= len(before) || !strings.Contains(after, `"A"`) {
		t.Errorf("published %s, before %s", after, before)
	}
	d.want("run", d.run(), "2 unchanged")
}

// TestRetryOthersStay: only the chosen are judged, and a paused flow judges none.
func TestRetryOthersStay(t *testing.T) {
	t.Parallel()
	few := func(limit int) string { return fmt.Sprintf("rule \"few\" {\n check = \"qty < %d\"\n}", limit) }
	d := newDesk(t, rulesetText{size: 10, flow: allRejects, entity: few(5)})
	for _, no := range []string{"A", "B", "C"} {
		d.order(no, 7)
	}
	d.run()
	d.text.entity = few(9)
	d.want("one", d.retry(d.ids("B")), "1 created")
	d.want("the others", d.open(), "A rejected rule few\nC rejected rule few")
	d.with(func(e *engine.Engine, _ *state.DB) {
		if err := e.Pause("orders", "stocktaking"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Retry(context.Background(), "orders", nil); err == nil || !strings.Contains(err.Error(), "is paused") {
			t.Error(err)
		}
	})
	d.resume(engine.ResumeOptions{})
	s := d.try(engine.RunOptions{})
	d.want("the run says so", againText(s), "2 created")
	d.want("what waits", d.open(), "")
}

// TestDismissed: a dismissed content is not told again, whatever becomes of the
// rules; a new version is judged anew.
func TestDismissed(t *testing.T) {
	t.Parallel()
	few := func(limit int) string { return fmt.Sprintf("rule \"few\" {\n check = \"qty < %d\"\n}", limit) }
	d := newDesk(t, rulesetText{size: 10, flow: allRejects, entity: few(5)})
	d.order("A", 7)
	d.order("B", 7)
	d.want("run", d.run(), "2 rejected")
	d.dismiss(d.ids("A"))
	d.want("what waits", d.open(), "B rejected rule few")
	d.want("read again", d.run(), "2 unchanged")
	d.text.entity = few(9)
	d.want("the rule is mended", d.run(), "1 created, 2 unchanged")
	d.want("the ERP", d.sold(), "B 7 - - -")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(8))
	d.want("a new version", d.run(), "1 created, 1 unchanged")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(9))
	d.want("and one that is rejected", d.run(), "1 unchanged, 1 rejected")
	d.want("what waits", d.open(), "A rejected rule few")
}

// TestDismissedRefusal: what the destination refused and a person dismissed is not
// sent again.
func TestDismissedRefusal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, flow: allRejects})
	refused := 0
	d.sales.Refuse = func(connectors.Op, map[string]record.Value) (string, string) {
		refused++
		return "check", "no"
	}
	d.order("A", 7)
	d.want("run", d.run(), "1 rejected")
	d.dismiss(d.ids())
	before := refused
	d.want("read again", d.run(), "1 unchanged")
	if refused != before {
		t.Errorf("it was sent %d times more", refused-before)
	}
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(8))
	d.want("a new version", d.run(), "1 rejected")
}

// TestRelease: those whom the rule names let one content pass, and no other.
func TestRelease(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, entity: largeHeld})
	d.order("A", 20)
	d.order("B", 20)
	d.want("run", d.run(), "2 held")
	if _, err := d.release("A", engine.Actor{Name: "eve", Groups: []string{"staff"}}); err == nil || !strings.Contains(err.Error(), "may be released by sales, and you are eve of staff") {
		t.Error(err)
	}
	text, err := d.release("A", sales)
	if err != nil {
		t.Fatal(err)
	}
	d.want("released", text, "large: 1 created")
	d.want("what waits", d.open(), "B held rule large")
	d.want("read again", d.run(), "2 unchanged")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(30))
	d.want("another content", d.run(), "1 unchanged, 1 held")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(20))
	d.want("the first one again was superseded", d.run(), "1 unchanged, 1 held")
	all, err := exceptions.History(d.logDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	var closings []string
	for _, lines := range all {
		for _, x := range lines {
			if x.Closed != "" {
				closings = append(closings, fmt.Sprintf("%s %s %s %s", x.Key, x.Closed, x.By, x.Why))
			}
		}
	}
	slices.Sort(closings)
	d.want("the log", strings.Join(closings, "\n"), "A delivered bob agreed by phone\nA superseded  ")
}

// TestReleaseUnderWay: what the last process was about to write when it ended may be a
// newer version: until that is looked up, no release of the one before passes (R10).
func TestReleaseUnderWay(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{entity: largeHeld})
	d.order("A", 20)
	d.want("run", d.run(), "1 held")
	d.with(func(_ *engine.Engine, db *state.DB) {
		l, err := db.Ledger("orders", "shop.orders", "erp.orders")
		if err != nil {
			t.Fatal(err)
		}
		open, err := l.Opens("", 2)
		if err != nil || len(open) != 1 {
			t.Fatal(open, err)
		}
		intent := &engine.Intent{Time: d.clock.Now(), Keys: []record.Key{open[0].Key}, Hashes: make([]record.Fingerprint, 1)}
		if err := l.Settle(&engine.Settlement{Intent: intent}); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := d.release("A", sales); err == nil || !strings.Contains(err.Error(), "stale: the last process ended while it wrote") {
		t.Errorf("released: %v", err)
	}
	d.want("the ERP", d.sold(), "")
	d.run()
	if _, err := d.release("A", sales); err != nil {
		t.Errorf("when it was looked up: %v", err)
	}
}

// TestReleaseOthersJudge: a release passes only the rules that held it, in the words
// they had; any other stops the record as before.
func TestReleaseOthersJudge(t *testing.T) {
	t.Parallel()
	second := "\nrule \"open\" {\n check = \"status == 'open'\"\n on_fail = hold\n release = [\"sales\"]\n}"
	d := newDesk(t, rulesetText{size: 10, entity: largeHeld, flow: "update = false"})
	d.order("A", 20, nil, "paid")
	d.run()
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if c.Op == "apply" {
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Broken, Op: "write", Err: errors.New("shut")}}
		}
		return nil
	}}
	if _, err := d.release("A", sales); err != nil {
		t.Fatal(err)
	}
	d.want("not delivered", d.sold(), "")
	d.erpFaults = &connectortest.Faults{}
	d.text.entity = largeHeld + second
	d.want("another rule", d.run(), "2 unchanged")
	d.want("what waits", d.open(), "A held rule open")
	text, err := d.release("A", sales)
	if err != nil {
		t.Fatal(err)
	}
	d.want("released", text, "open: 1 created")
}

// TestReleaseRefused: what is not held, what rules hold that name nobody, and what
// is stale, is not released.
func TestReleaseRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		entity string
		change func(*desk)
		want   string
	}{
		"rejected":      {entity: "rule \"few\" {\n check = \"qty < 5\"\n}", want: "only what a rule holds"},
		"names nobody":  {entity: "rule \"few\" {\n check = \"qty < 5\"\n on_fail = hold\n}", want: "nobody may release"},
		"changed rules": {entity: largeHeld, change: func(d *desk) { d.text.entity = strings.Replace(largeHeld, "10", "11", 1) }, want: "stale: the rules changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{size: 10, flow: allRejects, entity: test.entity})
			d.order("A", 20)
			d.run()
			if test.change != nil {
				test.change(d)
			}
			if _, err := d.release("A", sales); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// TestReleaseByFlowRule: a rule that sees the record as the destination has it can be
// passed as well.
func TestReleaseByFlowRule(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, flow: "rule \"jump\" {\n check = \"current == nil || qty - current.qty < 10\"\n on_fail = hold\n release = [\"bob\"]\n}"})
	d.order("A", 1)
	d.run()
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(50))
	d.want("run", d.run(), "1 held")
	text, err := d.release("A", sales)
	if err != nil {
		t.Fatal(err)
	}
	d.want("released", text, "jump: 1 updated")
	d.want("read again", d.run(), "1 unchanged")
	d.want("the ERP", d.sold(), "A 50 - - -")
}

// TestWithin: a hold that lasts too long becomes a reject, also over restarts, once.
func TestWithin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, flow: allRejects, entity: strings.Replace(knownCustomer, "2d", "2h", 1), more: customersLookup})
	d.order("A", 1, "Ann")
	d.want("run", d.run(), "1 held")
	d.clock.move(90 * time.Minute)
	d.want("still", d.run(), "1 unchanged")
	d.clock.move(time.Hour)
	d.want("too long", d.run(), "1 unchanged, 1 rejected")
	d.want("what waits", d.open(), "A rejected within known")
	d.want("once", d.run(), "1 unchanged")
	d.customers.Insert(cells("Ann", 1)...)
	d.want("what it waited for came late", d.retry(d.ids()), "1 created")
}

// TestSuperseded: a newer version takes the place of one that waits, however it ends.
func TestSuperseded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10, entity: largeHeld})
	d.order("A", 20)
	d.run()
	old := d.id("A")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(5))
	d.want("run", d.run(), "1 created")
	lines, err := exceptions.History(d.logDir(), old)
	if err != nil || lines[old][len(lines[old])-1].Closed != "superseded" {
		t.Errorf("%+v, %v", lines, err)
	}
	d.with(func(e *engine.Engine, _ *state.DB) {
		if _, err := e.Release(context.Background(), "orders", old, sales, "late"); err == nil || !strings.Contains(err.Error(), "waits no more") {
			t.Error(err)
		}
	})
}
