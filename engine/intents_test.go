package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// The APIs, by how an unknown answer to them is settled.
var apis = map[string]memory.API{
	"find":   {Find: true, Lag: time.Minute},
	"window": {Window: 24 * time.Hour},
	"both":   {Find: true, Window: time.Hour},
	"repeat": {Repeat: true},
	"double": {Double: true},
	"none":   {},
}

var errReset = errors.New("connection reset")

// The faults of one send, each with what it does.
var sendFaults = map[string]memory.Fault{
	"refused before":     {Status: connectors.Untried, Err: &connectors.Error{Class: connectors.Down, Op: "send", Err: errReset}},
	"too many":           {Status: connectors.Untried, Err: &connectors.Error{Class: connectors.Down, Op: "send", After: time.Minute, Err: errReset}},
	"lost before":        {Status: connectors.Unknown, Err: errReset},
	"lost behind":        {Status: connectors.Unknown, Stores: true, Err: errReset},
	"done after a while": {Status: connectors.Unknown, Stores: true, In: 20 * time.Second, Err: errReset},
	"refused":            {Status: connectors.Refused, Code: "check", Words: "no"},
}

// newAPI is a desk whose ERP is an API.
func newAPI(t testing.TB, api memory.API, text rulesetText) *desk {
	d := newDesk(t, text)
	copied := api
	d.sales.API = &copied
	return d
}

// failSend makes the n-th send fail.
func (d *desk) failSend(n int, fault memory.Fault) {
	d.sales.API.Fail = func(s memory.Send) *memory.Fault {
		if s.N != n {
			return nil
		}
		return &fault
	}
}

// unsettled counts the messages of flow orders that are kept.
func (d *desk) unsettled() (n int) {
	d.t.Helper()
	d.with(func(_ *engine.Engine, db *state.DB) {
		l, err := db.Ledger("orders", "", "")
		if err != nil {
			d.t.Fatal(err)
		}
		sends, err := l.Sends("", 1000)
		if err != nil {
			d.t.Fatal(err)
		}
		n = len(sends)
	})
	return n
}

// TestLostAnswersOfAnAPI: whatever fails of one send, an API that can be asked or
// knows a message again has each record once; one that can do neither is sent nothing
// twice, and exactly what is unknown is in doubt (promise 3).
func TestLostAnswersOfAnAPI(t *testing.T) {
	t.Parallel()
	for kind, api := range apis {
		for fault, f := range sendFaults {
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprintf("%s/%s/%d", kind, fault, n), func(t *testing.T) {
					t.Parallel()
					d := newAPI(t, api, rulesetText{size: 2})
					for _, no := range []string{"A", "B", "C"} {
						d.order(no, 1)
					}
					d.failSend(n, f)
					d.run()
					d.run()
					want, open := []string{"A 1 - - -", "B 1 - - -", "C 1 - - -"}, ""
					key := string(rune('A' + n - 1))
					doubtful := f.Status == connectors.Unknown && kind == "none"
					switch {
					case doubtful:
						open = key + " in_doubt unknown_answer"
					case fault == "refused":
						open = key + " rejected check"
					}
					if open != "" && !f.Stores {
						want = slices.Delete(want, n-1, n)
					}
					if kind == "double" && f.Stores {
						want = append(want, want[n-1])
						slices.Sort(want)
					}
					d.clock.move(30 * time.Second)
					d.order("D", 1) // what is done late is done by then
					d.run()
					want = append(want, "D 1 - - -")
					d.want("the ERP", d.sold(), strings.Join(want, "\n"))
					d.want("what waits", d.open(), open)
					if left := d.unsettled(); left != 0 {
						t.Errorf("%d messages are kept", left)
					}
				})
			}
		}
	}
}

// TestLostAnswersAcrossRuns: an answer that is lost while nothing works any more is
// settled at the start of the next run, before anything else of its key (R5).
func TestLostAnswersAcrossRuns(t *testing.T) {
	t.Parallel()
	for kind, api := range apis {
		for _, stores := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", kind, stores), func(t *testing.T) {
				t.Parallel()
				d := newAPI(t, api, rulesetText{size: 3})
				for _, no := range []string{"A", "B", "C"} {
					d.order(no, 1)
				}
				d.loseSend(2, stores)
				s := d.try(engine.RunOptions{})
				want, open := []string{"A 1 - - -", "B 1 - - -", "C 1 - - -"}, ""
				if kind == "none" {
					open = "B in_doubt unknown_answer"
				}
				if s.Err == nil {
					t.Error("the ERP went away, and the run did not fail")
				}
				if got := d.unsettled(); got < 2 || got > 3 { // A's answer is known, B's is not
					t.Errorf("%d messages are kept", got)
				}
				d.clock.move(time.Minute)
				d.erpFaults = &connectortest.Faults{}
				d.run()
				if kind == "none" && !stores {
					want = slices.Delete(want, 1, 2)
				}
				if kind == "double" && stores {
					want = append(want, "B 1 - - -")
					slices.Sort(want)
				}
				d.want("the ERP", d.sold(), strings.Join(want, "\n"))
				d.want("what waits", d.open(), open)
				d.want("once more", d.run(), "3 unchanged")
				if left := d.unsettled(); left != 0 {
					t.Errorf("%d messages are kept", left)
				}
			})
		}
	}
}

// loseSend loses the answer to the n-th send, and lets nothing work behind it.
func (d *desk) loseSend(n int, stores bool) {
	gone := false
	d.failSend(n, memory.Fault{Status: connectors.Unknown, Stores: stores, Err: errReset})
	fail := d.sales.API.Fail
	d.sales.API.Fail = func(s memory.Send) *memory.Fault {
		gone = gone || s.N == n
		return fail(s)
	}
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if !gone {
			return nil
		}
		return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
	}}
}

// TestWindowIsOver: a key of idempotency is used to three quarters of its window, and
// a clock that went backwards counts as one that says it is over (R11).
func TestWindowIsOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		later time.Duration
		open  string
	}{
		"within":    {17 * time.Hour, ""},
		"over":      {19 * time.Hour, "A in_doubt unknown_window"},
		"backwards": {-time.Hour, "A in_doubt unknown_window"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, apis["window"], rulesetText{})
			d.order("A", 1)
			d.loseSend(1, true)
			d.try(engine.RunOptions{})
			d.clock.move(test.later)
			d.erpFaults = &connectortest.Faults{}
			d.run()
			d.want("the ERP", d.sold(), "A 1 - - -")
			d.want("what waits", d.open(), test.open)
		})
	}
}

// TestWindowOverARestore: a message that a backup brought back may have been sent, and
// answered, in the life that the state knows nothing of: its window counts as over,
// whatever the clock says (R11, R12).
func TestWindowOverARestore(t *testing.T) {
	t.Parallel()
	d := newAPI(t, apis["window"], rulesetText{})
	d.order("A", 1)
	d.loseSend(1, true)
	d.try(engine.RunOptions{})
	backup := filepath.Join(t.TempDir(), "backup.db")
	d.with(func(_ *engine.Engine, db *state.DB) {
		if err := db.Backup(backup, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := state.Restore(filepath.Join(d.dir, "state"), backup, d.clock.Now()); err != nil {
		t.Fatal(err)
	}
	d.erpFaults = &connectortest.Faults{}
	if s := d.try(engine.RunOptions{}); s.Pause != engine.PausedByRestore {
		t.Fatalf("it runs over a restored state: %+v", s)
	}
	d.resume(engine.ResumeOptions{})
	d.run()
	d.want("the ERP", d.sold(), "A 1 - - -")
	d.want("what waits", d.open(), "A in_doubt unknown_window")
}

// TestNoBehindUnknown: a refusal behind an unknown answer is no "no": that a record is
// there means that it is looked up (R7), at once, for no system failed.
func TestNoBehindUnknown(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"both": "", "repeat": "A in_doubt unknown_answer", "double": "A in_doubt unknown_answer"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, apis[kind], rulesetText{})
			d.text.whole = strings.ReplaceAll(d.hcl(), "attempts = 3", "attempts = 2")
			d.order("A", 1)
			d.sales.API.Fail = func(s memory.Send) *memory.Fault {
				if s.N == 1 {
					return &memory.Fault{Status: connectors.Unknown, Stores: true, Err: errReset}
				}
				return &memory.Fault{Status: connectors.Refused, Code: "unique", Words: "there is one"}
			}
			d.run()
			d.want("the ERP", d.sold(), "A 1 - - -")
			d.want("what waits", d.open(), want)
		})
	}
}

// TestNewerBehindDoubt: while a version is in doubt the newest one waits, and replaces
// the one that waited (R9); a person settles what was sent, and it goes on.
func TestNewerBehindDoubt(t *testing.T) {
	t.Parallel()
	const applied, notApplied, again = engine.WasApplied, engine.NotApplied, engine.SendAgain
	for name, test := range map[string]struct {
		newer []int
		as    engine.Resolution
		sold  string // in the end
		open  string // then
	}{
		"applied":             {nil, applied, "A 1 - - -", ""},
		"not applied":         {nil, notApplied, "A 1 - - -\nA 1 - - -", ""}, // the person was wrong
		"sent again":          {nil, again, "A 1 - - -\nA 1 - - -", ""},
		"applied, newer":      {[]int{2, 3}, applied, "A 3 - - -", ""},
		"not applied, newer":  {[]int{2, 3}, notApplied, "A 1 - - -\nA 3 - - -", ""},
		"back to what it was": {[]int{2, 1}, applied, "A 1 - - -", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, apis["none"], rulesetText{})
			d.order("A", 1)
			d.failSend(1, memory.Fault{Status: connectors.Unknown, Stores: true, Err: errReset})
			d.want("run", d.run(), "1 in_doubt")
			for _, qty := range test.newer {
				d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(int64(qty)))
				d.want("a newer one", d.run(), "1 held")
				d.want("and again", d.run(), "1 unchanged")
			}
			d.want("the ERP", d.sold(), "A 1 - - -")
			d.want("what waits", d.open(), "A in_doubt unknown_answer")
			if _, err := d.resolve("A", test.as, ""); err == nil {
				t.Error("resolved without a reason")
			}
			if _, err := d.resolve("A", test.as, "looked it up"); err != nil {
				t.Fatal(err)
			}
			d.run()
			d.want("the ERP in the end", d.sold(), test.sold)
			d.want("what waits in the end", d.open(), test.open)
			d.want("nothing more", d.run(), "1 unchanged")
		})
	}
}

// TestSentAgainAndLost: a message that a person has sent again is sent once, whatever
// becomes of the answer.
func TestSentAgainAndLost(t *testing.T) {
	t.Parallel()
	d := newAPI(t, apis["none"], rulesetText{})
	d.order("A", 1)
	d.sales.API.Fail = func(memory.Send) *memory.Fault {
		return &memory.Fault{Status: connectors.Unknown, Err: errReset}
	}
	d.run()
	if _, err := d.resolve("A", engine.SendAgain, "they lost it"); err != nil {
		t.Fatal(err)
	}
	d.run()
	d.run()
	if n := len(d.sales.Sends()); n != 2 {
		t.Errorf("sent %d times", n)
	}
	d.want("what waits", d.open(), "A in_doubt unknown_answer")
	d.sales.API.Fail = nil
	if _, err := d.resolve("A", engine.NotApplied, "it is not there"); err != nil {
		t.Fatal(err)
	}
	d.run()
	d.want("the ERP", d.sold(), "A 1 - - -")
	d.want("what waits", d.open(), "")
}

// resolve settles the exception of the record with the key.
func (d *desk) resolve(key string, as engine.Resolution, why string) (r *engine.Resolved, err error) {
	d.t.Helper()
	id := d.id(key)
	d.with(func(e *engine.Engine, db *state.DB) {
		r, err = e.Resolve("orders", id, as, "", engine.Actor{Name: "ann"}, why)
		d.verify(db)
	})
	return r, err
}

// TestMessagesInFlight: as many messages as in_flight says are on their way at a time,
// of as many batches, and all of them are settled in order.
func TestMessagesInFlight(t *testing.T) {
	t.Parallel()
	d := newAPI(t, apis["window"], rulesetText{size: 1, batch: "in_flight = 4"})
	for i := range 40 {
		d.order(fmt.Sprintf("N%02d", i), 1)
	}
	var on, most atomic.Int32
	all := make(chan struct{})
	together := sync.OnceFunc(func() { close(all) })
	d.erpFaults = &connectortest.Faults{Around: func(c connectortest.Call, call func() error) error {
		if c.Op != "send" {
			return call()
		}
		defer on.Add(-1)
		n := on.Add(1)
		for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
		}
		if n == 4 {
			together()
		}
		select {
		case <-all:
		case <-time.After(time.Minute):
			t.Error("no four messages were on their way at a time")
		}
		return call()
	}}
	d.want("run", d.run(), "40 created")
	if most.Load() != 4 || d.sales.Len() != 40 {
		t.Errorf("%d at a time, %d rows", most.Load(), d.sales.Len())
	}
}

// TestBurstOfFailures: that all messages on their way fail at once is one failure of
// the system, not as many: each is sent again, and nobody leaves it alone.
func TestBurstOfFailures(t *testing.T) {
	t.Parallel()
	d := newAPI(t, apis["window"], rulesetText{size: 1, batch: "in_flight = 8"})
	for i := range 20 {
		d.order(fmt.Sprintf("N%02d", i), 1)
	}
	var waits atomic.Int32
	all := make(chan struct{})
	d.jitter = func(time.Duration) time.Duration { // asked for before a message is sent again
		switch n := waits.Add(1); {
		case n == 8:
			close(all)
		case n < 8: // all have failed before one is answered
			select {
			case <-all:
			case <-time.After(time.Minute):
				t.Error("no eight messages failed at a time")
			}
		}
		return 0
	}
	d.sales.API.Fail = func(s memory.Send) *memory.Fault {
		if s.N > 8 {
			return nil
		}
		return &memory.Fault{Status: connectors.Untried, Err: &connectors.Error{Class: connectors.Down, Op: "send", Err: errReset}}
	}
	d.want("run", d.run(), "20 created")
}
