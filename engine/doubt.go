package engine

import (
	"slices"

	"headgate/connectors"
)

// behindCode is the code of a version that waits behind one that is in doubt.
const behindCode = "in_doubt"

// inDoubt reports whether what waits is in doubt, with what was sent of it.
func (o *OpenRecord) inDoubt() bool { return o != nil && o.Outcome == InDoubt && o.Doubt != nil }

// newer reports whether a newer version waits behind the one that is in doubt.
func (o *OpenRecord) newer() bool {
	doubted := &o.Doubt.Changes[0]
	return !slices.Equal(o.Columns, doubted.Columns) || brokenDigest(o.Row, "", "") != brokenDigest(doubted.Row, "", "")
}

// judgeAnew makes of what was in doubt a record that the next run judges, in its newest
// version, and delivers. Its entry is another one then.
func (o *OpenRecord) judgeAnew(e *Entry, code string) {
	o.Outcome, o.Code, o.Rule, o.Digest, o.Doubt = Held, code, "", "", nil
	e.Outcome = Held
}

// behindDoubt decides a record of which a version is in doubt: a newer one waits, in
// the place of the one that waited, and nothing of it is sent (R9).
func (d *decider) behindDoubt(it *item) {
	if it.entry.Stopped == it.rowDigest() {
		it.decide(Unchanged)
		if it.known = true; it.entry.Number > 0 {
			d.pass.seen.set(it.entry.Number)
		}
		return
	}
	it.verdict = heldFor(behindCode, "an earlier version is in doubt: this one is judged when that is resolved")
	it.behind = true
	it.decide(Held)
}

// waitBehind keeps the version that waits now.
func (d *deliverer) waitBehind(b *batch, it *item, s *Settlement) {
	open := *it.open
	open.Row, open.Columns = slices.Clone(it.row), d.flow.From.Columns.Names
	open.Part, open.Where = b.part.Name, it.where
	if b.page != nil {
		open.Where = b.page.Where(it.at)
	}
	s.Open = append(s.Open, open)
	it.open, it.entry.Stopped = &open, it.rowDigest()
}

// settleDoubt settles a record that was in doubt, now that its message was sent again
// or looked up, with what waits behind it.
func (d *deliverer) settleDoubt(b *batch, it *item, s *Settlement) (bool, []Exception) {
	open, e := *it.open, &it.entry
	newer, stopped := open.newer(), e.Stopped
	switch {
	case it.outcome == InDoubt:
		open.Doubt, open.Attempts = it.sent.alone(&it.sent.Changes[it.sentAs]), it.sent.Attempts
		open.Code = it.reason().Code
		s.Open = append(s.Open, open)
		return false, []Exception{d.doubtLine(b, it, &open)}
	case it.outcome == Rejected && !newer:
		return d.stopItem(b, it, s)
	case !it.outcome.Open():
		if it.op == connectors.Delete {
			e.forgetDelivered(Deleted)
		} else {
			d.delivered(it)
		}
		if !newer {
			return true, d.closeOpen(b, it, s, "delivered")
		}
		e.Stopped = stopped
	}
	open.judgeAnew(e, notDone)
	s.Open = append(s.Open, open)
	return true, []Exception{d.doubtLine(b, it, &open)}
}

// doubtLine tells what became of an exception that was in doubt, and waits on.
func (d *deliverer) doubtLine(b *batch, it *item, open *OpenRecord) Exception {
	x := d.exception(b, it, open.Attempts)
	x.ID, x.Outcome = open.Exception, open.Outcome
	return x
}
