package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// defaultBatch is the size of a batch that says none.
const defaultBatch = 100

// reader is the first stage: it reads, maps and judges, and writes nothing.
type reader struct {
	*run
	judge   *judge
	out     chan<- *batch
	work    context.Context // ends with the run, not with the request to stop
	pending *batch          // held back until it is known whether it is the last
	left    int             // records that may still be read; -1: no limit
}

// read sends the batches of one pass, in order. When ctx ends it sends no more.
func (r *run) read(ctx, work context.Context, out chan<- *batch) error {
	defer close(out)
	rd := &reader{run: r, judge: newJudge(r), out: out, work: work, left: -1}
	if r.limit > 0 {
		rd.left = r.limit
	}
	err := rd.readAll(ctx)
	if noted := rd.carefully(ctx, stepEnd, "", record.Fingerprint{}); err == nil {
		err = noted
	}
	if err != nil && ctx.Err() == nil {
		// The decider may see the end of the stream before the run is called off.
		r.pass.unread = "reading it ended with an error"
		return err
	}
	if ctx.Err() != nil {
		r.summary.Limited = true
	}
	return rd.flush(!r.summary.Limited)
}

func (rd *reader) readAll(ctx context.Context) error {
	if !rd.fromStart { // what waits is read again from its source then
		if err := rd.readOpen(ctx); err != nil {
			return err
		}
		if rd.chosen != nil {
			return nil // the source is not asked
		}
		if !rd.care.careful() { // they wait
			if err := rd.readSuspects(ctx); err != nil {
				return err
			}
		}
	}
	if err := rd.carefully(ctx, stepList, "", record.Fingerprint{}); err != nil {
		return err
	}
	var parts []connectors.Part
	list := func() error {
		parts = parts[:0]
		for part, err := range rd.source.Parts(ctx) {
			if err != nil {
				return err
			}
			parts = append(parts, part)
		}
		return nil
	}
	if err := rd.retryListing(ctx, rd.flow.From, list); err != nil {
		return err
	}
	names := make([]string, len(parts))
	for i, part := range parts {
		names[i] = part.Name
	}
	if err := rd.wholeParts(names); err != nil {
		return err
	}
	for _, part := range parts {
		if err := rd.readPart(ctx, part); err != nil {
			return err
		}
		if rd.left == 0 || ctx.Err() != nil {
			rd.summary.Limited = true
			return nil
		}
	}
	return nil
}

func (rd *reader) readPart(ctx context.Context, part connectors.Part) error {
	position, err := rd.ledger.Position(part.Name)
	if err != nil {
		return fmt.Errorf("read the position of %q: %w", part.Name, err)
	}
	settled := position
	if rd.fromStart {
		position = ""
	}
	if err := rd.carefully(ctx, stepUnit, part.Name, record.Fingerprint{}); err != nil {
		return err
	}
	if position == "" {
		if ok, err := rd.judgeUnit(ctx, part); err != nil || !ok {
			rd.pass.unread = "a part was refused"
			return err
		}
	} else if !rd.pass.going {
		rd.pass.unread = "it did not begin at the beginning"
	}
	rd.pass.going = true
	for rd.left != 0 && ctx.Err() == nil {
		if err := rd.carefully(ctx, stepRead, rd.whereIs(part, position), record.Fingerprint{}); err != nil {
			return err
		}
		var page connectors.Page
		read := func() (err error) {
			page, err = rd.source.Read(ctx, part, position, rd.size())
			return err
		}
		if err := rd.retry(ctx, rd.flow.From, read); err != nil {
			return err
		}
		if page.Len() == 0 && (page.EndPosition() == position || page.EndPosition() == settled) {
			return nil
		}
		if err := rd.sendPage(ctx, part, page, position); err != nil {
			return err
		}
		if position = page.EndPosition(); page.End() {
			return nil
		}
		if err := rd.betweenBatches(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (rd *reader) betweenBatches(ctx context.Context) error {
	if rd.flow.Batch.Pause <= 0 || rd.observer != nil {
		return nil
	}
	return rd.engine.Clock.Sleep(ctx, rd.flow.Batch.Pause)
}

func (rd *reader) size() int {
	if rd.care.careful() {
		return 1
	}
	size := rd.flow.Batch.Size
	if size <= 0 {
		size = defaultBatch
	}
	if rd.left > 0 {
		size = min(size, rd.left)
	}
	return size
}

// sendPage judges a page and sends it as one batch, or as several where one key
// comes with more than one content.
func (rd *reader) sendPage(ctx context.Context, part connectors.Part, page connectors.Page, from record.Position) error {
	b := &batch{part: part, page: page, from: from, to: page.EndPosition(), end: page.End()}
	if rd.care.careful() {
		return rd.sendCarefully(ctx, b)
	}
	if err := rd.judge.page(rd.work, b); err != nil {
		return err
	}
	if rd.left > 0 {
		rd.left -= page.Len()
	}
	if rd.keys != nil {
		b.keep(rd.keys)
	}
	b.sortItems()
	for rd.flow.OnDuplicate != rules.FirstWins {
		cut := b.secondVersion()
		if cut == len(b.items) {
			break
		}
		head := &batch{part: part, page: page, from: b.from, to: page.After(b.items[cut-1].at), items: b.items[:cut:cut], shared: true}
		b.shared = true
		head.sortItems()
		if err := rd.send(head); err != nil {
			return err
		}
		b.from, b.items = head.to, b.items[cut:]
		b.sortItems()
	}
	return rd.send(b)
}

// keep drops the items of other keys: only plans ask for it.
func (b *batch) keep(keys map[record.Key]bool) {
	kept := b.items[:0]
	for i := range b.items {
		if keys[b.items[i].key] {
			kept = append(kept, b.items[i])
		}
	}
	b.items = kept
}

// send passes the batch before this one on; this one waits, since only the next
// batch or the end of the source tells whether it is the last.
func (rd *reader) send(b *batch) error {
	before := rd.pending
	rd.pending = b
	return rd.emit(before)
}

func (rd *reader) flush(final bool) error {
	last := rd.pending
	if last == nil {
		last = &batch{again: true}
	}
	last.final, last.atLimit = final, rd.left == 0
	return rd.emit(last)
}

// emit hands b to the next stage.
func (rd *reader) emit(b *batch) error {
	if b == nil {
		return nil
	}
	select {
	case rd.out <- b:
		return nil
	case <-rd.work.Done():
		return rd.work.Err()
	}
}

// readOpen judges open records again: held ones at every run, all of them when
// what decides over this flow's records has changed.
func (rd *reader) readOpen(ctx context.Context) error {
	after := record.Key("")
	for ctx.Err() == nil {
		opens, err := rd.ledger.Opens(after, rd.flow.Batch.Size+1)
		if err != nil {
			return fmt.Errorf("read the open records: %w", err)
		}
		if len(opens) == 0 {
			return nil
		}
		after = opens[len(opens)-1].Key
		b := &batch{again: true}
		for i := range opens {
			if !rd.dueAgain(&opens[i]) {
				continue
			}
			if b.items = append(b.items, item{open: &opens[i]}); rd.care.careful() {
				if err := rd.sendCarefully(ctx, b); err != nil || ctx.Err() != nil {
					return err
				}
				b = &batch{again: true}
			}
		}
		if len(b.items) == 0 {
			continue
		}
		if err := rd.judge.opens(rd.work, b); err != nil {
			return err
		}
		if rd.keys != nil {
			b.keep(rd.keys)
		}
		b.sortItems()
		if err := rd.send(b); err != nil {
			return err
		}
	}
	return nil
}

func (rd *reader) dueAgain(o *OpenRecord) bool {
	if len(o.Key) == 0 || o.Key[0] == unitSpace {
		return false // a refused unit is judged when its part is read
	}
	if o.inDoubt() {
		return false // it is resolved, or a person does that
	}
	if _, unknown := rd.intents[o.Key]; unknown {
		return rd.chosen == nil // R5; what waits may be older than what was being written, and no act sends it over that (R10)
	}
	if len(o.Row) == 0 && o.Broken == "" {
		return false // it vanished, and its delete was refused: the next whole pass tries again
	}
	if rd.chosen != nil {
		return rd.chosen(o)
	}
	return o.due(rd.flow.Digest, rd.now())
}

// now is the time a whole batch is judged at.
func (r *run) now() time.Time { return r.engine.Clock.Now() }

// rowError returns the row's own error, or nil. Any other error of a page is a
// mistake of its connector and is told as such, on the row.
func rowError(err error) *connectors.RowError {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*connectors.RowError](err); ok {
		return e
	}
	return &connectors.RowError{Code: "row", Message: err.Error()}
}
