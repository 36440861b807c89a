package engine

import (
	"context"
	"fmt"
	"slices"

	"headgate/engine/record"
	"headgate/rules"
)

// settlement says what becomes durable of a batch: entries, open records, ids,
// the journal row and the position. Its exceptions are on disk when it returns.
func (d *deliverer) settlement(ctx context.Context, b *batch) (*Settlement, error) {
	s := &Settlement{}
	if d.appender != nil && len(b.items) > 0 {
		mark, err := d.appender.Mark(ctx)
		if err != nil {
			return nil, &SystemError{Flow: d.flow.Name, System: d.summary.To, Attempts: 1, Err: err}
		}
		s.Mark, d.header.Mark = &mark, mark
	}
	exceptions := d.settleItems(b, s)
	b.news = stoppedEvents(exceptions)
	if exceptions = append(exceptions, b.retold...); len(exceptions) > 0 {
		d.makeRoom()
		if err := d.exceptions.Append(exceptions); err != nil {
			return nil, fmt.Errorf("write %d exceptions of flow %s: %w: %w", len(exceptions), d.flow.Name, ErrStateUncertain, err)
		}
	}
	for i := range b.items {
		b.counts[b.items[i].outcome]++
	}
	s.Suspects, s.Examined = b.suspects, b.examined
	if d.suspected != nil && !b.again {
		for i := range b.items {
			if key := b.items[i].key; d.suspected[key] {
				s.Examined = append(s.Examined, key)
			}
		}
	}
	if !b.again && !b.unit {
		s.Position = &b.to
	}
	s.Journal = &JournalRow{
		Part: b.part.Name, From: b.from, To: b.to, Again: b.again || b.unit, Read: int64(len(b.items)),
		Counts: b.counts, Digest: d.of.set.Digest, Pass: d.header.Pass, Time: d.now(),
	}
	return s, d.number(s.Journal)
}

// number says which row of the journal this one will be: the next, or the last one
// where it continues that.
func (d *deliverer) number(row *JournalRow) error {
	if d.last == nil && d.header.Journal > 0 && d.observer == nil {
		rows, err := d.ledger.Journal(d.header.Journal-1, 1)
		if err != nil {
			return fmt.Errorf("read the journal of flow %s: %w", d.flow.Name, err)
		}
		if len(rows) == 1 {
			d.last = &rows[0]
		}
	}
	row.Since = row.Time
	if d.observer != nil || !row.continues(d.last) {
		d.header.Journal++
	}
	last := *row
	last.Number = d.header.Journal
	d.last = &last
	return nil
}

// settleItems lets each key's entry take the outcomes of its items, in order, and
// returns the exceptions to write first.
func (d *deliverer) settleItems(b *batch, s *Settlement) (exceptions []Exception) {
	b.group(func(items []int32) {
		last, wrote := &b.items[items[0]], false
		for _, i := range items {
			it := &b.items[i]
			it.entry, it.open = last.entry, last.open
			d.keepIDs(it, s)
			changed, told := d.settleItem(b, it, s)
			exceptions = append(exceptions, told...)
			last, wrote = it, wrote || changed || it.learned
		}
		if wrote {
			if !b.again { // it was not read in this pass: what is read of it is its first
				last.entry.Pass = d.header.Pass
			}
			if s.Entries == nil {
				s.Entries = entrySlabs.take(len(b.order))[:0]
			}
			s.Entries = append(s.Entries, KeyEntry{last.key, &last.entry})
		}
	})
	return exceptions
}

// settleItem updates the item's entry and reports whether it changed.
func (d *deliverer) settleItem(b *batch, it *item, s *Settlement) (changed bool, told []Exception) {
	e := &it.entry
	switch {
	case it.behind:
		d.waitBehind(b, it, s)
		return true, nil
	case it.sent != nil && it.open.inDoubt():
		return d.settleDoubt(b, it, s)
	}
	switch it.outcome {
	case Deleted:
		e.forgetDelivered(Deleted)
		return true, d.closeOpen(b, it, s, Deleted.String())
	case Created, Updated, Unchanged:
		if it.waits != NoOutcome {
			return d.stopItem(b, it, s)
		}
		if it.known {
			return false, nil
		}
		if it.gone {
			e.forgetDelivered(Deleted)
			return true, d.closeOpen(b, it, s, Deleted.String())
		}
		if it.outcome == Unchanged && !it.asked && (e.Stopped.IsZero() || it.stopped()) {
			return false, nil
		}
		why := closedAs(it)
		d.delivered(it)
		return true, d.closeOpen(b, it, s, why)
	case Rejected, Held, InDoubt:
		return d.stopItem(b, it, s)
	case Skipped, Superseded:
		if it.open == nil || it.outcome == Superseded && !b.again {
			return false, nil
		}
		e.Outcome, e.Stopped, e.Refused = it.outcome, record.Fingerprint{}, record.Fingerprint{}
		return true, d.closeOpen(b, it, s, it.outcome.String())
	}
	return false, nil
}

// closedAs says why what waited waits no more: its content went, or a newer one (R9).
func closedAs(it *item) string {
	switch {
	case it.open != nil && it.waited == nil && it.entry.Stopped != it.rowDigest():
		return Superseded.String()
	case it.outcome == Unchanged:
		return it.outcome.String()
	}
	return "delivered"
}

// delivered makes the entry say what the destination has now.
func (r *run) delivered(it *item) {
	e := &it.entry
	if it.becomes != nil {
		number, journal := e.Number, e.Journal
		*e = *it.becomes
		e.Number, e.Journal = number, journal
		return
	}
	e.keepRelease(it)
	e.Outcome, e.Stopped, e.Refused = it.outcome, record.Fingerprint{}, record.Fingerprint{}
	r.hasNow(e, it)
	if it.conflict != nil {
		e.Shown = it.conflict.shown
	}
	e.endForeignRelease()
	if r.versioned {
		e.Version = it.record[r.flow.From.Entity.Version]
	}
}

// hasNow makes the entry say which values the destination has.
func (r *run) hasNow(e *Entry, it *item) {
	before, sameShape := e.Hashes, e.Shape == r.shape && len(e.Hashes) == len(it.hashes)
	e.Delivered, e.Fingerprint, e.Shape = true, it.print, r.shape
	e.Hashes, e.Shown = it.hashes, nil
	if sameShape {
		r.keepUntouched(e, before)
	}
}

// keepUntouched keeps what was delivered before of the columns that this delivery
// left as they were.
func (r *run) keepUntouched(e *Entry, before []record.Hash) {
	k := -1
	for c, update := range r.own.Update {
		if !update {
			continue
		}
		if k++; r.untouched(e.Hashes[k], c) {
			e.Hashes[k] = before[k]
		}
	}
}

// stopItem keeps the record open and writes its exception, unless the same
// content was told before for the same reason.
func (d *deliverer) stopItem(b *batch, it *item, s *Settlement) (bool, []Exception) {
	var told []Exception
	before := it.open
	if !it.stoppedBefore() {
		told, before = d.closing(b, it, Superseded.String()), nil
	}
	news := before == nil || before.Outcome != it.stoppedAs() || before.Digest != d.flow.Digest || !it.sameReason()
	if !news && !it.refused {
		return false, nil
	}
	open := d.openRecord(it, before)
	exception := d.exception(b, it, open.Attempts)
	if before != nil { // also where its row has other columns now
		exception.ID = before.Exception
	}
	open.Exception, open.Part, open.Where = exception.ID, exception.Part, exception.Where
	s.Open = append(s.Open, *open)
	switch {
	case news && it.waits != NoOutcome:
		b.retold = append(b.retold, exception)
	case news:
		told = append(told, exception)
	}
	e := &it.entry
	e.keepRelease(it)
	e.Outcome, e.Stopped, e.Refused = open.Outcome, it.rowDigest(), record.Fingerprint{}
	if it.refused {
		e.Refused = it.print
	}
	it.open = open
	return true, told
}

// openRecord is what is kept of an item that is stopped; before is what was kept of
// this content, or nil.
func (d *deliverer) openRecord(it *item, before *OpenRecord) *OpenRecord {
	now, reason := d.now(), it.reason()
	open := &OpenRecord{
		Key: it.key, Outcome: it.stoppedAs(), Row: slices.Clone(it.row), Columns: d.flow.From.Columns.Names, Broken: it.broken,
		Digest: d.flow.Digest, Code: reason.Code, Rule: reason.Rule, Since: now, Missing: now, Ruled: now,
	}
	if it.open != nil { // also of other content
		open.Missing = it.open.MissingSince()
	}
	if it.broken != "" {
		open.Damage = reason.Message
	}
	if before != nil {
		open.Since, open.Attempts, open.By, open.Why = before.Since, before.Attempts+1, before.By, before.Why
		if before.Rule == reason.Rule {
			open.Ruled = before.Ruled
		}
	}
	if it.refused {
		open.Sent = now
	}
	if it.outcome == InDoubt && it.sent != nil {
		if reason.Code == unreadable { // it is looked up again by itself
			open.Sent = now
		}
		open.Doubt, open.Attempts = it.sent.alone(&it.sent.Changes[it.sentAs]), it.sent.Attempts
	}
	if rule := it.verdict.Rule; open.Outcome == Held && rule != nil && rule.Within > 0 {
		open.Until = open.Ruled.Add(rule.Within)
	}
	return open
}

// closeOpen ends what waited under the item's key.
func (d *deliverer) closeOpen(b *batch, it *item, s *Settlement, why string) []Exception {
	told := d.closing(b, it, why)
	if it.open != nil {
		s.Closed = append(s.Closed, it.key)
		it.open = nil
	}
	return told
}

// closing is the line that closes the exception of what waited, if anything did.
func (d *deliverer) closing(b *batch, it *item, why string) []Exception {
	if it.open == nil {
		return nil
	}
	return []Exception{{
		ID: it.open.Exception, Time: d.now(), Flow: d.flow.Name, Entity: d.summary.Entity, Key: d.keyText(it),
		Outcome: it.outcome, Part: b.part.Name, Ruleset: d.of.set.Digest, Closed: why,
		By: it.open.By, Why: it.open.Why,
	}}
}

// account adds a settled batch to what the run tells.
func (r *run) account(b *batch) {
	r.tellForeign(b)
	r.wakeSuspected(b)
	r.observe(b)
	for _, event := range b.news {
		r.notify(event)
	}
	r.summary.Batches++
	r.summary.Read += int64(len(b.items))
	r.summary.Counts.Add(&b.counts)
	r.accountWaited(b)
	r.engine.progressed(Progress{Flow: r.flow.Name, Part: b.part.Name, Read: r.summary.Read, Done: b.final})
}

// observe counts stops and warnings, and shows a plan its items.
func (r *run) observe(b *batch) {
	for i := range b.items {
		it := &b.items[i]
		if it.outcome == Unchanged && it.asked && it.waits == NoOutcome {
			r.summary.Asked++
		}
		if it.verdict.Severity == rules.Warn {
			r.summary.Warned++
		}
		if it.outcome.Open() {
			r.stops.count(it)
		}
		if r.observer != nil {
			r.observer(b, it)
		}
	}
}

// observeTripped counts what the batch that the guard stopped would have stopped:
// nothing of it is settled, and it is told apart from what is.
func (r *run) observeTripped(b *batch) {
	for i := range b.items {
		if b.items[i].outcome.Open() {
			r.tripped.count(&b.items[i])
		}
		if r.observer != nil {
			r.observer(b, &b.items[i])
		}
	}
}

// stops counts what was stopped, by reason.
type stops map[stopKey]*StopCount

func (s stops) count(it *item) {
	reason := it.reason()
	key := stopKey{it.outcome, reason.Code, reason.Rule, reason.Field}
	if s[key] == nil {
		s[key] = &StopCount{Outcome: it.outcome, Code: reason.Code, Rule: reason.Rule, Field: reason.Field, Sample: reason.Message}
	}
	s[key].Count++
}

// sorted returns the counts, the greatest first.
func (s stops) sorted() (all []StopCount) {
	for _, stop := range s {
		all = append(all, *stop)
	}
	slices.SortFunc(all, func(a, b StopCount) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return compareText(a.Rule+a.Code+a.Field, b.Rule+b.Code+b.Field)
	})
	return all
}

// reason is the first of the worst failures.
func (it *item) reason() record.Reason {
	if len(it.verdict.Failures) == 0 {
		return record.Reason{Stage: record.StageRule, Code: "unknown", Message: "no reason was given"}
	}
	return it.verdict.Failures[0]
}
