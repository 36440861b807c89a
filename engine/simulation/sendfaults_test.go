package simulation

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// strike lets one call fail, or all from it on, of a run in which nothing else does.
type strike struct {
	op      string
	n       int // which of those calls; 0: none
	fate    fate
	forever bool

	calls map[string]int // made while something may fail
	hit   bool
}

// fateOf is what becomes of a call.
func (k *strike) fateOf(op string) fate {
	op, _, _ = strings.Cut(op, " ") // without what it is about
	k.calls[op]++
	if op != k.op || k.n == 0 || k.calls[op] < k.n || k.calls[op] > k.n && !k.forever {
		return made
	}
	k.hit = true
	return k.fate
}

// strikesOf are the ways in which a call can fail.
func (s *server) strikesOf(op string) []strike {
	switch {
	case op == "api.send":
		all := []strike{{fate: killed}, {fate: undone}, {fate: failed, forever: true}, {fate: swallowed, forever: true}, {fate: busy, forever: true}}
		for _, f := range s.faults() {
			all = append(all, strike{fate: f})
		}
		return all
	case durable(op):
		return []strike{{fate: failed}, {fate: lost}, {fate: killed}, {fate: undone}}
	}
	return []strike{{fate: failed}, {fate: killed}, {fate: failed, forever: true}}
}

// TestSendFaults lets one call fail of a flow into an API that cannot repeat, of each
// kind of API and of call the first, the second and so on, in each way there is.
func TestSendFaults(t *testing.T) {
	t.Parallel()
	every := 19
	if os.Getenv(faultsEnv) != "" {
		every = 1
	}
	for kind := 1; kind < len(apis); kind++ {
		t.Run(apis[kind].name, func(t *testing.T) {
			t.Parallel()
			pl := plan{Seed: 1, API: kind, Items: 4, Batch: 2, Lives: 3, Changes: 6, Acts: 2, InFlight: 1}
			clean := &strike{calls: make(map[string]int)}
			if problems, story := pl.struck(t, true, clean); problems != "" {
				t.Fatalf("%s\n%s", story, problems)
			}
			at, tried, missed := 0, 0, 0
			for _, op := range slices.Sorted(maps.Keys(clean.calls)) {
				for n := 1; n <= clean.calls[op]; n++ {
					for _, k := range newServer(pl, newWorld(pl).api.table).strikesOf(op) {
						if at++; at%every > 0 {
							continue
						}
						k.op, k.n, k.calls = op, n, make(map[string]int)
						problems, story := pl.struck(t, true, &k)
						if tried++; !k.hit {
							missed++
						}
						if problems != "" {
							t.Fatalf("call %d of %s is struck by %d, for ever: %t\n%s\n%s", n, op, k.fate, k.forever, story, problems)
						}
					}
				}
			}
			if 2*missed > tried { // who goes on first may be chance where there is more than one core
				t.Errorf("%d of %d failures never came", missed, tried)
			}
			t.Logf("%d failures of %s", tried-missed, callsText(clean.calls))
		})
	}
}

// callsText says how often what was called.
func callsText(calls map[string]int) string {
	var all []string
	for _, op := range slices.Sorted(maps.Keys(calls)) {
		all = append(all, fmt.Sprintf("%d %s", calls[op], op))
	}
	return strings.Join(all, ", ")
}
