package engine

import (
	"fmt"
	"time"

	"headgate/engine/record"
	"headgate/rules"
)

// waitOn notes which records of a batch wait as they waited before. A reading from
// the start tells all as if they were new.
func (d *decider) waitOn(b *batch) {
	if d.fromStart || d.foresees {
		return
	}
	for i := range b.items {
		it := &b.items[i]
		if it.waitOn(); it.waits != NoOutcome && !b.again && it.entry.Number > 0 {
			d.pass.seen.set(it.entry.Number)
		}
	}
}

// stop decides that the item waits for a person. A record held longer than its
// rule allows is rejected.
func (d *decider) stop(it *item, v rules.Verdict, now time.Time) {
	it.verdict = v
	if v.Severity < rules.Hold {
		it.verdict.Severity = rules.Reject
	}
	if v.Severity != rules.Hold {
		it.decide(Rejected)
		return
	}
	if rule := v.Rule; rule != nil && rule.Within > 0 && it.stoppedFor(rule.Name, now) >= rule.Within {
		late := record.Reason{Stage: record.StageRule, Code: "within", Rule: rule.Name, Message: fmt.Sprintf("held for longer than %s: %s", rule.Within, v.Failures[0].Message)}
		it.verdict.Failures = append([]record.Reason{late}, v.Failures...)
		it.verdict.Severity = rules.Reject
		it.decide(Rejected)
		return
	}
	it.decide(Held)
}

// stoppedFor is for how long the rule has stopped this content.
func (it *item) stoppedFor(rule string, now time.Time) time.Duration {
	if !it.stoppedBefore() || it.open.Rule != rule {
		return 0
	}
	return now.Sub(it.open.Ruled)
}

// stoppedBefore reports whether what waits under the item's key is this content: the
// row that was kept, whatever columns the resource has now, or one that equals it.
func (it *item) stoppedBefore() bool {
	return it.open != nil && (it.waited != nil || it.entry.Stopped == it.rowDigest())
}

// stoppedAs is the outcome of a stopped item, also where it waits as before.
func (it *item) stoppedAs() Outcome {
	if it.waits != NoOutcome {
		return it.waits
	}
	return it.outcome
}

// sameReason reports whether the item is stopped for what it was stopped before.
func (it *item) sameReason() bool {
	reason := it.reason()
	return it.open.Code == reason.Code && it.open.Rule == reason.Rule
}

// waitOn makes the outcome of a record that waits as it waited before unchanged: it
// was told, and counted by the guard, when it was stopped first. Else a mended rule
// would trip the guard on all that it does not mend.
func (it *item) waitOn() {
	if it.outcome.Open() && it.stoppedBefore() && it.open.Outcome == it.outcome {
		it.waits, it.outcome = it.outcome, Unchanged
	}
}
