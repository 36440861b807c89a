package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
)

// stoppedClock stands still until the test moves it.
type stoppedClock struct {
	mu      sync.Mutex
	now     time.Time
	waiting map[chan struct{}]time.Time
}

func newStoppedClock() *stoppedClock {
	return &stoppedClock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), waiting: make(map[chan struct{}]time.Time)}
}

func (c *stoppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stoppedClock) Sleep(ctx context.Context, d time.Duration) error {
	woken := make(chan struct{})
	c.mu.Lock()
	c.waiting[woken] = c.now.Add(d)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, woken)
		c.mu.Unlock()
	}()
	select {
	case <-woken:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// move lets time pass, and wakes who waited for it.
func (c *stoppedClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for woken, until := range c.waiting {
		if !until.After(c.now) {
			close(woken)
			delete(c.waiting, woken)
		}
	}
}

// waits reports whether somebody sleeps until the time that is d away.
func (c *stoppedClock) waits(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, until := range c.waiting {
		if until.Equal(c.now.Add(d)) {
			return true
		}
	}
	return false
}

// running is a desk whose engine runs as a daemon does.
type running struct {
	*desk
	clock  *stoppedClock
	engine *engine.Engine
	log    *logged
	opens  atomic.Int64 // connectors opened
	closes atomic.Int64 // and closed
	watch  func(dir string, changed func())
}

// logged counts what was logged, by message.
type logged struct {
	mu    sync.Mutex
	lines map[string]int
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	message, _, _ := strings.Cut(r.Message, ";")
	l.lines[message]++
	return nil
}

func (l *logged) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[message]
}

// start runs the desk's ruleset until the test ends.
func start(t *testing.T, text rulesetText, prepare func(*running)) *running {
	d := &running{desk: newDesk(t, text), clock: newStoppedClock(), log: &logged{lines: make(map[string]int)}}
	prepare(d)
	db, err := state.Open(filepath.Join(d.dir, "state"), d.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	log, err := exceptions.Open(d.logDir())
	if err != nil {
		t.Fatal(err)
	}
	kinds := d.kinds()
	config := engine.Config{
		Ruleset: d.ruleset(), State: db, Exceptions: log, Clock: d.clock, Log: slog.New(d.log), Notify: d.notify,
		Open: func(c *rules.Connector) (connectors.Connector, error) {
			d.opens.Add(1)
			i := slices.IndexFunc(kinds, func(k connectors.Kind) bool { return k.Name == c.Type })
			open, err := kinds[i].Open(c.Settings, connectors.Tools{Now: d.clock.Now, Dir: d.dir})
			return counted{open, &d.closes}, err
		},
	}
	if d.watch != nil {
		config.Watch = func(ctx context.Context, dir string, changed func()) {
			d.watch(dir, changed)
			<-ctx.Done()
		}
	}
	d.engine = engine.New(config)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		d.verify(db)
		if err := errors.Join(d.engine.Close(), log.Close(), db.Close()); err != nil {
			t.Error(err)
		}
		if d.opens.Load() != d.closes.Load() {
			t.Errorf("%d connectors opened, %d closed", d.opens.Load(), d.closes.Load())
		}
	})
	return d
}

// counted counts that a connector is closed.
type counted struct {
	connectors.Connector
	closes *atomic.Int64
}

func (c counted) Close() error {
	c.closes.Add(1)
	return c.Connector.Close()
}

// until waits until the engine has come to what is asked for.
func (d *running) until(what string, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			d.t.Fatalf("it never came to this: %s; %+v", what, d.engine.Schedule())
		}
		<-time.After(100 * time.Microsecond)
	}
}

// runs waits until the flow has run n times and rests.
func (d *running) runs(n int64) engine.FlowStatus {
	d.t.Helper()
	var f engine.FlowStatus
	d.until("the flow has run", func() bool {
		all := d.engine.Schedule()
		if len(all) == 1 {
			f = all[0]
		}
		return f.Runs >= n && !f.Running
	})
	if f.Runs != n {
		d.t.Fatalf("the flow ran %d times, want %d", f.Runs, n)
	}
	return f
}

// pass lets the time pass after which the scheduler looks again.
func (d *running) pass(ds ...time.Duration) {
	d.t.Helper()
	for _, x := range ds {
		d.until("the scheduler sleeps for "+x.String(), func() bool { return d.clock.waits(x) })
		d.clock.move(x)
	}
}

// TestEvery: a flow runs at once, and then in its interval; the scheduler looks at
// least every ten seconds, so that whoever watches it sees it alive.
func TestEvery(t *testing.T) {
	t.Parallel()
	d := start(t, rulesetText{flow: `every = "25s"`}, func(d *running) { d.order("A-1", 1, nil, "open") })
	d.runs(1)
	d.order("A-2", 1, nil, "open")
	d.pass(10*time.Second, 10*time.Second)
	d.runs(1)
	d.pass(5 * time.Second)
	f := d.runs(2)
	d.want("sold", d.sold(), "A-1 1 - open -\nA-2 1 - open -")
	if f.CaughtUp != d.clock.Now() {
		t.Errorf("caught up at %s, it is %s", f.CaughtUp, d.clock.Now())
	}
	if !d.engine.Kick("orders") || d.engine.Kick("nothing") {
		t.Error("a flow is kicked by its name")
	}
	d.runs(3)
}

// TestFailing: a flow of which something is not as declared is tried again, later each time; it is
// logged when it fails and when it recovers, and not in between.
func TestFailing(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	d := start(t, rulesetText{flow: `every = "1s"`}, func(d *running) {
		d.order("A-1", 1, nil, "open")
		d.erpFaults.Fail = func(connectortest.Call) *connectortest.Fault {
			if !down.Load() {
				return nil
			}
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Broken, Op: "read", Err: errors.New("no such table")}}
		}
	})
	d.runs(1)
	for i, wait := range []time.Duration{5 * time.Second, 10 * time.Second} {
		d.pass(wait)
		if f := d.runs(int64(i) + 2); f.Failures != i+2 || f.Failing == nil {
			t.Errorf("%+v", f)
		}
	}
	if n := d.log.count("flow failed"); n != 1 {
		t.Errorf("logged %d times that it failed", n)
	}
	down.Store(false)
	d.pass(10*time.Second, 10*time.Second)
	if f := d.runs(4); f.Failures != 0 || f.Failing != nil {
		t.Errorf("%+v", f)
	}
	if n := d.log.count("flow recovered"); n != 1 {
		t.Errorf("logged %d times that it recovered", n)
	}
	d.want("sold", d.sold(), "A-1 1 - open -")
}

// TestSwapEndsWaiting: a run that waits for a system gives way to a changed ruleset
// at once, loses nothing, and goes on under the new one.
func TestSwapEndsWaiting(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	d := start(t, rulesetText{}, func(d *running) {
		d.order("A-1", 1, nil, "open")
		d.erpFaults.Fail = func(c connectortest.Call) *connectortest.Fault {
			if c.Op != "apply" || !down.Load() {
				return nil
			}
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: "write", Err: errors.New("restarting")}}
		}
	})
	d.until("the run waits for the system", func() bool { return d.clock.waits(time.Second) })
	down.Store(false)
	d.text.flow = `filter = "qty > 0"`
	d.engine.Apply(d.ruleset(), false)
	if f := d.runs(2); f.Failures != 0 {
		t.Errorf("to be asked to end is no failure: %+v", f)
	}
	d.want("sold", d.sold(), "A-1 1 - open -")
}

// TestApply: what did not change goes on, what changed starts again, what vanished
// is forgotten; connectors that are declared alike are shared.
func TestApply(t *testing.T) {
	t.Parallel()
	d := start(t, rulesetText{}, func(d *running) { d.order("A-1", 1, nil, "open") })
	d.runs(1)
	opened := d.opens.Load()
	d.text.more = "# only a comment\n"
	d.engine.Apply(d.ruleset(), false)
	d.pass(10 * time.Second) // it is not due
	d.runs(1)
	if d.opens.Load() != opened {
		t.Error("a connector that did not change was opened again")
	}
	d.engine.Apply(d.ruleset(), true)
	d.pass(10 * time.Second)
	if d.closes.Load() != opened {
		t.Errorf("%d of %d connectors were closed", d.closes.Load(), opened)
	}
	d.text.flow = `filter = "qty > 1"`
	d.engine.Apply(d.ruleset(), false)
	d.runs(2)
	empty := *d.ruleset()
	empty.Flows = nil
	d.engine.Apply(&empty, false)
	d.until("the flow is forgotten", func() bool { return len(d.engine.Schedule()) == 0 })
}

// TestActsGoBetween: who needs a flow for itself gets it, and the flow goes on.
func TestActsGoBetween(t *testing.T) {
	t.Parallel()
	d := start(t, rulesetText{batch: `pause = "2h"`}, func(d *running) {
		for _, no := range []string{"A-1", "A-2", "A-3"} {
			d.order(no, 1, nil, "open")
		}
	})
	d.until("the run pauses between batches", func() bool { return d.clock.waits(2 * time.Hour) })
	called := false
	if err := d.engine.Exclusive("orders", func() error {
		called = true
		return nil
	}); err != nil || !called {
		t.Error(err, called)
	}
	for range 2 {
		d.until("the flow goes on", func() bool { return d.clock.waits(2 * time.Hour) })
		d.clock.move(2 * time.Hour)
	}
	d.until("all is sold", func() bool { return strings.Count(d.sold(), "\n") == 2 })
}

// TestFilesWakeTheirFlow: a change of a source's directory makes its flow due when
// the change has settled, not at once.
func TestFilesWakeTheirFlow(t *testing.T) {
	t.Parallel()
	changes := make(chan func(), 1)
	d := start(t, rulesetText{more: filesFlow, flow: `every = "1h"`}, func(d *running) {
		d.watch = func(dir string, changed func()) { changes <- changed }
	})
	changed := <-changes
	d.until("both have run", func() bool {
		return !slices.ContainsFunc(d.engine.Schedule(), func(f engine.FlowStatus) bool { return f.Runs == 0 || f.Running })
	})
	changed()
	d.pass(3 * time.Second)
	d.until("the flow of the files ran again, and no other", func() bool {
		all := d.engine.Schedule()
		return all[0].Flow == "drops" && all[0].Runs == 2 && all[1].Runs == 1
	})
}

const filesFlow = `
connector "drops" {
  type = "files"
  dir  = "out"
  resource "orders" {
    entity = entity.order
    glob   = "*.csv"
    settle = "3s"
    fields = [no, qty]
    csv {
    }
  }
}
flow "drops" {
  from  = connector.drops.orders
  to    = connector.erp.orders
  mode  = observe
  every = "1h"
}
`

// TestHeldInALongInterval: what is held is judged again when its lookups are renewed,
// or when it has waited too long, however long the interval of its flow is; the
// source is not read for it.
func TestHeldInALongInterval(t *testing.T) {
	t.Parallel()
	d := start(t, rulesetText{flow: "every = \"24h\"\n" + allRejects, entity: strings.Replace(knownCustomer, "2d", "150s", 1), more: customersLookup, size: 10}, func(d *running) {
		d.order("A", 1, "Ann")
		d.order("B", 1, "Bob")
	})
	first := d.runs(1)
	reads := func() (n int) {
		for _, c := range d.shopFaults.Calls() {
			if c.Op == "read" {
				n++
			}
		}
		return n
	}
	before := reads()
	d.customers.Insert(cells("Ann", 1)...)
	pass := func(seconds int) {
		for range seconds / 10 {
			d.pass(10 * time.Second)
		}
	}
	pass(60)
	f := d.runs(2)
	d.want("when Ann is there", d.sold(), "A 1 Ann - -")
	d.want("what waits", d.open(), "B held rule known")
	if f.Due != first.Due || f.CaughtUp != first.CaughtUp || reads() != before {
		t.Errorf("it is no run of its own: %+v, first %+v, %d reads, before %d", f, first, reads(), before)
	}
	pass(60)
	d.runs(3)
	pass(30)
	d.runs(4)
	d.want("too long", d.open(), "B rejected within known")
}

// TestRefusedInALongInterval: what the destination refused is sent again when its wait
// is over, however long the interval of its flow is.
func TestRefusedInALongInterval(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	d := start(t, rulesetText{flow: "every = \"24h\"\n" + allRejects, size: 10}, func(d *running) {
		d.order("A", 1)
		d.sales.Refuse = func(connectors.Op, map[string]record.Value) (string, string) {
			if sent.Add(1) < 3 {
				return "fk", "no such customer"
			}
			return "", ""
		}
	})
	d.runs(1)
	for run, seconds := range []int{60, 120} {
		for range seconds / 10 {
			d.pass(10 * time.Second)
		}
		d.runs(int64(run) + 2)
	}
	d.want("the ERP", d.sold(), "A 1 - - -")
	d.want("what waits", d.open(), "")
}

// TestWaitingEndsNoFailing: a run that only judges again what waits does not ask the
// source, so its success does not end the failing of the flow: nobody is told that it
// recovered before the source was read.
func TestWaitingEndsNoFailing(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	text := rulesetText{flow: "every = \"24h\"\n" + allRejects, entity: knownCustomer, more: strings.Replace(customersLookup, "1m", "4s", 1), size: 10}
	d := start(t, text, func(d *running) {
		d.order("A", 1, "Ann")
		d.shopFaults = &connectortest.Faults{Fail: func(connectortest.Call) *connectortest.Fault {
			if !down.Load() {
				return nil
			}
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Broken, Op: "read", Err: errors.New("the shop is shut")}}
		}}
	})
	first := d.runs(1)
	down.Store(true)
	d.engine.Kick("orders")
	failed := d.runs(2)
	down.Store(false) // the lookup is in the same system
	d.customers.Insert(cells("Ann", 1)...)
	d.pass(4 * time.Second)
	judged := d.runs(3)
	d.want("when Ann is there", d.sold(), "A 1 Ann - -")
	if failed.Failing == nil || judged.Failing == nil || judged.Due != failed.Due || judged.Success != first.Success {
		t.Errorf("first %+v, failed %+v, judged what waits %+v", first, failed, judged)
	}
	if n := d.log.count("flow recovered"); n != 0 {
		t.Errorf("logged %d times that it recovered", n)
	}
	d.pass(time.Second)
	if f := d.runs(4); f.Failing != nil || d.log.count("flow recovered") != 1 {
		t.Errorf("%+v", f)
	}
}
