package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/memory"
	"headgate/engine"
)

// TestOnceWhateverFails: whatever faults come in whatever order, with the ERP gone from
// any call on, an API that can be asked or knows a message again has each record once.
// One that can do neither has none twice, and what it lacks, and nothing that was
// answered, is in doubt.
func TestOnceWhateverFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]string{"find", "window", "both", "none"}).Draw(rt, "kind")
		d := newAPI(t, apis[kind], rulesetText{
			size:  rapid.IntRange(1, 3).Draw(rt, "size"),
			batch: fmt.Sprintf("in_flight = %d", rapid.IntRange(1, 3).Draw(rt, "in_flight")),
		})
		n := rapid.IntRange(1, 6).Draw(rt, "orders")
		for i := range n {
			d.order(fmt.Sprintf("N%d", i), 1)
		}
		lost := sendFaultsDrawn(rt, d)
		gone := int64(rapid.IntRange(1, 40).Draw(rt, "gone from call"))
		var calls atomic.Int64
		d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
			if calls.Add(1) < gone {
				return nil
			}
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errReset}}
		}}
		for range 3 {
			d.try(engine.RunOptions{})
			d.clock.move(time.Minute)
		}
		d.erpFaults, d.sales.API.Fail = &connectortest.Faults{}, nil
		d.clock.move(10 * time.Minute)
		d.run()
		d.run()
		d.order("LAST", 1) // what is done late is done by then
		d.run()
		judgeOnce(rt, d, kind, n, lost)
	})
}

// sendFaultsDrawn lets sends fail as drawn, and returns which lost their answers.
func sendFaultsDrawn(rt *rapid.T, d *desk) map[string]bool {
	ways := rapid.SliceOfN(rapid.SampledFrom([]string{"", "refused before", "too many", "lost before", "lost behind", "done after a while"}), 0, 12).Draw(rt, "faults")
	lost := make(map[string]bool)
	d.sales.API.Fail = func(s memory.Send) *memory.Fault {
		if s.N > len(ways) || ways[s.N-1] == "" {
			return nil
		}
		f := sendFaults[ways[s.N-1]]
		if f.Status == connectors.Unknown {
			lost[s.Text] = true
		}
		return &f
	}
	return lost
}

func judgeOnce(rt *rapid.T, d *desk, kind string, n int, lost map[string]bool) {
	doubts := strings.Count(d.open(), " in_doubt ")
	rows := strings.Split(d.sold(), "\n")
	if twice := len(rows) - len(slices.Compact(slices.Clone(rows))); twice > 0 {
		rt.Errorf("%d records are there twice:\n%s", twice, d.sold())
	}
	switch {
	case kind != "none":
		if len(rows) != n+1 || d.open() != "" {
			rt.Errorf("%d of %d records are there; waiting: %q", len(rows), n+1, d.open())
		}
	case doubts != len(lost) || strings.Count(d.open(), "\n")+1 != max(doubts, 1):
		rt.Errorf("%d in doubt, and the answers of %d were lost; waiting: %q", doubts, len(lost), d.open())
	case len(rows)+doubts < n+1:
		rt.Errorf("%d records are there and %d in doubt, of %d", len(rows), doubts, n+1)
	}
	if left := d.unsettled(); left != 0 {
		rt.Errorf("%d messages are kept", left)
	}
}
