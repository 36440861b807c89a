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

// maySettle reports whether what is in doubt may be settled without a person now: these
// rules have not tried it, or did so a while ago, or a person asks for it; and there is
// a way to.
func (r *run) maySettle(o *OpenRecord) bool {
	switch {
	case !o.inDoubt():
		return false
	case r.chosen != nil && !r.chosen(o), r.chosen == nil && !o.due(r.flow.Digest, r.now()):
		return false
	}
	p := &parcel{SendIntent: o.Doubt}
	ways := p.ways(r.sender)
	return ways.Repeat || ways.Double || ways.Find && r.finder != nil || r.inWindow(p, ways.Window)
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
		return false, d.doubtOn(b, it, s)
	case it.outcome == Rejected && !newer:
		return d.stopItem(b, it, s)
	case !it.outcome.Open():
		if it.op == connectors.Delete {
			e.forgetDelivered(Deleted)
		} else {
			d.delivered(it)
		}
		if it.open.By == "" {
			it.open.Why = d.settledHow(it)
		}
		if !newer {
			return true, d.closeOpen(b, it, s, "delivered")
		}
		it.verdict, e.Stopped = heldFor(notDone, d.settledHow(it)+"; a newer version waited: the next run delivers it"), stopped
	}
	open.judgeAnew(e, notDone)
	s.Open = append(s.Open, open)
	return true, []Exception{d.doubtLine(b, it, &open)}
}

// settledHow says how the end of what was in doubt became known.
func (r *run) settledHow(it *item) string {
	if it.resent {
		return "sent again: the bytes that were kept"
	}
	if it.op == connectors.Delete {
		return "looked up: " + r.summary.To + " has it no more"
	}
	return "looked up: " + r.summary.To + " has it"
}

// doubtOn leaves in doubt what was in doubt. It is told where there is news of it, and
// tried again after a while that grows.
func (d *deliverer) doubtOn(b *batch, it *item, s *Settlement) []Exception {
	open := *it.open
	news := !it.sameReason() || open.Digest != d.flow.Digest
	open.Doubt, open.Attempts = it.sent.alone(&it.sent.Changes[it.sentAs]), max(open.Attempts+1, it.sent.Attempts)
	open.Code, open.Digest, open.Sent = it.reason().Code, d.flow.Digest, d.now()
	s.Open = append(s.Open, open)
	if !news {
		it.waits, it.outcome = InDoubt, Unchanged
		return nil
	}
	return []Exception{d.doubtLine(b, it, &open)}
}

// doubtLine tells what became of an exception that was in doubt, and waits on.
func (d *deliverer) doubtLine(b *batch, it *item, open *OpenRecord) Exception {
	x := d.exception(b, it, open.Attempts)
	x.ID, x.Outcome = open.Exception, open.Outcome
	return x
}
