package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/state"
)

// resume lets the flow go on, which must succeed.
func (d *desk) resume(options engine.ResumeOptions) {
	d.t.Helper()
	d.with(func(e *engine.Engine, _ *state.DB) {
		if _, err := e.Resume("orders", options); err != nil {
			d.t.Fatal(err)
		}
	})
}

// orderMany puts orders from to to into the shop.
func (d *desk) orderMany(from, to int) {
	for i := from; i <= to; i++ {
		d.order(fmt.Sprintf("%02d", i), 1)
	}
}

// breakAt lets the ERP fail for good at the n-th call of an operation.
func (d *desk) breakAt(op string, n int) {
	calls := 0
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if c.Op == op {
			if calls++; calls == n {
				return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Broken, Op: op, Err: errors.New("broken")}}
			}
		}
		return nil
	}}
}

const threeCreates = "guard {\n creates = 3\n}"

// TestGuardGoesOn: a run that was interrupted is counted on by the next one; a run
// that ended, at its source's end or at its own limit, is not.
func TestGuardGoesOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flow      string
		interrupt bool
		limit     int
		want      string
	}{
		"interrupted":      {threeCreates, true, 0, "1 created, paused: guard: 4 creates in this run, the limit is 3; for example 04"},
		"ended at a limit": {threeCreates, false, 2, "2 created"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{size: 1, flow: test.flow})
			d.orderMany(1, 4)
			if test.interrupt {
				d.breakAt("apply", 3)
			}
			if s := d.try(engine.RunOptions{Limit: test.limit}); s.Counts[engine.Created] != 2 || (s.Err != nil) != test.interrupt {
				t.Fatalf("%+v", s)
			}
			d.want("the next run", d.run(), test.want)
		})
	}
}

// TestGuardAfterResume: a person lets the flow go on, which counts anew; a raised
// limit is a ceiling of one run, kept until that has ended.
func TestGuardAfterResume(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 1, flow: threeCreates})
	d.orderMany(1, 20)
	tripped := "3 created, paused: guard: 4 creates in this run, the limit is 3; for example "
	d.want("first run", d.run(), tripped+"04")
	d.want("still paused", d.run(), "paused: "+strings.TrimPrefix(tripped, "3 created, paused: ")+"04")
	d.resume(engine.ResumeOptions{})
	d.want("resumed", d.run(), tripped+"07")
	d.resume(engine.ResumeOptions{Allow: map[string]string{"creates": "8"}})
	d.breakAt("apply", 3)
	if s := d.try(engine.RunOptions{}); s.Err == nil || s.Counts[engine.Created] != 2 {
		t.Fatalf("%+v", s)
	}
	d.want("raised, and interrupted", d.run(), "6 created, paused: guard: 9 creates in this run, the limit is 8; for example 15")
	d.resume(engine.ResumeOptions{Allow: map[string]string{"creates": "6"}})
	d.want("raised to the end", d.run(), "6 created")
	d.orderMany(21, 24)
	d.want("as before", d.run(), "3 created, 20 unchanged, paused: guard: 4 creates in this run, the limit is 3; for example 24")
}

// TestGuardOfAWindow: with per, what is counted is the time just past, over runs
// and restarts, and is forgotten when that time is over.
func TestGuardOfAWindow(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 1, flow: "guard {\n creates = 3\n per = \"1h\"\n}"})
	d.orderMany(1, 2)
	d.want("first run", d.run(), "2 created")
	d.clock.move(40 * time.Minute)
	d.orderMany(3, 3)
	d.want("within the hour", d.run(), "1 created, 2 unchanged")
	d.orderMany(4, 4)
	d.want("too many", d.run(), "3 unchanged, paused: guard: 4 creates within 1h, the limit is 3; for example 04")
	d.clock.move(25 * time.Minute) // the first two are forgotten
	d.resume(engine.ResumeOptions{})
	d.want("resumed", d.run(), "1 created")
	d.orderMany(5, 7)
	d.want("counted since it was resumed", d.run(), "2 created, 4 unchanged, paused: guard: 4 creates within 1h, the limit is 3; for example 07")
}

// TestGuardOfAWindowSlides: what is older than the window is forgotten without anybody's help.
func TestGuardOfAWindowSlides(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 1, flow: "guard {\n creates = 3\n per = \"1h\"\n}"})
	for hour := range 4 {
		d.orderMany(10*hour, 10*hour+2)
		want := "3 created"
		if hour > 0 {
			want += fmt.Sprintf(", %d unchanged", 3*hour)
		}
		d.want("hour", d.run(), want)
		d.clock.move(time.Hour)
	}
}

// TestAllowed: a limit that is not one, or raises nothing, is refused.
func TestAllowed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{flow: threeCreates})
	for name, limit := range map[string]string{"creates": "3", "rejects": "x", "updates": "5", "inserts": "5"} {
		d.with(func(e *engine.Engine, _ *state.DB) {
			_, err := e.Resume("orders", engine.ResumeOptions{Allow: map[string]string{name: limit}})
			if refusal, ok := errors.AsType[*engine.Refusal](err); !ok || !refusal.Usage {
				t.Errorf("%s=%s: %v", name, limit, err)
			}
		})
	}
}
