package engine

import (
	"fmt"
	"slices"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// parcel is a message on its way to a destination that cannot repeat, with the items
// whose changes it carries.
type parcel struct {
	*SendIntent
	items    []*item         // beside Changes
	unknown  bool            // an attempt has no answer: no later "no" makes it one (R7)
	repeated bool            // there was such an attempt, whatever was found out since
	ordered  bool            // a person wants it sent, whatever it doubles
	sent     bool            // by this run
	unread   int             // look-ups that failed
	noes     map[int]*Answer // refusals behind such an attempt, by change: a look-up has to tell
}

// keep says what is kept of a parcel when its run ends: what is known of it, or that
// it is unknown. Of one that nothing was done of nothing is: its records come again.
func (p *parcel) keep(s *Settlement) {
	switch {
	case p.unknown || p.answered() || p.ordered:
		p.Again = p.ordered && !p.unknown && !p.answered()
	case p.partly():
		p.sendAnew()
	default:
		s.Sent = append(s.Sent, p.Key())
		return
	}
	s.Sends = append(s.Sends, p.SendIntent)
}

// sendAnew leaves what was found not done to the next run, which sends it alone.
func (p *parcel) sendAnew() {
	for i := range p.Changes {
		if p.Changes[i].Answer == nil {
			p.Changes[i].Answer = &Answer{Status: connectors.Untried}
		}
	}
}

// partly reports whether some changes of the message have their answers, and others not.
func (p *parcel) partly() bool {
	return !p.answered() && (p.Carries > len(p.Changes) || slices.ContainsFunc(p.Changes, func(x ChangeIntent) bool { return x.Answer != nil }))
}

// openSender notes what is sent to a destination that cannot repeat. What it is told
// of a record is told once: a column that needs the id it gives has no second message.
func (r *run) openSender() error {
	for i, c := range r.own.Columns {
		if r.own.Writes[i].ID {
			return fmt.Errorf("flow %s: column %q uses the id that %s gives a record, which is not known when it is created there", r.flow.Name, c.Name, resourceName(r.flow.To))
		}
		r.sentTo = append(r.sentTo, c.Name)
	}
	return nil
}

// mostDecided is how many batches are decided and not announced at most.
func (r *run) mostDecided() int { return max(ahead, r.inFlight()) }

// mostOpen is how many batches are announced and not settled at most.
func (r *run) mostOpen() int {
	if r.appender != nil {
		return 2 * syncedBatches // some are settled while the others are applied
	}
	return openBatches * r.inFlight()
}

// lots makes lots of items, each in the memory of the last.
type lots struct {
	sending []connectors.Change
	keys    []record.Value
}

// lot is the changes of some items.
func (l *lots) lot(r *run, changes []*item) connectors.Lot {
	clear(l.sending)
	l.sending = slices.Grow(l.sending[:0], len(changes))
	l.keys = slices.Grow(l.keys[:0], len(changes)*max(len(r.own.Key), 1))
	for _, it := range changes {
		start := len(l.keys)
		for _, c := range r.own.Key {
			l.keys = append(l.keys, it.values[c])
		}
		if r.matches() && it.op != connectors.Create {
			l.keys = append(l.keys, it.toID)
		}
		l.sending = append(l.sending, connectors.Change{
			Op: it.op, Key: l.keys[start:len(l.keys):len(l.keys)], Values: r.wholeOf(it), ID: it.toID, Reference: r.carriedReference(it),
		})
	}
	return connectors.Lot{Changes: l.sending}
}

// carriedReference is the reference as the destination keeps it: of the column for
// it, where an expression makes that, else headgate's own. Only destinations that
// cannot repeat, or know records by nothing else, need it of every record.
func (r *run) carriedReference(it *item) string {
	if !r.sends && !r.appendOnly || it.key == "" || it.key[0] != keyedSpace {
		return ""
	}
	if c := r.own.Reference; c >= 0 && c < len(it.values) && !it.values[c].Missing() {
		return it.values[c].Text()
	}
	return rules.Reference(r.first, it.key[1:])
}

// prepare makes the messages of a batch. What cannot be sent has its answer already.
func (s *settler) prepare(b *batch) error {
	lot := s.lots.lot(s.run, b.changes)
	messages, err := s.sender.Prepare(lot)
	if err != nil {
		return fmt.Errorf("flow %s: prepare what is sent to %s: %w", s.flow.Name, s.summary.To, err)
	}
	now, at := s.now(), 0
	for i := range messages {
		m := &messages[i]
		if m.Changes < 1 || at+m.Changes > len(b.changes) {
			return fmt.Errorf("%s made messages of other changes than it was given", s.summary.To)
		}
		items := b.changes[at : at+m.Changes]
		p := &parcel{items: items, SendIntent: &SendIntent{Bytes: m.Bytes, Text: m.Text, First: now, Carries: m.Changes}}
		for k, it := range items {
			p.Changes = append(p.Changes, s.changeIntent(b, it, &lot.Changes[at+k]))
		}
		if m.Refusal != nil {
			p.Changes[0].Answer = &Answer{Status: connectors.Refused, Code: m.Refusal.Code, Words: s.hidden(items[0], m.Refusal.Words)}
		}
		ways := p.allowed(s.sender)
		p.Repeats, p.Keyed = ways.Repeat, ways.Window > 0
		at += m.Changes
		b.parcels = append(b.parcels, p)
	}
	if at != len(b.changes) {
		return fmt.Errorf("%s made messages of %d changes, of %d", s.summary.To, at, len(b.changes))
	}
	return nil
}

// changeIntent is all it takes to settle a change without its record.
func (s *settler) changeIntent(b *batch, it *item, change *connectors.Change) ChangeIntent {
	c := ChangeIntent{
		Key: it.key, Op: it.op, Reference: change.Reference, ID: it.toID, Find: slices.Clone(change.Key),
		Sent: it.send, SentTo: s.sentTo, Becomes: s.becomes(it),
		Row: it.row, Columns: s.flow.From.Columns.Names, Part: b.part.Name, Where: it.where,
	}
	if len(c.Find) == 0 {
		c.Find = make([]record.Value, len(s.flow.To.WriteKey)) // its id is not known yet
	}
	if b.page != nil && !b.again {
		c.Where = b.page.Where(it.at)
	}
	if b.again && it.open != nil {
		c.Part = it.open.Part
	}
	return c
}

// becomes is the entry of an item, once its change is applied.
func (r *run) becomes(it *item) Entry {
	done := *it
	if it.op == connectors.Delete {
		done.entry.forgetDelivered(Deleted)
		return done.entry
	}
	done.hashes = slices.Clone(it.hashes)
	r.delivered(&done)
	return done.entry
}

// sends are the messages of the batches that are yet to be sent.
func sends(batches []*batch) []*SendIntent {
	var all []*SendIntent
	for _, b := range batches {
		for _, p := range b.parcels {
			if !p.answered() {
				all = append(all, p.SendIntent)
			}
		}
	}
	return all
}

// sentKeys are what the messages of a batch are known by.
func (b *batch) sentKeys() (keys []record.Key) {
	for _, p := range b.parcels {
		keys = append(keys, p.Key())
	}
	return keys
}

// answered reports whether all changes of a batch have an answer.
func (b *batch) answered() bool {
	return !slices.ContainsFunc(b.parcels, func(p *parcel) bool { return !p.answered() })
}

// ways is how an unknown answer to the message is settled: as all its changes allow,
// and its bytes. Those were made under the ruleset of then: a key of idempotency that
// is asked for since is not in them, and what is absolute by now was not. One of many
// changes has no bytes of its own.
func (p *parcel) ways(s connectors.Sender) connectors.Ways {
	ways := p.allowed(s)
	whole := p.Carries == len(p.Changes)
	ways.Repeat = ways.Repeat && p.Repeats && whole
	if !p.Keyed || !whole {
		ways.Window = 0
	}
	return ways
}

// allowed is what the ruleset says of all changes of the message.
func (p *parcel) allowed(s connectors.Sender) connectors.Ways {
	all := s.Ways(p.Changes[0].Op)
	for i := range p.Changes[1:] {
		w := s.Ways(p.Changes[i+1].Op)
		all.Repeat, all.Find, all.Double = all.Repeat && w.Repeat, all.Find && w.Find, all.Double && w.Double
		all.Window, all.Lag = min(all.Window, w.Window), max(all.Lag, w.Lag)
	}
	return all
}

// windowShare is how much of a window of idempotency is used: clocks differ (R11).
const windowShare = 0.75

// inWindow reports whether the same bytes may still be sent again under their key. A
// clock that went backwards counts as one that says the window is over, and so does a
// message that a backup brought back: what became of it since, the state forgot (R11).
func (r *run) inWindow(p *parcel, window time.Duration) bool {
	now := r.now()
	return window > 0 && p.First.After(r.header.Restored) && !now.Before(p.First) && now.Sub(p.First) < time.Duration(float64(window)*windowShare)
}
