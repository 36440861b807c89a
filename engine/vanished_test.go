package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

const deletes = "delete = true\n guard {\n deletes = 2\n rejects = \"100%\"\n}"

// deletesAll stops no delete: only that absence is not judged keeps what is there.
const deletesAll = "delete = true\n guard {\n deletes = \"100%\"\n rejects = \"100%\"\n}"

// newVanishing is a desk with the orders A to E, delivered.
func newVanishing(t *testing.T, text rulesetText) *desk {
	if text.size == 0 {
		text.size = 2
	}
	d := newDesk(t, text)
	for i, no := range []string{"A", "B", "C", "D", "E"} {
		d.order(no, i)
	}
	d.run()
	return d
}

func (d *desk) remove(numbers ...string) {
	for _, no := range numbers {
		d.orders.Remove("no", record.StringValue(no))
	}
}

// TestVanished: a full pass deletes exactly what vanished, within the guard, and what
// comes back is created again.
func TestVanished(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{flow: deletes})
	d.remove("B", "D")
	p := d.plan(engine.PlanOptions{})
	if p.Counts[engine.Deleted] != 2 || p.Paused != "" {
		t.Errorf("planned %v, %q", p.Counts, p.Paused)
	}
	d.want("run", d.run(), "2 deleted, 3 unchanged")
	d.want("the ERP", d.sold(), "A 0 - - -\nC 2 - - -\nE 4 - - -")
	d.want("once", d.run(), "3 unchanged")
	d.order("B", 9)
	d.want("back again", d.run(), "1 created, 3 unchanged")
	d.remove("A")
	d.sales.Remove("no", record.StringValue("A"))
	d.want("gone there already", d.run(), "4 unchanged")
	d.want("once", d.run(), "3 unchanged")
}

// TestVanishedAndForbidden: deletes are done only where the flow says so.
func TestVanishedAndForbidden(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{})
	d.remove("B")
	d.want("run", d.run(), "4 unchanged")
}

// TestVanishedGuard: too many pause the flow before the first of them, in the plan too.
func TestVanishedGuard(t *testing.T) {
	t.Parallel()
	for flow, limit := range map[string]string{deletes: "2", "delete = true": "0"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			d := newVanishing(t, rulesetText{flow: flow})
			before := d.sold()
			d.remove("A", "C", "E")
			if p := d.plan(engine.PlanOptions{}); p.Paused == "" || p.Counts[engine.Deleted] != 3 {
				t.Errorf("planned %v, %q", p.Counts, p.Paused)
			}
			d.want("run", d.run(), "2 unchanged, paused: guard: 3 deletes in this run, the limit is "+limit+"; for example A, C, E")
			d.want("the ERP", d.sold(), before)
		})
	}
}

// TestAbsenceThatMeansNothing: an interrupted pass, one that failed, a limited one, one
// and one whose rows have no key delete nothing.
func TestAbsenceThatMeansNothing(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]func(*desk){
		"limited": func(d *desk) { d.try(engine.RunOptions{Limit: 2}); d.try(engine.RunOptions{}) },
		"per run": func(d *desk) { d.text.batch = "per_run = 3"; d.run(); d.run() },
		"no key":  func(d *desk) { d.order(nil, 1); d.run() },
		"a key":   func(d *desk) { d.plan(engine.PlanOptions{Keys: []string{"A"}}) },
		"an error behind most of it": func(d *desk) { // what is missing would be within the guard
			d.text.size, d.text.flow = 1, strings.Replace(deletes, "2", "4", 1)
			d.failingRead(3)
			d.try(engine.RunOptions{})
			d.shopFaults = &connectortest.Faults{}
		},
		"an error": func(d *desk) {
			d.failingRead(1)
			d.try(engine.RunOptions{})
			d.shopFaults = &connectortest.Faults{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newVanishing(t, rulesetText{flow: deletesAll})
			before := d.sold()
			d.remove("B")
			pass(d)
			d.want("the ERP", d.sold(), before)
			if name != "no key" && name != "per run" {
				d.run() // it may go on with the pass that was broken off, and judges nothing then
				d.run()
				if d.sales.Len() != 4 {
					t.Errorf("the next whole pass deletes what vanished, the ERP has\n%s", d.sold())
				}
			}
		})
	}
}

// TestVanishedWithACeiling: a person who lets more vanish than the guard has them
// deleted by the run that comes.
func TestVanishedWithACeiling(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{flow: deletes})
	d.remove("A", "C", "E")
	d.want("run", d.run(), "2 unchanged, paused: guard: 3 deletes in this run, the limit is 2; for example A, C, E")
	d.resume(engine.ResumeOptions{Allow: map[string]string{"deletes": "3"}})
	d.want("allowed", d.run(), "3 deleted, 2 unchanged")
	d.want("the ERP", d.sold(), "B 1 - - -\nD 3 - - -")
	d.remove("B", "D")
	d.order("F", 5)
	d.want("as before", d.run(), "1 created, 2 deleted")
}

// TestEmptySource: a source that answers and has nothing deletes nothing, whatever the
// guard allows: it pauses the flow, until a person allows so many deletes for one run.
func TestEmptySource(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{flow: deletesAll})
	before := d.sold()
	d.remove("A", "B", "C", "D", "E")
	const empty = "guard: shop.orders is empty, and 5 records of it are in erp.orders"
	if p := d.plan(engine.PlanOptions{}); p.Paused != empty {
		t.Errorf("planned %q", p.Paused)
	}
	d.want("run", d.run(), "paused: "+empty)
	d.resume(engine.ResumeOptions{})
	d.want("resumed", d.run(), "paused: "+empty)
	d.want("the ERP", d.sold(), before)
	d.resume(engine.ResumeOptions{Allow: map[string]string{"deletes": "4"}})
	d.want("a ceiling that is too low", d.run(), "paused: guard: 5 deletes in this run, the limit is 4; for example A, B, C")
	d.resume(engine.ResumeOptions{Allow: map[string]string{"deletes": "5"}})
	d.want("allowed", d.run(), "5 deleted")
	d.want("the ERP", d.sold(), "")
	d.want("empty, as it is known to be", d.run(), "")
}

// TestEmptySourceIsTold: where the flow deletes nothing, it goes on, and that is told
// once, when it becomes so.
func TestEmptySourceIsTold(t *testing.T) {
	t.Parallel()
	d := start(t, rulesetText{flow: `every = "10s"`}, func(d *running) { d.order("A", 1) })
	d.runs(1)
	const told = "the source is empty"
	for run, want := range []int{1, 1, 1, 2} {
		d.remove("A")
		if run == 2 {
			d.order("A", 1)
		}
		d.pass(10 * time.Second)
		d.runs(int64(run) + 2)
		if n := d.log.count(told); n != want {
			t.Errorf("told %d times after %d runs, want %d", n, run+1, want)
		}
	}
	d.want("the ERP", d.sold(), "A 1 - - -")
}

// failingRead lets reads fail from the n-th on.
func (d *desk) failingRead(n int) {
	d.shopFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if c.Op == "read" {
			if n--; n < 0 {
				return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Broken, Op: c.Op, Err: errors.New("no route")}}
			}
		}
		return nil
	}}
}

// TestInterruptedPass: a pass that goes on in the process that began it still counts;
// after a restart it judges nothing, and the next one does.
func TestInterruptedPass(t *testing.T) {
	t.Parallel()
	for name, restarted := range map[string]bool{"goes on": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newVanishing(t, rulesetText{flow: deletesAll, size: 1})
			d.remove("B")
			interrupt, stop := context.WithCancel(context.Background())
			reads := 0
			d.shopFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
				if c.Op == "read" {
					if reads++; reads == 3 {
						stop()
					}
				}
				return nil
			}}
			d.with(func(e *engine.Engine, db *state.DB) {
				if all, err := e.RunOnce(interrupt, engine.RunOptions{}); err != nil || !all[0].Limited || all[0].Counts[engine.Deleted] > 0 {
					t.Fatal(all, err)
				}
				if restarted {
					return
				}
				all, err := e.RunOnce(context.Background(), engine.RunOptions{})
				if err != nil || all[0].Err != nil || all[0].Counts[engine.Deleted] != 1 {
					t.Error(all, err)
				}
				d.verify(db)
			})
			if restarted {
				d.run()
				d.want("the pass that was begun before", d.sold(), "A 0 - - -\nB 1 - - -\nC 2 - - -\nD 3 - - -\nE 4 - - -")
				d.run()
			}
			d.want("the ERP", d.sold(), "A 0 - - -\nC 2 - - -\nD 3 - - -\nE 4 - - -")
		})
	}
}

// TestSoftDeletes: the resource says how it is told that a record is gone.
func TestSoftDeletes(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{flow: deletes, erp: "delete = {\n status = \"gone\"\n}\n write = {\n status = \"'here'\"\n}"})
	d.remove("A")
	d.want("run", d.run(), "1 deleted, 4 unchanged")
	d.want("the ERP", d.sold(), "A 0 - gone -\nB 1 - here -\nC 2 - here -\nD 3 - here -\nE 4 - here -")
	d.order("A", 0)
	d.want("back again", d.run(), "1 updated, 4 unchanged")
	d.want("the ERP", d.sold(), "A 0 - here -\nB 1 - here -\nC 2 - here -\nD 3 - here -\nE 4 - here -")
}

// TestRefusedDeletes: a delete that is refused is an exception, tried again by the
// next whole pass.
func TestRefusedDeletes(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{flow: deletes})
	refuse := true
	d.sales.Refuse = func(op connectors.Op, _ map[string]record.Value) (string, string) {
		if op == connectors.Delete && refuse {
			return "foreign_key", "it has invoices"
		}
		return "", ""
	}
	d.remove("A")
	d.want("run", d.run(), "4 unchanged, 1 rejected")
	d.want("what waits", d.open(), "A rejected foreign_key")
	d.want("again", d.run(), "4 unchanged, 1 rejected")
	refuse = false
	d.want("in the end", d.run(), "1 deleted, 4 unchanged")
	d.want("what waits", d.open(), "")
}

// TestSweep: as often as it says, the whole source is read and compared again: what
// changed elsewhere and what vanished is seen.
func TestSweep(t *testing.T) {
	t.Parallel()
	d := newVanishing(t, rulesetText{shop: `cursor = "qty"`, flow: deletes + "\n sweep = \"24h\""})
	d.edit(d.sales, "B", "qty", 77)
	d.remove("A")
	d.clock.move(time.Hour)
	if s := d.try(engine.RunOptions{}); s.Conflicts > 0 || s.Counts[engine.Deleted] > 0 {
		t.Errorf("before it is due: %+v", s)
	}
	d.clock.move(24 * time.Hour)
	p := d.plan(engine.PlanOptions{})
	s := d.try(engine.RunOptions{})
	d.want("the sweep", countsText(s), "1 updated, 1 deleted, 3 unchanged")
	if s.Conflicts != 1 || s.Asked != 3 || p.Counts != s.Counts {
		t.Errorf("%d foreign, %d asked, planned %v", s.Conflicts, s.Asked, p.Counts)
	}
	d.want("the ERP", d.sold(), "B 1 - - -\nC 2 - - -\nD 3 - - -\nE 4 - - -")
	d.clock.move(time.Hour)
	if s := d.try(engine.RunOptions{}); s.Asked > 0 || s.Counts[engine.Updated] > 0 {
		t.Errorf("after it: %+v", s)
	}
	d.clock.move(24 * time.Hour)
	d.want("the next one", d.run(), "4 unchanged")
}

// TestAbsenceWhereOnlySomeIsRead: a source that tells what is new, as files and a cursor
// do, says nothing of the records it does not tell again.
func TestAbsenceWhereOnlySomeIsRead(t *testing.T) {
	t.Parallel()
	put := func(d *desk, name, rows string) {
		if err := os.WriteFile(filepath.Join(d.dir, "out", name), []byte("no,qty\n"+rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dropped := strings.NewReplacer("3s", "0s", "mode  = observe", "mode  = live\n"+deletesAll, `every = "1h"`, "").Replace(filesFlow)
	for name, test := range map[string]struct {
		text  rulesetText
		first func(*desk)
		then  func(*desk)
		want  string
	}{
		"another file": {rulesetText{more: dropped, mode: "observe"}, func(d *desk) { put(d, "1.csv", "A,1\nB,2\n") }, func(d *desk) { put(d, "2.csv", "C,3\n") }, "drops: 1 created"},
		"a file in place of another": {rulesetText{more: dropped, mode: "observe"}, func(d *desk) { put(d, "1.csv", "A,1\nB,2\n") }, func(d *desk) {
			put(d, "2.csv", "C,3\n")
			if err := os.Remove(filepath.Join(d.dir, "out", "1.csv")); err != nil {
				t.Fatal(err)
			}
		}, "drops: 1 created"},
		"a cursor": {rulesetText{shop: `cursor = "qty"`, flow: deletesAll}, func(d *desk) {
			d.order("A", 1)
			d.order("B", 2)
		}, func(d *desk) {
			d.remove("A")
			d.order("C", 3)
		}, "orders: 1 created"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, test.text)
			flow, _, _ := strings.Cut(test.want, ":")
			test.first(d)
			d.both(flow)
			test.then(d)
			if got := d.both(flow); !strings.HasPrefix(got, test.want) {
				t.Errorf("run: %s, want %s", got, test.want)
			}
			d.both(flow)
			d.want("the ERP", d.sold(), "A 1 - - -\nB 2 - - -\nC 3 - - -")
		})
	}
}
