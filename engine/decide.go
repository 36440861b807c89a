package engine

import (
	"context"
	"fmt"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// decider is the second stage: it compares a judged batch with the ledger and
// the destination, and decides what is to be done. Nothing it does is durable.
type decider struct {
	*run
	judge     *judge
	entries   []Entry
	keys      []record.Key
	tripped   bool
	digest    []byte
	witnesses []*witness
	looked    map[record.Key]bool // of the intents of the last process
	visible   uint64              // what was settled up to this row of the journal, the destination shows
	matched   map[string]bool     // what the records created in this batch are matched by; where nothing is written, in this run
}

func (r *run) decideAll(ctx context.Context, in <-chan *batch, out chan<- *batch) error {
	defer close(out)
	d := &decider{run: r, judge: newJudge(r), looked: make(map[record.Key]bool)}
	var err error
	if d.witnesses, err = r.openWitnesses(); err != nil {
		return err
	}
	for b := range in {
		if !r.inflight.enter(b) || d.tripped {
			continue
		}
		if err := d.decide(ctx, b); err != nil {
			return err
		}
		d.forget(b)
		if b.pausing = r.guard.admit(b, r.now()); b.pausing != "" {
			b.pausing = r.samples(b, b.pausing)
			d.tripped = true
			r.stopReading()
		}
		if err := send(ctx, out, b); err != nil {
			return err
		}
	}
	return d.vanished(ctx, out)
}

func (d *decider) decide(ctx context.Context, b *batch) error {
	if err := d.lookUp(b); err != nil {
		return err
	}
	d.met(b)
	if err := d.knowIDs(b); err != nil {
		return err
	}
	if err := d.suspect(b); err != nil {
		return err
	}
	now := d.now()
	if err := d.letPass(ctx, b, now); err != nil {
		return err
	}
	var ask []int32
	b.group(func(items []int32) {
		for k, i := range items {
			it := &b.items[i]
			d.settledBefore(b, it, now)
			if k > 0 {
				d.again(it, &b.items[items[0]])
			}
			if !it.decided {
				ask = append(ask, i)
			}
		}
	})
	if len(ask) > 0 {
		if err := d.compareWithDestination(ctx, b, ask, now); err != nil {
			return err
		}
		d.noteLooked(b, ask)
	}
	if err := d.learnEnds(ctx, b, ask); err != nil {
		return err
	}
	d.waitOn(b)
	return nil
}

func (d *decider) compareWithDestination(ctx context.Context, b *batch, ask []int32, now time.Time) error {
	shown, err := d.shown(ctx, b, ask)
	if err != nil {
		return err
	}
	if err := d.ask(ctx, b, shown); err != nil {
		return err
	}
	if err := d.withIDs(ctx, b, ask); err != nil {
		return err
	}
	return d.compareAll(ctx, b, ask, now)
}

// lookUp fills what the ledger has of each item, by one sorted walk.
func (d *decider) lookUp(b *batch) error {
	d.keys = d.keys[:0]
	for _, i := range b.order {
		d.keys = append(d.keys, b.items[i].key)
	}
	if cap(d.entries) < len(d.keys) {
		d.entries = make([]Entry, len(d.keys))
	}
	entries := d.entries[:len(d.keys)]
	if err := d.ledger.Find(d.keys, entries); err != nil {
		return fmt.Errorf("look up %d keys in the ledger: %w", len(d.keys), err)
	}
	var waiting []int32
	for k, i := range b.order {
		b.items[i].entry = entries[k]
		entries[k] = Entry{} // its hashes belong to the item now
		if b.items[i].open == nil && !b.items[i].entry.Stopped.IsZero() {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return d.lookUpOpen(b, waiting)
}

func (d *decider) lookUpOpen(b *batch, waiting []int32) error {
	keys := make([]record.Key, len(waiting))
	for k, i := range waiting {
		keys[k] = b.items[i].key
	}
	opens := make([]OpenRecord, len(waiting))
	if err := d.ledger.OpenAt(keys, opens); err != nil {
		return fmt.Errorf("look up open records: %w", err)
	}
	for k, i := range waiting {
		if opens[k].Key != "" {
			b.items[i].open = &opens[k]
		}
	}
	return nil
}

// settledBefore decides what needs no look at the destination.
func (d *decider) settledBefore(b *batch, it *item, now time.Time) {
	e := &it.entry
	seen := e.Known() && !b.again && (e.Pass == d.header.Pass || d.pass.seen.has(e.Number))
	same := d.sameAsSettled(it)
	switch {
	case it.open.inDoubt():
		d.behindDoubt(it)
	case it.skip:
		it.decide(Skipped)
	case d.older(it):
		it.decide(Superseded)
	case b.again && it.waited == nil && same && e.dismissed():
		it.decide(Unchanged)
		it.known = true
	case b.again:
		if it.stopped() {
			d.stop(it, it.verdict, now)
		}
	case d.fromStart && it.stopped() && !seen:
		d.stop(it, it.verdict, now)
	case same && !it.stopped() && e.Stopped.IsZero() && d.unknownEnd(it):
		it.look = true // the last process may have written another version (R5)
	case same && seen:
		it.decide(Duplicate)
	case same && !it.stopped() && e.Stopped.IsZero() && (it.look || d.header.Sweeping || d.suspected[it.key]):
		it.look = true // the destination may have changed it
	case same:
		it.decide(Unchanged)
		it.known = true
		if d.appendOnly && e.Stopped.IsZero() && e.Shape != d.shape { // what changes from now on is told
			d.hasNow(e, it)
			it.learned = true
		}
		if e.Number > 0 {
			d.pass.seen.set(e.Number)
		}
	case seen && d.flow.OnDuplicate == rules.FirstWins:
		it.decide(Duplicate)
	case seen && d.flow.OnDuplicate == rules.RejectDuplicate:
		if e.Stopped == it.rowDigest() || d.asDelivered(it) {
			it.decide(Duplicate)
			return
		}
		d.stop(it, otherContent(), now)
	case it.stopped():
		d.stop(it, it.verdict, now)
	}
}

// unknownEnd reports whether the last process was about to write the record, and
// ended, and the destination was not asked for it since.
func (d *decider) unknownEnd(it *item) bool {
	_, open := d.intents[it.key]
	return open && !d.looked[it.key]
}

// noteLooked notes of which such records the destination was asked: another copy of
// one is a copy again.
func (d *decider) noteLooked(b *batch, asked []int32) {
	if len(d.intents) == 0 {
		return
	}
	for _, i := range asked {
		if it := &b.items[i]; d.unknownEnd(it) {
			d.looked[it.key] = true
		}
	}
}

func otherContent() rules.Verdict {
	return rejected(record.Reason{Stage: record.StageSource, Code: "duplicate", Message: "its key came before in this pass with other content"})
}

// sameAsSettled reports whether the item's content is the one settled last.
func (d *decider) sameAsSettled(it *item) bool {
	e := &it.entry
	switch {
	case !e.Known():
		return false
	case it.stopped() || e.dismissed():
		return e.Stopped == it.rowDigest()
	case !e.Refused.IsZero(): // to be refused once more at every reading helps nobody
		return e.Refused == it.print && e.Stopped == it.rowDigest() && !d.fromStart
	}
	return e.Stopped.IsZero() && d.asDelivered(it)
}

// asDelivered reports whether the item's content is the one delivered last.
func (d *decider) asDelivered(it *item) bool {
	e := &it.entry
	if it.stopped() || !e.Delivered {
		return false
	}
	if e.Shape == d.shape && e.Fingerprint == it.print {
		return true
	}
	return d.appendOnly && d.sameThen(e, it)
}

// older reports whether a newer version was delivered: it is never overwritten.
func (d *decider) older(it *item) bool {
	if !d.versioned || it.entry.Version.Missing() {
		return false
	}
	version := it.record[d.flow.From.Entity.Version]
	if version.Missing() {
		return false
	}
	order, err := version.Compare(it.entry.Version)
	return err == nil && order < 0
}

// again decides an item whose key stood in the same batch before it. Other
// content of one key is in one batch only where the first version counts.
func (d *decider) again(it, first *item) {
	if it.outcome == Skipped || it.outcome == Superseded {
		return
	}
	if it.content() == first.content() || d.flow.OnDuplicate == rules.FirstWins {
		it.decide(Duplicate)
	}
}

func (it *item) decide(o Outcome) { it.decided, it.outcome = true, o }

// ask finds what the destination holds of the items, once a batch.
func (d *decider) ask(ctx context.Context, b *batch, ask []int32) error {
	if d.finder == nil || len(ask) == 0 {
		return nil
	}
	if d.matches() {
		return d.askMatched(ctx, b, ask)
	}
	query := connectors.Query{Keys: make([][]record.Value, 0, len(ask))}
	slab := make([]record.Value, 0, len(ask)*len(d.own.Key))
	for _, i := range ask {
		start := len(slab)
		for _, c := range d.own.Key {
			slab = append(slab, b.items[i].values[c])
		}
		query.Keys = append(query.Keys, slab[start:len(slab):len(slab)])
		if d.sends { // the others ask by key
			query.References, query.IDs = append(query.References, d.carriedReference(&b.items[i])), append(query.IDs, b.items[i].toID)
		}
	}
	found, err := d.find(ctx, &query, func() []*item { return b.chosen(ask) })
	if err != nil {
		return err
	}
	answers := make([]int, len(ask))
	for _, i := range ask {
		b.items[i].toID = record.Value{} // what was known may be gone
	}
	for k := range found {
		f := &found[k]
		it := &b.items[ask[f.At]]
		it.asked = true
		if answers[f.At]++; answers[f.At] > 1 {
			it.verdict = ambiguous(answers[f.At])
			continue
		}
		it.current = f.Write
		it.toID = d.judge.destinationID(f.Returning)
		if d.own.NeedsCurrent && len(f.Read) > 0 {
			it.held = d.judge.worker.Current(f.Read)
		}
	}
	return nil
}

// forget drops what was judged again and waits as it waited before, under the same
// rules: nothing became of it. So does a unit that is refused as it was before.
func (d *decider) forget(b *batch) {
	if !b.again && !b.unit || d.foresees {
		return
	}
	defer d.inflight.change()()
	kept := b.items[:0]
	for i := range b.items {
		it := &b.items[i]
		waits := it.waits != NoOutcome && it.open.Digest == d.flow.Digest && it.sameReason()
		if b.unit {
			waits = it.outcome == Unchanged
		}
		if !waits {
			kept = append(kept, *it)
			continue
		}
		if it.waited != nil {
			b.forgotten = append(b.forgotten, d.waitedOf(it))
		}
	}
	b.items = kept
	b.sortItems()
}
