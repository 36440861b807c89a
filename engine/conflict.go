package engine

import (
	"context"
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// foreignCode says why a record with a foreign change waits.
const foreignCode = "foreign_change"

// foreignIdentity stands among what a person let pass: the change is set right.
var foreignIdentity = record.HashOf([]byte(foreignCode))

// conflict is what another system changed of a record since this flow delivered it.
type conflict struct {
	columns []int // changed, and not known before
	// shown are digests of what the destination shows instead of what this flow
	// delivered, one a column that an update may write; 0: nothing else is known.
	shown []record.Hash
}

// The digests of what is not there: of it the ledger knows nothing.
var (
	absentHash = record.HashOf(record.Value{}.AppendCanonical(nil))
	nullHash   = record.HashOf(record.NullValue().AppendCanonical(nil))
)

// findForeign compares what the destination has with what this flow delivered. A
// value that equals the ledger's, an open intent's, or what is about to be written
// is ours, never foreign (R13).
func (d *decider) findForeign(it *item) *conflict {
	e := &it.entry
	if d.flow.Mode != rules.Live || !e.Delivered || e.Shape != d.shape || len(e.Hashes) != len(it.hashes) {
		return nil
	}
	var found *conflict
	k := -1
	for c, update := range d.own.Update {
		if !update {
			continue
		}
		k++
		has := it.current[c]
		if d.untouched(e.Hashes[k], c) || record.Same(it.values[c], has) || d.ours(e.Hashes[k], has) {
			continue
		}
		if found == nil {
			found = &conflict{}
		}
		d.noteForeign(found, it, c, k)
	}
	if found != nil && len(found.columns) > 0 && d.intended(it) {
		return nil
	}
	return found
}

// noteForeign notes that column c, the k-th that an update may write, shows what
// this flow did not write. It stays where that is accepted, until its owner changes
// it again.
func (d *decider) noteForeign(found *conflict, it *item, c, k int) {
	d.digest = it.current[c].AppendCanonical(d.digest[:0])
	hash := record.HashOf(d.digest)
	known := k < len(it.entry.Shown) && it.entry.Shown[k] == hash
	if !known {
		found.columns = append(found.columns, c)
	}
	if (known || d.flow.OnConflict == rules.AcceptConflict) && it.hashes[k] == it.entry.Hashes[k] {
		found.show(k, len(it.hashes), hash)
	}
}

func (x *conflict) show(k, n int, hash record.Hash) {
	if x.shown == nil {
		x.shown = make([]record.Hash, n)
	}
	x.shown[k] = hash
}

// untouched reports whether the last delivery left the column as it was.
func (r *run) untouched(delivered record.Hash, c int) bool {
	return delivered == absentHash || delivered == nullHash && r.own.KeepOnNull[c]
}

func (d *decider) ours(delivered record.Hash, has record.Value) bool {
	if has.Missing() {
		return delivered == nullHash
	}
	d.digest = has.AppendCanonical(d.digest[:0])
	return record.HashOf(d.digest) == delivered
}

// intended reports whether the destination shows what an open intent was about to
// write: the last run ended between apply and settle.
func (d *decider) intended(it *item) bool {
	prints := d.intents[it.key]
	if len(prints) == 0 {
		return false
	}
	d.digest = d.digest[:0]
	for c, update := range d.own.Update {
		switch {
		case !update:
		case it.values[c].IsAbsent() || it.values[c].IsNull() && d.own.KeepOnNull[c]:
			d.digest = it.values[c].AppendCanonical(d.digest) // left as it was
		default:
			d.digest = it.current[c].AppendCanonical(d.digest)
		}
	}
	return slices.Contains(prints, record.FingerprintOf(d.digest))
}

// keeps reports whether the k-th column that an update may write stays as another
// system made it.
func (it *item) keeps(k int) bool {
	return it.conflict != nil && it.conflict.shown != nil && it.conflict.shown[k] != 0
}

// isForeign reports whether another system changed what this flow delivered of it.
func (it *item) isForeign() bool { return it.conflict != nil && len(it.conflict.columns) > 0 }

// lookBack looks at records whose foreign changes were set right. A destination that
// shows them as before changes by itself what it is given: that is known from now on,
// and is fought over no more.
func (d *deliverer) lookBack(ctx context.Context, changes []*item) error {
	var mended []*item
	for _, it := range changes {
		if it.isForeign() && (it.outcome == Updated || it.outcome == Unchanged) {
			mended = append(mended, it)
		}
	}
	if len(mended) == 0 || isWithheld(d.dest) || d.lag > 0 { // what is shown at once is what was there before
		return nil
	}
	return d.retry(ctx, d.flow.To, func() error {
		found, err := d.finder.Find(ctx, connectors.Query{Keys: keysOf(d.lots.lot(d.run, mended))})
		for i := range found {
			d.showAgain(mended[found[i].At], found[i].Write)
		}
		return d.hiddenError(mended, err)
	})
}

func (d *deliverer) showAgain(it *item, row record.Row) {
	k := -1
	for c, update := range d.own.Update {
		if !update {
			continue
		}
		if k++; !it.send[c].IsAbsent() && !record.Same(it.send[c], row[c]) {
			it.conflict.show(k, len(it.hashes), record.HashOf(row[c].AppendCanonical(nil)))
		}
	}
}

// endForeignRelease forgets that a person let a foreign change be set right: the next
// one is another.
func (e *Entry) endForeignRelease() {
	if !slices.Contains(e.Passes, foreignIdentity) {
		return
	}
	e.Passes = slices.DeleteFunc(slices.Clone(e.Passes), func(h record.Hash) bool { return h == foreignIdentity })
	if len(e.Passes) == 0 {
		e.Released, e.Passes = record.Fingerprint{}, nil
	}
}

// foreignText says what another system changed.
func (r *run) foreignText(it *item) string {
	names := make([]string, len(it.conflict.columns))
	for i, c := range it.conflict.columns {
		names[i] = r.own.Columns[c].Name
	}
	return r.summary.To + " changed " + strings.Join(names, ", ") + ", which it does not own"
}

// foreignChange holds a record until a person has said what holds.
func (r *run) foreignChange(it *item) rules.Verdict {
	return rules.Verdict{Severity: rules.Hold, Failures: []record.Reason{{
		Stage: record.StageOwnership, Code: foreignCode, Field: r.own.FieldsText(it.conflict.columns[0]), Message: r.foreignText(it),
	}}}
}

// conflictWords say what becomes of a foreign change.
var conflictWords = map[rules.OnConflict]string{
	rules.Overwrite: "set right", rules.AcceptConflict: "accepted", rules.HoldConflict: "held",
}

// tellForeign reports the foreign changes of a settled batch.
func (r *run) tellForeign(b *batch) {
	var first *item
	count := int64(0)
	for i := range b.items {
		if it := &b.items[i]; it.isForeign() {
			if count++; first == nil {
				first = it
			}
		}
	}
	if count == 0 {
		return
	}
	r.summary.Conflicts += count
	if r.observer == nil {
		r.log.Warn("foreign changes", "records", count, "first", r.keyText(first), "what", r.foreignText(first), "done", conflictWords[r.flow.OnConflict])
		r.notify(Event{Kind: EventConflict, Code: foreignCode, Count: count, Sample: r.foreignText(first) + ": " + conflictWords[r.flow.OnConflict]})
	}
}
