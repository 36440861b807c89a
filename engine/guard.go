package engine

import (
	"fmt"

	"headgate/engine/record"
	"headgate/rules"
)

// judgedEnough is how many records a percentage of judged records needs to mean something.
const judgedEnough = 100

// guard counts what a run is about to do and says when that is too much.
type guard struct {
	limits                                            rules.Guard
	known                                             int64 // records in the ledger when the run began
	judged, rejects, holds, creates, updates, deletes int64
}

// admit adds the batch to the counts and returns why it must not be settled, or "".
func (g *guard) admit(b *batch) string {
	for i := range b.items {
		g.count(&b.items[i])
	}
	enough := g.judged >= judgedEnough || b.final
	checks := []struct {
		name  string
		limit rules.Limit
		count int64
		of    int64
		sure  bool
	}{
		{"rejects", g.limits.Rejects, g.rejects, g.judged, enough},
		{"holds", g.limits.Holds, g.holds, g.judged, enough},
		{"creates", g.limits.Creates, g.creates, g.known, g.known > 0},
		{"updates", g.limits.Updates, g.updates, g.known, g.known > 0},
		{"deletes", g.limits.Deletes, g.deletes, g.known, g.known > 0},
	}
	for _, c := range checks {
		if reason := tripped(c.name, c.limit, c.count, c.of, c.sure); reason != "" {
			return reason
		}
	}
	return ""
}

func (g *guard) count(it *item) {
	if it.outcome != Skipped && it.outcome != Duplicate {
		g.judged++
	}
	switch it.outcome {
	case Rejected:
		g.rejects++
	case Held:
		g.holds++
	case Created:
		g.creates++
	case Updated:
		g.updates++
	case Deleted:
		g.deletes++
	}
}

func tripped(name string, limit rules.Limit, count, of int64, sure bool) string {
	switch {
	case !limit.Set || count == 0:
		return ""
	case limit.Percent == nil:
		if count > int64(limit.Count) {
			return fmt.Sprintf("guard: %d %s in this run, the limit is %d", count, name, limit.Count)
		}
		return ""
	case !sure || !overPercent(count, of, *limit.Percent):
		return ""
	}
	base := "records judged"
	if name != "rejects" && name != "holds" {
		base = "records known"
	}
	return fmt.Sprintf("guard: %d %s of %d %s in this run (%s %%), the limit is %s %%", count, name, of, base, percentText(count, of), limit.Percent)
}

// overPercent reports whether count is more than percent of a hundred of of, exactly.
func overPercent(count, of int64, percent record.Number) bool {
	allowed, err := percent.Mul(record.IntNumber(of))
	return err == nil && record.IntNumber(count*100).Cmp(allowed) > 0
}

func percentText(count, of int64) string {
	n, err := record.IntNumber(count*100).QuoRound(record.IntNumber(of), 1)
	if err != nil {
		return "all"
	}
	return n.String()
}
