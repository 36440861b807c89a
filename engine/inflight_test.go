package engine

import (
	"sync"
	"testing"

	"headgate/engine/record"
	"headgate/rules"
)

// TestForgottenWhileOthersLook: what waits as it waited leaves its batch while another
// run, into the same resource, looks whether that stands in its way; then it does not.
func TestForgottenWhileOthersLook(t *testing.T) {
	t.Parallel()
	all := newInflight()
	flow := &rules.Flow{Digest: "d"}
	lanes := [2]*lane{{inflight: all, to: "erp.orders"}, {inflight: all, to: "erp.orders"}}
	for range 100 {
		waiting := &batch{again: true}
		for _, key := range []record.Key{"b", "a"} {
			waiting.items = append(waiting.items, item{
				key: key, outcome: Unchanged, waits: Held, open: &OpenRecord{Digest: flow.Digest, Code: "x"},
				verdict: rules.Verdict{Failures: []record.Reason{{Code: "x"}}},
			})
		}
		waiting.sortItems()
		lanes[0].enter(waiting)
		other := &batch{items: []item{{key: "a"}, {key: "b"}}}
		other.sortItems()
		var both sync.WaitGroup
		both.Go(func() { lanes[1].enter(other) })
		both.Go(func() { (&decider{run: &run{flow: flow, inflight: lanes[0]}}).forget(waiting) })
		both.Wait()
		if len(waiting.items) > 0 {
			t.Fatal("what waits as it waited was not forgotten")
		}
		lanes[0].leave(waiting)
		lanes[1].leave(other)
	}
}
