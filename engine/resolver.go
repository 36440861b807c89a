package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"headgate/connectors"
	"headgate/engine/record"
)

// doubtsAtOnce is how many messages in doubt are looked up before they are settled.
const doubtsAtOnce = 100

// resolver settles what a run before this one sent, and did not settle: an answer that
// is not known yet is unknown (R5). It is done before anything else of those keys. What
// was left in doubt it settles as soon as there is a way to.
type resolver struct {
	*deliverer
	courier *courier
	doubts  bool     // the messages are those of records in doubt: nothing is kept of them yet
	batches []*batch // one a message
	held    *batch   // all their keys
}

// resolveSends settles the messages that are kept, before the source is read, and then
// what is in doubt.
func (d *deliverer) resolveSends(ctx context.Context) error {
	if d.sender == nil {
		return nil
	}
	// What is on its way is finished when ctx ends, but nobody waits for a system then.
	ctx = context.WithoutCancel(ctx)
	r := &resolver{deliverer: d, courier: d.newCourier(ctx)}
	defer r.courier.stop()
	var sends []SendIntent
	for s, err := range allSends(r.ledger) {
		if err != nil {
			return fmt.Errorf("flow %s: %w", r.flow.Name, err)
		}
		sends = append(sends, s)
	}
	if len(sends) > 0 {
		d.log.Info("messages of a run before have no settled answer; they are resolved first", "messages", len(sends))
	}
	if err := r.resolve(ctx, sends); err != nil {
		return err
	}
	return r.resolveDoubts(ctx)
}

// resolveDoubts settles what is in doubt and can be settled without a person now: the
// ruleset says how by now, or it was looked up in vain a while ago.
func (r *resolver) resolveDoubts(ctx context.Context) error {
	r.doubts = true
	var some []SendIntent
	for o, err := range allOpen(r.ledger) {
		if err != nil {
			return fmt.Errorf("flow %s: %w", r.flow.Name, err)
		}
		if !r.maySettle(&o) {
			continue
		}
		if some = append(some, *o.Doubt); len(some) < doubtsAtOnce {
			continue
		}
		if err := r.resolve(ctx, some); err != nil || r.askedToEnd() {
			return err
		}
		some = nil
	}
	return r.resolve(ctx, some)
}

// resolve settles messages.
func (r *resolver) resolve(ctx context.Context, sends []SendIntent) error {
	if len(sends) == 0 {
		return nil
	}
	r.batches = nil
	for i := range sends {
		b, err := r.batch(&sends[i])
		if err != nil {
			return err
		}
		r.batches = append(r.batches, b)
	}
	if err := r.announce(); err != nil {
		return err
	}
	r.deliverAll(ctx)
	return r.settle(ctx)
}

// batch is what is known of a message, with items that stand for its records.
func (r *resolver) batch(s *SendIntent) (*batch, error) {
	n := len(s.Changes)
	b := &batch{again: true, items: make([]item, n)}
	keys, entries, opens := make([]record.Key, n), make([]Entry, n), make([]OpenRecord, n)
	for i := range s.Changes {
		keys[i] = s.Changes[i].Key
	}
	if err := r.ledger.Find(keys, entries); err != nil { // the changes of a message are in the order of their keys
		return nil, fmt.Errorf("look up what flow %s sent: %w", r.flow.Name, err)
	}
	if err := r.ledger.OpenAt(keys, opens); err != nil {
		return nil, fmt.Errorf("look up open records: %w", err)
	}
	p := &parcel{SendIntent: s, unknown: !s.answered(), repeated: true}
	for i := range s.Changes {
		it := &b.items[i]
		r.recall(it, &s.Changes[i])
		it.entry = entries[i]
		if opens[i].Key != "" {
			it.open = &opens[i]
		}
		if it.open.inDoubt() {
			before := opens[i]
			it.doubted = &before
		}
		if r.doubts { // no person has it sent
			opens[i].By, opens[i].Why = "", ""
		}
		p.items = append(p.items, it)
	}
	if err := r.name(b, s); err != nil {
		return nil, err
	}
	b.sortItems()
	b.changes, b.parcels = p.items, []*parcel{p}
	return b, nil
}

// recall makes an item of what is kept of its change. Nothing is judged anew.
func (r *resolver) recall(it *item, c *ChangeIntent) {
	it.key, it.op, it.outcome, it.where = c.Key, c.Op, c.outcome(), c.Where
	it.becomes, it.print, it.decided = &c.Becomes, c.Becomes.Fingerprint, true
	it.row = rowByColumns(&OpenRecord{Row: c.Row, Columns: c.Columns}, r.flow.From.Columns.Names)
	if len(c.Row) == 0 {
		it.row = nil // it had vanished
	}
	it.record = make(record.Record, len(r.flow.From.Entity.Schema.Fields))
	it.send = make([]record.Value, len(r.sentTo))
	for i, name := range c.SentTo {
		if at := slices.Index(r.sentTo, name); at >= 0 && i < len(c.Sent) {
			it.send[at] = c.Sent[i]
		}
	}
	it.values = it.send
}

// name gives the items their records, for people, and the names their ids are kept under.
func (r *resolver) name(b *batch, s *SendIntent) error {
	now := r.now()
	for i := range b.items {
		if it := &b.items[i]; it.row != nil {
			r.judge.makeRecord(it, now)
			it.verdict.Failures, it.verdict.Severity, it.skip = nil, 0, false
		}
	}
	if err := r.knowIDs(b); err != nil {
		return err
	}
	for i := range b.items {
		if id := s.Changes[i].ID; !id.Missing() {
			b.items[i].toID = id
		}
	}
	return nil
}

// announce takes note of the messages that may be sent again, before they are (R1):
// those that a person wants sent, and those of records in doubt. A crash behind it
// leaves their answers unknown once more.
func (r *resolver) announce() error {
	settlement := &Settlement{Intent: r.unknown}
	for _, b := range r.batches {
		p := b.parcels[0]
		if p.Again {
			p.Again, p.ordered, p.unknown = false, true, false
			p.Attempts++
		} else if !r.doubts {
			continue
		}
		settlement.Sends = append(settlement.Sends, p.SendIntent)
	}
	if len(settlement.Sends) == 0 {
		return nil
	}
	return r.commit(settlement)
}

// deliverAll goes on until each message has its answers, or one fails. All their keys
// are taken at once: nobody else does anything of them meanwhile.
func (r *resolver) deliverAll(ctx context.Context) {
	r.held = &batch{again: true}
	for _, b := range r.batches {
		for i := range b.items {
			r.held.items = append(r.held.items, item{key: b.items[i].key})
		}
	}
	r.held.sortItems()
	if !r.inflight.enter(r.held) {
		return
	}
	var all sync.WaitGroup
	for _, b := range r.batches {
		r.courier.start(ctx, b.parcels[0], &all, func() {})
	}
	all.Wait()
}

// settle settles what has its answers, and keeps what is known of the rest.
func (r *resolver) settle(ctx context.Context) error {
	defer func() { r.inflight.leave(r.held) }()
	var settlements []*Settlement
	var done []*batch
	kept := &Settlement{}
	for _, b := range r.batches {
		if !b.answered() {
			b.parcels[0].keep(kept)
			continue
		}
		b.part = connectors.Part{Name: b.parcels[0].Changes[0].Part}
		settlement, err := r.settlement(ctx, b)
		if err != nil {
			return err
		}
		settlement.Sent = b.sentKeys()
		settlements, done = append(settlements, settlement), append(done, b)
	}
	settlements = append(settlements, kept)
	settlements[len(settlements)-1].Intent = r.unknown
	if err := r.commit(settlements...); err != nil {
		return err
	}
	for _, b := range done {
		r.account(b)
	}
	return r.courier.failure()
}
