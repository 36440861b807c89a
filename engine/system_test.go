package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/rules"
)

// asked is an ERP that fails as it is told to, and keeps when it was asked.
type asked struct {
	mu   sync.Mutex
	err  *connectors.Error // what it answers; nil: it is well
	only string            // fail only at this operation; "": at all
	at   []time.Time
}

func (a *asked) answer(now func() time.Time) *connectortest.Faults {
	return &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at = append(a.at, now())
		if a.err == nil || a.only != "" && c.Op != a.only {
			return nil
		}
		err := *a.err
		return &connectortest.Fault{Err: &err}
	}}
}

func (a *asked) fail(err *connectors.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *asked) times() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}

func failing(class connectors.Class, code string) *connectors.Error {
	return &connectors.Error{Class: class, Code: code, Op: "write", Err: errors.New("no")}
}

// startFailing runs a daemon whose ERP fails from the beginning.
func startFailing(t *testing.T, text rulesetText, erp *asked) *running {
	return start(t, text, func(d *running) {
		d.order("A-1", 1, nil, "open")
		d.erpFaults = erp.answer(d.clock.Now)
	})
}

// TestSystemDown: a system that fails as often in a row as its attempts say is left
// alone, later each time, and its flow waits for it; one run probes it, and when it
// answers the flow goes on by itself. It is told when it goes down and when it is
// well, and not in between.
func TestSystemDown(t *testing.T) {
	t.Parallel()
	erp := &asked{err: failing(connectors.Down, "")}
	var events []string
	d := start(t, rulesetText{flow: `every = "1s"`}, func(d *running) {
		d.order("A-1", 1, nil, "open")
		d.erpFaults = erp.answer(d.clock.Now)
		d.notify = func(e engine.Event) {
			erp.mu.Lock()
			defer erp.mu.Unlock()
			events = append(events, strings.TrimSpace(e.Kind+" "+e.Flow+e.Code)+": "+e.Sample)
		}
	})
	d.pass(time.Second, 2*time.Second)
	f := d.runs(1)
	if f.Waits == nil || f.Waits.System != "erp" || f.Waits.Next.Sub(d.clock.Now()) != 5*time.Second || f.Failing == nil || erp.times() != 3 {
		t.Fatalf("%+v, asked %d times", f, erp.times())
	}
	d.pass(5 * time.Second)
	if f = d.runs(2); erp.times() != 4 || f.Waits.Next.Sub(d.clock.Now()) != 10*time.Second {
		t.Errorf("a probe is one question: asked %d times, %+v", erp.times(), f.Waits)
	}
	erp.fail(nil)
	d.pass(10 * time.Second)
	if f = d.runs(3); f.Waits != nil || f.Failing != nil {
		t.Errorf("%+v", f)
	}
	d.want("sold", d.sold(), "A-1 1 - open -")
	for message, want := range map[string]int{"system is left alone": 1, "system is well again": 1, "flow failed": 0, "flow recovered": 0} {
		if n := d.log.count(message); n != want {
			t.Errorf("logged %d times: %s", n, message)
		}
	}
	erp.mu.Lock()
	d.want("what people are told", strings.Join(events, "\n"), "failing down: erp: write: no\nrecovered: erp is well again")
	erp.mu.Unlock()
	if open := d.open(); open != "" {
		t.Errorf("a system that is down is no exception of a record: %s", open)
	}
}

// TestListingIsNoAnswer: a source of one part lists it without asking anybody. A
// system that answers no reading stays down, is left alone longer each time, and is
// told of once.
func TestListingIsNoAnswer(t *testing.T) {
	t.Parallel()
	shop := &asked{err: failing(connectors.Down, ""), only: "read"}
	d := start(t, rulesetText{flow: `every = "1s"`}, func(d *running) {
		d.order("A-1", 1, nil, "open")
		d.shopFaults = shop.answer(d.clock.Now)
	})
	d.pass(time.Second, 2*time.Second)
	runs := int64(0)
	for _, rest := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
		runs++
		f := d.runs(runs)
		if f.Waits == nil || f.Waits.Next.Sub(d.clock.Now()) != rest {
			t.Fatalf("run %d: left alone until %+v, want %s", runs, f.Waits, rest)
		}
		if runs == 3 {
			shop.fail(nil)
		}
		for ; rest > 0; rest -= min(rest, 10*time.Second) { // the scheduler sleeps no longer
			d.pass(min(rest, 10*time.Second))
		}
	}
	if f := d.runs(runs + 1); f.Waits != nil {
		t.Errorf("it answers, and waits: %+v", f.Waits)
	}
	d.want("sold", d.sold(), "A-1 1 - open -")
	for message, want := range map[string]int{"system is left alone": 1, "system is well again": 1} {
		if n := d.log.count(message); n != want {
			t.Errorf("logged %d times: %s", n, message)
		}
	}
}

// TestSystemDenied: a system that lets nobody in is left alone at once and for long,
// unless a person asks for the flow, or the ruleset or a secret changed.
func TestSystemDenied(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*running){
		"kicked":   func(d *running) { d.engine.Kick("orders") },
		"reloaded": func(d *running) { d.engine.Apply(d.ruleset(), true) },
		"changed": func(d *running) {
			d.text.more += "# mended\n"
			d.engine.Apply(d.ruleset(), false)
		},
		"resumed": func(d *running) {
			if resumed, err := d.engine.Resume("orders", engine.ResumeOptions{}); err != nil || !strings.HasPrefix(resumed.Was, "it waits for erp") {
				d.t.Errorf("%+v: %v", resumed, err)
			}
		},
		"after a long time": func(d *running) {
			for range 88 { // and twice before
				d.pass(10 * time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			erp := &asked{err: failing(connectors.Denied, "")}
			d := startFailing(t, rulesetText{flow: `every = "1s"`}, erp)
			if f := d.runs(1); erp.times() != 1 || f.Waits == nil || f.Waits.Next.Sub(d.clock.Now()) != 15*time.Minute {
				t.Fatalf("asked %d times: %+v", erp.times(), f)
			}
			d.pass(10*time.Second, 10*time.Second)
			if d.runs(1); erp.times() != 1 {
				t.Fatalf("asked %d times while it is left alone", erp.times())
			}
			erp.fail(nil)
			again(d)
			d.until("it is sold", func() bool { return d.sold() == "A-1 1 - open -" })
		})
	}
}

// TestSystemSurvivesReload: what is known of a connector is known to the next ruleset
// that declares it alike; one declared otherwise is asked anew, but not before the
// time it asked for.
func TestSystemSurvivesReload(t *testing.T) {
	t.Parallel()
	erp := &asked{err: failing(connectors.Down, "")}
	d := startFailing(t, rulesetText{flow: `every = "1s"`}, erp)
	d.pass(time.Second, 2*time.Second)
	d.runs(1)
	d.text.flow = `every = "2s"`
	d.engine.Apply(d.ruleset(), false)
	d.pass(5 * time.Second)
	if f := d.runs(2); f.Waits == nil || erp.times() != 4 {
		t.Fatalf("asked %d times: %+v", erp.times(), f)
	}
	erp.fail(nil)
	d.text.system = `rate = "5/s"`
	d.engine.Apply(d.ruleset(), false)
	d.until("it is sold at once", func() bool { return d.sold() == "A-1 1 - open -" })
}

// TestRetryAfter: not one request before the time has passed that the system asked
// for; it is waited for where that is within the budget, and else the flow waits.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after time.Duration
		runs  int64 // that end before it is asked again
	}{
		"within the budget": {3 * time.Minute, 0},
		"too long":          {20 * time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			busy := failing(connectors.Down, "429")
			busy.After = test.after
			erp := &asked{err: busy}
			d := startFailing(t, rulesetText{flow: `every = "1s"`}, erp)
			d.pass(time.Second)
			erp.fail(nil)
			if test.runs > 0 {
				if f := d.runs(test.runs); f.Waits == nil || f.Waits.Next.Sub(d.clock.Now()) != test.after-time.Second {
					t.Fatalf("%+v", f)
				}
				for range int(test.after/(10*time.Second)) - 1 { // as the scheduler sleeps, or it would sleep too long
					d.pass(10 * time.Second)
				}
				d.until("the scheduler sleeps no longer", func() bool { return d.clock.waits(9 * time.Second) })
				d.clock.move(8 * time.Second)
			} else {
				d.until("the run waits", func() bool { return d.clock.waits(test.after - time.Second) })
				d.clock.move(test.after - 2*time.Second)
			}
			d.until("a second is left", func() bool { return d.clock.waits(time.Second) })
			if erp.times() != 1 {
				t.Errorf("asked %d times before its time", erp.times())
			}
			d.clock.move(time.Second)
			d.until("it is sold", func() bool { return d.sold() == "A-1 1 - open -" })
		})
	}
}

// TestRetryAfterIsTheSystems: what one flow was told, another keeps to, and a
// connector that is declared otherwise too.
func TestRetryAfterIsTheSystems(t *testing.T) {
	t.Parallel()
	busy := failing(connectors.Down, "429")
	busy.After = time.Hour
	erp := &asked{err: busy}
	d := startFailing(t, rulesetText{flow: `every = "1s"`}, erp)
	d.pass(time.Second)
	d.runs(1)
	erp.fail(nil)
	d.text.system = `rate = "5/s"`
	d.text.more += secondFlow
	set := d.ruleset()
	d.engine.Apply(set, true)
	d.until("both flows wait", func() bool {
		all := d.engine.Schedule()
		return len(all) == 2 && all[0].Waits != nil && all[1].Waits != nil && !all[0].Running && !all[1].Running
	})
	i := slices.IndexFunc(set.Connectors, func(c *rules.Connector) bool { return c.Name == "erp" })
	err := d.engine.MayAsk(set.Connectors[i])
	if connectors.ClassOf(err) != connectors.Down || connectors.AfterOf(err) != time.Hour-time.Second || erp.times() != 1 {
		t.Errorf("asked %d times; %v", erp.times(), err)
	}
}

const secondFlow = `
flow "again" {
  from = connector.shop.orders
  to   = connector.erp.orders
}
`

// TestTenThousandRefused: a system that is down is no exception of any record, and is
// not asked once a record.
func TestTenThousandRefused(t *testing.T) {
	t.Parallel()
	erp := &asked{err: failing(connectors.Down, "")}
	d := newDesk(t, rulesetText{size: 100})
	for i := range 10_000 {
		d.order(fmt.Sprintf("%05d", i), 1, nil, "open")
	}
	d.erpFaults = erp.answer(d.clock.Now)
	if s := d.try(engine.RunOptions{}); connectors.ClassOf(s.Err) != connectors.Down || s.Open != 0 || erp.times() != 3 {
		t.Errorf("asked %d times, %d open: %v", erp.times(), s.Open, s.Err)
	}
	d.want("what waits", d.open(), "")
	erp.fail(nil)
	d.want("when it is well", d.run(), "10000 created")
}

// TestFullJitter: an attempt waits for a random part of its whole wait, which doubles.
func TestFullJitter(t *testing.T) {
	t.Parallel()
	erp := &asked{err: failing(connectors.Down, "")}
	d := newDesk(t, rulesetText{})
	d.order("A-1", 1, nil, "open")
	d.erpFaults = erp.answer(d.clock.Now)
	var waits []time.Duration
	d.jitter = func(wait time.Duration) time.Duration {
		waits = append(waits, wait)
		return wait / 8
	}
	d.try(engine.RunOptions{})
	if want := []time.Duration{time.Second / 8, time.Second / 4}; !slices.Equal(d.clock.slept, want) {
		t.Errorf("slept %v, want %v", d.clock.slept, want)
	}
	if want := []time.Duration{time.Second, 2 * time.Second}; !slices.Equal(waits[:2], want) {
		t.Errorf("random parts of %v, want %v", waits, want)
	}
}

// TestBudget: a question ends when its time is over, though attempts are left.
func TestBudget(t *testing.T) {
	t.Parallel()
	erp := &asked{err: failing(connectors.Down, "")}
	text := rulesetText{}
	d := newDesk(t, text)
	d.order("A-1", 1, nil, "open")
	d.erpFaults = erp.answer(d.clock.Now)
	d.text.whole = strings.Replace(d.hcl(), "attempts = 3\n    backoff  = \"1s\"\n  }\n  resource \"orders\" {\n    entity = entity.order\ntable", "attempts = 100\n backoff = \"1s\"\n max = \"4s\"\n budget = \"14s\"\n  }\n  resource \"orders\" {\n    entity = entity.order\ntable", 1)
	s := d.try(engine.RunOptions{})
	if failed, ok := errors.AsType[*engine.SystemError](s.Err); !ok || failed.Attempts != 5 {
		t.Errorf("asked %d times: %v", erp.times(), s.Err) // 1 + 2 + 4 + 4 s
	}
}

// TestFailures: the operator's table gives a code another class. It changes how the
// flow goes on, and nothing of what is known of a change.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		table string
		fault connectortest.Fault
		want  string // how often it was asked, and what came of it
	}{
		"down":               {`"503" = down`, connectortest.Fault{Err: failing(connectors.Broken, "503")}, "3: down"},
		"by a pattern":       {`"5xx" = down`, connectortest.Fault{Err: failing(connectors.Broken, "503")}, "3: down"},
		"the code is nearer": {"\"5xx\" = down\n\"503\" = denied", connectortest.Fault{Err: failing(connectors.Broken, "503")}, "1: denied"},
		"another code":       {`"503" = down`, connectortest.Fault{Err: failing(connectors.Broken, "404")}, "1: broken"},
		"nothing is known of what was sent": {
			`"503" = broken`, connectortest.Fault{Lost: true, Err: failing(connectors.Unclear, "503")}, "1: broken",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{system: "failures = {\n" + test.table + "\n}\n"})
			d.order("A-1", 1, nil, "open")
			times := 0
			d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
				if c.Op != "apply" || times > 2 {
					return nil
				}
				times++
				return &test.fault
			}}
			s := d.try(engine.RunOptions{})
			d.want("what came of it", fmt.Sprintf("%d: %s", times, connectors.ClassOf(s.Err)), test.want)
			times = 3
			for range 2 { // whatever was sent is looked up before it is sent again
				d.run()
			}
			d.want("sold", d.sold(), "A-1 1 - open -")
		})
	}
}

// TestRefusalIsAFailure: a refusal with a code of the table is no exception of its
// record, but a failure of the system.
func TestRefusalIsAFailure(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{system: "failures = {\n\"422\" = down\n}\n"})
	d.order("A-1", 1, nil, "open")
	refused := 0
	d.sales.Refuse = func(connectors.Op, map[string]record.Value) (string, string) {
		if refused++; refused < 3 {
			return "422", "in maintenance"
		}
		return "", ""
	}
	d.want("in the end", d.run(), "1 created")
	d.want("what waits", d.open(), "")
}
