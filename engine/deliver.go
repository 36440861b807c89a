package engine

import (
	"context"
	"errors"
	"fmt"

	"headgate/connectors"
	"headgate/engine/record"
)

// deliverer is the stage with effects: it applies the lots of the batches that the
// settler announces, whose intents are committed (R1), and writes exceptions, which
// are fsynced before the state names them (R2).
type deliverer struct {
	*run
	judge *judge
	last  *JournalRow // settled, or to be settled, last; nil: not known yet
	lots  lots

	courier *courier // sends what cannot be repeated; nil: it can
}

func (d *deliverer) deliverAll(ctx context.Context, in <-chan *batch, out chan<- *settling) error {
	defer close(out)
	defer d.courier.end(in)
	var done []*settling // whose effects a power cut may undo yet
	for b := range in {
		b.sending.Wait()
		if !b.answered() { // the courier says why; all behind it waits, too
			return nil
		}
		settlement, err := d.deliver(ctx, b)
		if err != nil {
			_ = d.passOn(ctx, done, out) // what ends the run is that, whatever comes of this
			return err
		}
		done = append(done, &settling{b, settlement})
		if d.appender != nil && len(in) > 0 && len(done) < syncedBatches {
			continue // there is more to sync
		}
		if err := d.passOn(ctx, done, out); err != nil {
			return err
		}
		done = done[:0]
	}
	return nil
}

// passOn passes batches on to be settled, once what they appended is durable: an
// appender that is behind syncs several at once.
func (d *deliverer) passOn(ctx context.Context, done []*settling, out chan<- *settling) error {
	if d.appender != nil && len(done) > 0 {
		if err := d.appender.Sync(ctx); err != nil {
			return &SystemError{Flow: d.flow.Name, System: d.summary.To, Attempts: 1, Err: err}
		}
	}
	for _, one := range done {
		out <- one
	}
	return nil
}

// deliver does what is to be done of a batch and says what becomes durable of it.
func (d *deliverer) deliver(ctx context.Context, b *batch) (*Settlement, error) {
	if len(b.changes) > 0 {
		if b.parcels == nil {
			if err := d.apply(ctx, b.changes); err != nil {
				return nil, err
			}
		}
		if err := d.complete(ctx, b.changes); err != nil {
			return nil, err
		}
		if err := d.lookBack(ctx, b.changes); err != nil {
			return nil, err
		}
	}
	return d.settlement(ctx, b)
}

// changed returns the items that have something to send, in key order.
func (b *batch) changed() []*item {
	var changes []*item
	for _, i := range b.order {
		if it := &b.items[i]; it.outcome == Created || it.outcome == Updated || it.outcome == Deleted {
			changes = append(changes, it)
		}
	}
	return changes
}

// intentOf is what is about to be written, or nil when that can be undone: an
// appender is cut back to what was settled.
func (r *run) intentOf(b *batch) *Intent {
	if len(b.changes) == 0 || r.appender != nil || r.sender != nil || isWithheld(r.dest) {
		return nil
	}
	intent := &Intent{Part: b.part.Name, From: b.from, Time: r.now(), Keys: make([]record.Key, len(b.changes)), Hashes: make([]record.Fingerprint, len(b.changes))}
	for i, it := range b.changes {
		intent.Keys[i], intent.Hashes[i] = it.key, it.print
	}
	return intent
}

// apply sends the changes until every one of them has an answer. What may or may
// not be done after an error is looked up before it is sent again: promise 3.
func (d *deliverer) apply(ctx context.Context, changes []*item) error {
	doubt := make(map[*item]bool)
	return d.retryEffect(ctx, d.flow.To, func() error {
		if len(doubt) > 0 {
			if err := d.lookAgain(ctx, changes, doubt); err != nil {
				return err
			}
			changes = unanswered(changes, doubt)
			clear(doubt)
		}
		if len(changes) == 0 {
			return nil
		}
		receipts, err := d.dest.Apply(ctx, d.lots.lot(d.run, changes))
		err = d.hiddenError(changes, err)
		if len(receipts) != len(changes) {
			return errors.Join(err, fmt.Errorf("%s gave %d receipts for %d changes", d.summary.To, len(receipts), len(changes)))
		}
		if failure := d.takenForFailure(changes, receipts); failure != nil {
			err = errors.Join(err, failure)
		}
		for i, it := range changes {
			d.receive(it, receipts[i], doubt)
		}
		if len(doubt) > 0 && err == nil {
			err = fmt.Errorf("%d changes have no answer", len(doubt))
		}
		return err
	})
}

// takenForFailure takes for a failure of the system what the operator says is one,
// though the system refuses a row with it. Nothing was done then, or, where the
// operator calls it unclear, nobody knows.
func (r *run) takenForFailure(changes []*item, receipts []connectors.Receipt) (failure error) {
	failures := r.engine.system(r.flow.To.Connector).failures
	for i := range receipts {
		receipt := &receipts[i]
		class, ok := connectors.OfCode(failures, receipt.Code)
		if !ok || receipt.Status != connectors.Refused {
			continue
		}
		failure = &connectors.Error{Class: class, Code: receipt.Code, Op: "write to " + r.summary.To, Err: errors.New(receipt.Code + ": " + r.hidden(changes[i], receipt.Words))}
		if *receipt = (connectors.Receipt{Status: connectors.Untried}); class == connectors.Unclear {
			receipt.Status = connectors.Unknown
		}
	}
	return failure
}

// receive takes the answer to one change. Only an answer removes it from what is
// still to be sent.
func (d *deliverer) receive(it *item, receipt connectors.Receipt, doubt map[*item]bool) {
	switch receipt.Status {
	case connectors.Applied, connectors.Same:
		d.take(it, &Answer{Status: receipt.Status, ID: d.judge.destinationID(receipt.Row)})
	case connectors.Refused:
		d.take(it, &Answer{Status: receipt.Status, Code: receipt.Code, Words: d.hidden(it, receipt.Words)})
	default:
		doubt[it] = true
	}
}

func unanswered(changes []*item, doubt map[*item]bool) []*item {
	var left []*item
	for _, it := range changes {
		if doubt[it] {
			left = append(left, it)
		}
	}
	return left
}

// lookAgain asks the destination about changes without an answer: one that is
// there as it was sent was applied.
func (d *deliverer) lookAgain(ctx context.Context, changes []*item, doubt map[*item]bool) error {
	if d.appender != nil {
		mark := d.header.Mark
		return d.appender.Restore(ctx, mark)
	}
	if d.finder == nil {
		return nil
	}
	if d.matches() {
		return d.lookForCreated(ctx, doubt)
	}
	left := unanswered(changes, doubt)
	found, err := d.finder.Find(ctx, connectors.Query{Keys: keysOf(d.lots.lot(d.run, left))})
	if err != nil {
		return d.hiddenError(left, err)
	}
	for k := range found {
		it := left[found[k].At]
		if it.op == connectors.Delete {
			continue // it is sent again: what is gone stays so
		}
		if d.holds(found[k].Write, it.send) {
			delete(doubt, it)
			it.toID = d.judge.destinationID(found[k].Returning)
			continue
		}
		if it.op == connectors.Create {
			it.op, it.outcome = connectors.Update, Updated
			it.send = updatesOf(it.send, d.own.Update)
		}
	}
	return nil
}

func keysOf(lot connectors.Lot) [][]record.Value {
	keys := make([][]record.Value, len(lot.Changes))
	for i, c := range lot.Changes {
		keys[i] = c.Key
	}
	return keys
}

// holds reports whether a row shows everything that was sent.
func (d *deliverer) holds(row record.Row, sent []record.Value) bool {
	for c, v := range sent {
		if !v.IsAbsent() && !record.Same(v, row[c]) {
			return false
		}
	}
	return true
}

// updatesOf are the values that an update may write, in memory of their own.
func updatesOf(send []record.Value, update []bool) []record.Value {
	updates := make([]record.Value, len(send))
	for c, may := range update {
		if may {
			updates[c] = send[c]
		}
	}
	return updates
}
