package engine

import (
	"testing"
	"time"

	"headgate/engine/record"
	"headgate/rules"
)

// TestGuardPercent: a percentage is of the records that were judged, once there are
// enough of them or no more come; just as much as the limit says is not over it.
func TestGuardPercent(t *testing.T) {
	t.Parallel()
	twenty := record.IntNumber(20)
	for name, test := range map[string]struct {
		rejected, unchanged, skipped, duplicate int
		final, trips                            bool
	}{
		"as much as may be":        {rejected: 20, unchanged: 80},
		"one more":                 {rejected: 21, unchanged: 79, trips: true},
		"of too few":               {rejected: 99},
		"of few, and no more come": {rejected: 3, unchanged: 7, final: true, trips: true},
		"skipped are not judged":   {rejected: 21, unchanged: 79, skipped: 900, trips: true},
		"copies are not judged":    {rejected: 21, unchanged: 79, duplicate: 900, trips: true},
		"none":                     {unchanged: 100, final: true},
	} {
		g := &guard{limits: rules.Guard{Rejects: rules.Limit{Set: true, Percent: &twenty}}}
		b := &batch{final: test.final}
		for outcome, n := range map[Outcome]int{Rejected: test.rejected, Unchanged: test.unchanged, Skipped: test.skipped, Duplicate: test.duplicate} {
			for range n {
				b.items = append(b.items, item{outcome: outcome})
			}
		}
		if why := g.admit(b, time.Time{}); (why != "") != test.trips {
			t.Errorf("%s: %q", name, why)
		}
	}
}
