package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// ambiguous holds a record whose key finds more than one row: which one is meant
// is for a person.
func ambiguous(rows int) rules.Verdict {
	return rules.Verdict{Severity: rules.Hold, Failures: []record.Reason{{
		Stage: record.StageDestination, Code: "ambiguous_key",
		Message: fmt.Sprintf("its key finds %d rows in the destination", rows),
	}}}
}

// compareAll decides the items that were asked about.
func (d *decider) compareAll(ctx context.Context, b *batch, ask []int32, now time.Time) error {
	if err := d.judgeCurrent(ctx, b, ask, now); err != nil {
		return err
	}
	n, parts := len(d.own.Columns), 0
	for _, i := range ask {
		if it := &b.items[i]; !it.decided && d.sendsPart(it) {
			parts++
		}
	}
	slab := valueSlabs.zeroed(parts * n)
	b.sends = slab
	for _, i := range ask {
		it := &b.items[i]
		if it.decided {
			continue
		}
		it.send = it.values
		if d.sendsPart(it) {
			it.send, slab = slab[:n:n], slab[n:]
		}
		d.compare(it, now)
	}
	return nil
}

// sendsPart reports whether an item is compared by column, so that what is sent of it
// may be less than its values.
func (d *decider) sendsPart(it *item) bool { return it.current != nil || d.simulated(it) }

// judgeCurrent judges transitions and the flow's own rules, with the record as
// the destination has it.
func (d *decider) judgeCurrent(ctx context.Context, b *batch, ask []int32, now time.Time) error {
	judged := d.own.NeedsCurrent || len(d.flow.Rules) > 0
	for round := 0; ; round++ {
		lacking := false
		for _, i := range ask {
			it := &b.items[i]
			if it.decided || round > 0 && !it.reread {
				continue
			}
			verdict := it.verdict
			it.reread = false
			if judged && !it.stopped() {
				d.judge.worker.Release(it.passes())
				verdict = d.judge.worker.JudgeCurrent(it.record, it.held, d.judge.facts, now)
			}
			if verdict.Lacking && round < factRounds {
				it.reread, lacking = true, true
				continue
			}
			d.afterCurrent(it, verdict, now)
		}
		if !lacking {
			return nil
		}
		if err := d.judge.facts.Fetch(ctx); err != nil {
			return &SystemError{Flow: d.flow.Name, System: "a lookup", Attempts: 1, Err: err}
		}
	}
}

func (d *decider) afterCurrent(it *item, verdict rules.Verdict, now time.Time) {
	switch {
	case verdict.Lacking:
		d.stop(it, rejected(record.Reason{Stage: record.StageRule, Code: "unevaluable", Message: "a lookup gave no answer"}), now)
	case verdict.Severity >= rules.Hold:
		d.stop(it, verdict, now)
	case verdict.Severity == rules.Warn:
		it.verdict = verdict
	}
}

// compare decides between create, update and nothing, and what is sent: promise 5,
// a flow never changes a column its destination owns.
func (d *decider) compare(it *item, now time.Time) {
	if d.simulated(it) {
		d.compareSimulated(it, now)
		return
	}
	if it.current == nil {
		d.compareAbsent(it, now)
		return
	}
	if it.conflict = d.findForeign(it); it.isForeign() && d.flow.OnConflict == rules.HoldConflict && !slices.Contains(it.passes(), foreignIdentity) {
		d.stop(it, d.foreignChange(it), now)
		return
	}
	changed, k := false, -1
	for c, update := range d.own.Update {
		if update {
			k++
		}
		v := it.values[c]
		if v.IsNull() && d.own.KeepOnNull[c] || update && it.keeps(k) {
			continue
		}
		if (update || d.fillsID(c, it) || d.revives(c, it)) && !v.IsAbsent() && !record.Same(v, it.current[c]) {
			it.send[c], changed = v, true
		}
	}
	switch {
	case !changed:
		it.decide(Unchanged)
		d.knew(it)
	case !d.flow.Update:
		it.decide(Skipped)
	default:
		it.op = connectors.Update
		it.decide(Updated)
	}
}

// knew notes a record that was asked about and is as the ledger says: nothing of it
// is written anew.
func (d *decider) knew(it *item) {
	e := &it.entry
	if !it.look || it.isForeign() || e.Outcome.Open() || !e.Stopped.IsZero() || !d.asDelivered(it) || e.Number == 0 {
		return
	}
	it.known = it.conflict == nil && e.Shown == nil || it.conflict != nil && slices.Equal(it.conflict.shown, e.Shown)
	if it.known {
		d.pass.seen.set(e.Number)
	}
}

// revives reports whether the column is nobody's and tells the destination that a
// record is there, after it was told that it is gone.
func (d *decider) revives(c int, it *item) bool {
	w := d.own.Writes[c]
	return it.entry.Outcome == Deleted && w.Owner == nil && !w.Key
}

// simulated reports whether an earlier version was delivered only in appearance: by
// a plan or an observing flow, whose destination does not show it.
func (d *decider) simulated(it *item) bool {
	return isWithheld(d.dest) && it.entry.Delivered && (d.flow.Mode == rules.Observe || it.entry.Journal > d.settledTo)
}

// compareSimulated compares with what would have been delivered.
func (d *decider) compareSimulated(it *item, now time.Time) {
	it.asked = true
	if d.asDelivered(it) {
		it.decide(Unchanged)
		return
	}
	for c, update := range d.own.Update {
		if update && !(it.values[c].IsNull() && d.own.KeepOnNull[c]) {
			it.send[c] = it.values[c]
		}
	}
	it.op = connectors.Update
	d.updateUnseen(it, now)
}

// updateUnseen decides for a record that was delivered before, as the ledger says, and
// has changed.
func (d *decider) updateUnseen(it *item, now time.Time) {
	switch {
	case !d.flow.Update:
		it.decide(Skipped)
	case d.appendOnly:
		d.stop(it, changedSince(), now)
	default:
		it.decide(Updated)
	}
}

// changedSince rejects a record that was added and has changed: what is to be done of
// that in the destination is for a person.
func changedSince() rules.Verdict {
	return rejected(record.Reason{
		Stage: record.StageDestination, Code: connectors.CodeAppendOnly,
		Message: "it was added before and has changed since, and its destination is only added to: correct it there, then dismiss this",
	})
}

// compareAbsent decides for a record the destination does not have, or cannot be
// asked about: then the ledger knows whether it was delivered before.
func (d *decider) compareAbsent(it *item, now time.Time) {
	blind := d.finder == nil || it.unshown
	if blind && d.asDelivered(it) { // it was stopped meanwhile, by other rules
		it.decide(Unchanged)
		return
	}
	if blind && it.entry.Delivered {
		it.op = connectors.Update
		if d.appender == nil { // what is appended is a record of its own
			it.send = updatesOf(it.send, d.own.Update)
		}
		d.updateUnseen(it, now)
		return
	}
	it.op = connectors.Create
	if !d.flow.Create {
		it.decide(Skipped)
		return
	}
	it.decide(Created)
}

// destinationID is the id of a row the destination returned, absent when there is none.
func (j *judge) destinationID(returning record.Row) record.Value {
	if j.flow.To.ID == nil || len(returning) == 0 {
		return record.Value{}
	}
	return j.worker.DestinationID(returning)
}
