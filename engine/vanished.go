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

// maxShownGone is how many vanished records a tripped guard shows.
const maxShownGone = 100

// vanished deletes, after a whole pass, what the source has no more. The guard sees
// all of it before anything of it is done.
func (d *decider) vanished(ctx context.Context, out chan<- *batch) error {
	if d.tripped || d.summary.Limited || ctx.Err() != nil {
		return nil
	}
	d.tellEmpty()
	if !d.flow.Delete {
		return nil
	}
	if why := d.pass.blind(); why != "" {
		d.log.Debug("absent records are not judged", "why", why)
		return nil
	}
	var gone int64
	shown := &batch{again: true, final: true, vanishing: true}
	err := d.eachGone(func(key record.Key, e *Entry) error {
		if gone++; gone <= maxShownGone {
			shown.items = append(shown.items, item{key: key, entry: *e, outcome: Deleted, gone: true})
		}
		return nil
	})
	if err != nil || gone == 0 {
		return err
	}
	shown.sortItems()
	shown.pausing = d.samples(shown, d.guard.foresee(gone, d.now()))
	if d.pass.empty() && d.header.Guard.Allow["deletes"] == "" {
		shown.pausing = fmt.Sprintf("guard: %s is empty, and %d records of it are in %s", d.summary.From, gone, d.summary.To)
	}
	if shown.pausing != "" {
		d.tripped = true
		return send(ctx, out, shown)
	}
	b := &batch{again: true, final: true}
	flush := func() error {
		if len(b.items) == 0 {
			return nil
		}
		full := b
		b = &batch{again: true, final: true}
		return d.deleteGone(ctx, full, out)
	}
	err = d.eachGone(func(key record.Key, e *Entry) error {
		b.items = append(b.items, item{key: key, entry: *e, gone: true})
		if len(b.items) < max(d.flow.Batch.Size, 1) {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// tellEmpty tells, when it becomes so, that a source has nothing of which something
// is known. Where the flow deletes, the guard stops it too.
func (d *decider) tellEmpty() {
	var known int64
	if d.pass.empty() {
		known = d.header.Known
	}
	if d.observer == nil && d.engine.emptied.more(d.ledgerName(), known) {
		d.log.Warn("the source is empty; nothing of it is deleted because of that", "system", d.summary.From, "known", known)
	}
}

// eachGone calls f with every record of the ledger that the destination has and the
// source has no more.
func (d *decider) eachGone(f func(record.Key, *Entry) error) error {
	for after := record.Key(""); ; {
		page, err := d.ledger.Entries(after, verifyPage)
		if err != nil {
			return fmt.Errorf("look for vanished records: %w", err)
		}
		for i := range page {
			if key, gone := d.goneKey(&page[i]); gone {
				if err := f(key, page[i].Entry); err != nil {
					return err
				}
			}
			after = page[i].Key
		}
		if len(page) == 0 {
			return nil
		}
	}
}

// deleteGone decides a batch of vanished records: one that the destination has no
// more either is left.
func (d *decider) deleteGone(ctx context.Context, b *batch, out chan<- *batch) error {
	b.sortItems()
	if !d.inflight.enter(b) {
		return nil
	}
	if err := d.lookUp(b); err != nil { // what waits under the keys, and what was settled meanwhile
		return err
	}
	if err := d.knowIDs(b); err != nil {
		return err
	}
	width, fields := len(d.own.Columns), len(d.flow.From.Entity.Schema.Fields)
	ask := make([]int32, 0, len(b.items))
	for i := range b.items {
		it := &b.items[i]
		it.record, it.values = make(record.Record, fields), make([]record.Value, width)
		if err := d.nameGone(it); err != nil {
			return err
		}
		ask = append(ask, int32(i))
	}
	if d.matches() {
		ask = slices.DeleteFunc(ask, func(i int32) bool { return b.items[i].toID.Missing() })
	}
	shown, err := d.shown(ctx, b, ask)
	if err != nil {
		return err
	}
	if err := d.ask(ctx, b, shown); err != nil {
		return err
	}
	for i := range b.items {
		d.decideGone(&b.items[i])
	}
	return send(ctx, out, b)
}

// nameGone gives the record the fields of its key, and the columns that hold it.
func (d *decider) nameGone(it *item) error {
	parts, err := keyValues(d.flow.From.Entity, it.key[1:])
	if err != nil {
		return fmt.Errorf("read the key of a vanished record: %w", err)
	}
	if d.matches() { // its id is its link
		return nil
	}
	for i, f := range d.flow.From.Entity.Schema.Key {
		it.record[f] = parts[i]
	}
	return d.judge.worker.WriteKey(it.values, it.record)
}

func (d *decider) decideGone(it *item) {
	switch {
	case it.verdict.Severity >= rules.Hold: // the key finds several rows
		d.stop(it, it.verdict, d.now())
	case d.finder != nil && !it.unshown && it.current == nil && !d.simulated(it):
		it.asked = true
		it.decide(Unchanged)
	default:
		it.op = connectors.Delete
		it.decide(Deleted)
	}
}

func send(ctx context.Context, out chan<- *batch, b *batch) error {
	select {
	case out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forgetDelivered makes the entry say that the destination has the record no more:
// one that comes back is created again.
func (e *Entry) forgetDelivered(o Outcome) {
	*e = Entry{Outcome: o, Pass: e.Pass, Number: e.Number, Journal: e.Journal}
}

// foresee adds deletes that are to come and returns why they must not be done, or "".
func (g *guard) foresee(deletes int64, now time.Time) string {
	var counts Counts
	counts[Deleted] = deletes
	g.counts.Add(&counts)
	g.window.slide(now, &g.counts)
	g.window.add(now, &counts)
	for _, c := range g.checks() {
		if c.outcome == Deleted {
			return g.tripped(&c, true)
		}
	}
	return ""
}
