package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// factRounds is how often a record is judged again because a fact was lacking.
const factRounds = 2

// shareAt is how many records make it worth to share the work of a batch.
const shareAt = 128

// judge maps and judges the records of a batch. It belongs to one goroutine, which
// shares the work with a second one where no lookup is asked.
type judge struct {
	*run
	hand
	second *hand // nil: lookups belong to one goroutine
	facts  *facts
	key    []byte
	keys   []byte
	ends   []int
}

// hand is what one goroutine judges with.
type hand struct {
	run    *run
	worker *rules.Worker
	facts  expression.Facts
	digest []byte
}

func newJudge(r *run) *judge {
	facts := r.newFacts()
	j := &judge{run: r, facts: facts, hand: hand{run: r, worker: rules.NewWorker(r.flow), facts: facts}}
	if len(r.flow.Lookups) == 0 {
		j.second = &hand{run: r, worker: rules.NewWorker(r.flow), facts: facts}
	}
	return j
}

// share lets f work on all items, half of them in another goroutine.
func (j *judge) share(b *batch, f func(h *hand, from, to int)) {
	n := len(b.items)
	if j.second == nil || n < shareAt {
		f(&j.hand, 0, n)
		return
	}
	var other sync.WaitGroup
	other.Go(func() { f(j.second, 0, n/2) })
	f(&j.hand, n/2, n)
	other.Wait()
}

// page fills the items of a batch from its page and judges them.
func (j *judge) page(ctx context.Context, b *batch) error {
	b.items = itemSlabs.zeroed(b.page.Len())
	for i := range b.items {
		it := &b.items[i]
		it.at = i
		row, err := b.page.Row(i)
		it.row = row
		if broken := rowError(err); broken != nil {
			it.broken = broken.Code
			it.digest = brokenDigest(row, broken.Code, b.page.Raw(i))
			it.verdict = rejected(record.Reason{Stage: record.StageSource, Code: broken.Code, Message: broken.Message})
		}
		j.isPoison(it)
	}
	return j.items(ctx, b)
}

// opens fills the items of a batch from the open records they hold and judges them.
func (j *judge) opens(ctx context.Context, b *batch) error {
	for i := range b.items {
		it := &b.items[i]
		it.where, it.waited = it.open.Where, it.open
		it.row = rowByColumns(it.open, j.flow.From.Columns.Names)
		if it.open.Broken != "" {
			it.broken = it.open.Broken
			copy(it.digest[:], it.open.Key[1:])
			it.verdict = rejected(record.Reason{Stage: record.StageSource, Code: it.broken, Message: cmp.Or(it.open.Damage, "the row was broken when it was read")})
		}
		if it.broken == codePoison {
			it.verdict = poisoned(it.open.Damage)
		}
		j.isPoison(it)
	}
	return j.items(ctx, b)
}

// rowByColumns returns the kept row by the columns the resource has now.
func rowByColumns(o *OpenRecord, names []string) record.Row {
	at := make(map[string]int, len(o.Columns))
	for i, name := range o.Columns {
		at[name] = i
	}
	row := make(record.Row, len(names))
	for i, name := range names {
		if k, ok := at[name]; ok && k < len(o.Row) {
			row[i] = o.Row[k]
		}
	}
	return row
}

func (j *judge) items(ctx context.Context, b *batch) error {
	now := j.now()
	j.makeRecords(b, now)
	j.makeKeys(b)
	if j.own.NeedsID { // what a column holds depends on it
		if err := j.knowIDs(b); err != nil {
			return err
		}
	}
	n := len(j.own.Columns)
	b.values = valueSlabs.take(len(b.items) * n)
	j.share(b, func(h *hand, from, to int) {
		for i := from; i < to; i++ {
			b.items[i].values = b.values[i*n : i*n : (i+1)*n]
			h.one(&b.items[i], now)
		}
	})
	for round := 0; round < factRounds && slices.ContainsFunc(b.items, lacks); round++ {
		if err := j.facts.Fetch(ctx); err != nil {
			return &SystemError{Flow: j.flow.Name, System: "a lookup", Attempts: 1, Err: err}
		}
		for i := range b.items {
			if b.items[i].reread {
				j.one(&b.items[i], now)
			}
		}
	}
	for i := range b.items {
		refuseLacking(&b.items[i])
	}
	b.hashes = hashSlabs.take(len(b.items) * n)
	j.share(b, func(h *hand, from, to int) {
		for i := from; i < to; i++ {
			h.digestItem(&b.items[i], b.hashes[i*n:i*n:(i+1)*n])
		}
	})
	return nil
}

func lacks(it item) bool { return it.reread }

// refuseLacking fails closed (promise 6): what is not known is not assumed.
func refuseLacking(it *item) {
	if it.reread {
		it.reread = false
		it.verdict = rejected(record.Reason{Stage: record.StageRule, Code: "unevaluable", Message: "a lookup gave no answer"})
	}
}

func (j *judge) makeRecords(b *batch, now time.Time) {
	width := len(j.flow.From.Entity.Schema.Fields)
	b.records = valueSlabs.take(len(b.items) * width)
	j.share(b, func(h *hand, from, to int) {
		for i := from; i < to; i++ {
			b.items[i].record = b.records[i*width : (i+1)*width : (i+1)*width]
			h.makeRecord(&b.items[i], now)
		}
	})
}

// makeRecord maps one row, where it was read whole.
func (h *hand) makeRecord(it *item, now time.Time) {
	if it.broken != "" {
		clear(it.record)
		return
	}
	wanted, reason := h.worker.Wanted(it.row, now)
	if reason != nil {
		it.verdict = rejected(*reason)
	}
	it.skip = !wanted && reason == nil
	var reasons []record.Reason
	it.record, reasons = h.worker.Map(it.record, it.row, now)
	if len(reasons) > 0 && !it.stopped() && !it.skip {
		it.verdict = rejected(reasons...)
	}
	if h.run.flow.From.ID != nil {
		it.id = h.worker.SourceID(it.row)
	}
}

// makeKeys gives every item its ledger key, as slices of one string a batch.
func (j *judge) makeKeys(b *batch) {
	j.keys, j.ends = j.keys[:0], j.ends[:0]
	for i := range b.items {
		it := &b.items[i]
		start := len(j.keys)
		j.keys = append(j.keys, keyedSpace)
		err := errNoKey
		if it.broken == "" {
			j.key, err = j.appendKey(j.key[:0], it)
			j.keys = append(j.keys, j.key...)
		}
		if it.waited != nil && it.broken != "" {
			j.keys = append(j.keys[:start], it.waited.Key...)
			it.keyless = errNoKey.Error()
		} else if err != nil {
			j.keys = append(j.keys[:start], keylessSpace)
			digest := it.rowDigest()
			j.keys = append(j.keys, digest[:]...)
			it.keyless = err.Error()
		}
		j.ends = append(j.ends, len(j.keys))
	}
	all, start := string(j.keys), 0
	for i, end := range j.ends {
		b.items[i].key = record.Key(all[start:end])
		start = end
	}
}

var errNoKey = errors.New("the row is broken")

func (j *judge) appendKey(dst []byte, it *item) ([]byte, error) {
	schema := j.flow.From.Entity.Schema
	if len(schema.Key) == 0 {
		if it.id.Missing() {
			return dst, fmt.Errorf("its id: %w", record.ErrKey)
		}
		return record.AppendKey(dst, record.StringValue(it.id.Text()))
	}
	var err error
	for _, f := range schema.Key {
		if dst, err = record.AppendKey(dst, it.record[f]); err != nil {
			return dst, fmt.Errorf("%s: %w", schema.Fields[f].Name, err)
		}
	}
	return dst, nil
}

// one judges one item. It is judged again when a fact was lacking.
func (h *hand) one(it *item, now time.Time) {
	if it.broken != "" || it.skip || it.stopped() {
		return
	}
	it.reread = false
	keep, verdict := h.worker.Filter(it.record, h.facts, now)
	if !verdict.Lacking && verdict.Severity == rules.Pass && keep {
		verdict = h.worker.Judge(it.record, h.facts, now)
	}
	if !verdict.Lacking && verdict.Severity < rules.Hold && keep {
		var failed rules.Verdict
		it.values, failed = h.worker.Write(it.values[:0], it.record, it.toID, h.run.reference(it), h.facts, now)
		if failed.Lacking || failed.Severity > verdict.Severity {
			verdict = failed
		}
	}
	if verdict.Lacking {
		it.reread = true
		return
	}
	it.verdict = verdict
	it.skip = !keep && !it.stopped()
	if it.keyless != "" && !it.stopped() && !it.skip {
		it.verdict = rejected(record.Reason{Stage: record.StageMapping, Code: "key", Message: "its key is unusable: " + it.keyless})
	}
}

// digestItem digests what this flow may write of an item that passed, whole and by
// column.
func (h *hand) digestItem(it *item, hashes []record.Hash) {
	if it.stopped() || it.skip {
		return
	}
	h.digest = h.digest[:0]
	for c, update := range h.run.own.Update {
		if update {
			start := len(h.digest)
			h.digest = it.values[c].AppendCanonical(h.digest)
			hashes = append(hashes, record.HashOf(h.digest[start:]))
		}
	}
	it.print, it.hashes = record.FingerprintOf(h.digest), hashes
}

func rejected(reasons ...record.Reason) rules.Verdict {
	return rules.Verdict{Severity: rules.Reject, Failures: reasons}
}
