package engine

import (
	"context"
	"fmt"
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
)

// openBatches is how many batches with intents are announced at most for each that is on
// its way: one that is settled, one that is applied meanwhile, and the next one.
const openBatches = 3

// syncedBatches is how many batches of an appender are made durable at once where it is
// behind: on two processors that takes a twentieth of the time from a run into a file.
const syncedBatches = 4

// settler stands between the decider and the deliverer and is the only writer of
// the ledger. It commits the intent of a batch before it announces the batch to the
// deliverer (R1), and commits what became of it when it comes back. One transaction
// settles all batches that came back since the last one and holds the intents of
// those behind them, so that the next batch is applied while these are settled, and
// a deliverer that is faster than the disk of the state shares its syncs.
type settler struct {
	*run
	in        <-chan *batch    // nil: nothing more is announced
	announced chan<- *batch    // to the deliverer; nil: closed
	applied   <-chan *settling // back from it
	first     Header           // of the first transaction: as the run began
	open      []*batch         // announced and not settled, in order
	next      []*batch         // to be announced
	began     bool             // a transaction was made
	settled   bool             // a batch was settled
	final     bool             // the source has ended, and all of it came by
	atLimit   bool             // the run has ended, and all of it came by
	tripped   *batch           // the batch the guard stopped
	failure   error            // why nothing more is announced
	lots      lots
	left      *Intent // of the run before: what of it was not looked up yet (R5)
}

// settling is a batch whose effects are done and whose settlement is due.
type settling struct {
	batch      *batch
	settlement *Settlement
}

// settleAll goes on until the deliverer has ended, whatever made it end, so that
// what was applied is settled.
func (s *settler) settleAll(ctx context.Context) error {
	defer s.announceNone()
	for {
		done, more := s.wait()
		if !more {
			return s.end(ctx)
		}
		s.takeReady()
		if s.appender != nil {
			s.announce() // it has no intent to commit before
		}
		if err := s.settle(done); err != nil {
			return err
		}
		s.announce()
	}
}

// wait waits for settlements, or for a batch where the deliverer has nothing to do.
// While it has, batches whose intents are to be committed wait: they are announced with
// its next settlement, in one transaction.
func (s *settler) wait() (done []*settling, more bool) {
	in := s.in
	if busy := s.onTheirWay() >= s.inFlight(); busy && s.appender == nil || !s.mayAnnounce() {
		in = nil
	}
	select {
	case b, more := <-in:
		s.take(b, more)
		return nil, true
	case first, more := <-s.applied:
		for one := first; one != nil; one = s.another() {
			done = append(done, one)
		}
		s.open = slices.Delete(s.open, 0, len(done))
		return done, more
	}
}

// another is one more that came back meanwhile, or nil.
func (s *settler) another() *settling {
	select {
	case one := <-s.applied:
		return one
	default:
		return nil
	}
}

// takeReady takes the batches that are decided already.
func (s *settler) takeReady() {
	for s.in != nil && s.mayAnnounce() {
		select {
		case b, more := <-s.in:
			s.take(b, more)
		default:
			return
		}
	}
}

func (s *settler) take(b *batch, more bool) {
	switch {
	case !more:
		s.in = nil
	case b.pausing != "":
		s.in, s.tripped = nil, b
		b.leave()
	case b.empty():
		s.accountWaited(b)
		b.leave()
		s.inflight.leave(b)
		s.final, s.atLimit = b.final, b.atLimit
	default:
		if s.failure = s.checkRoom(); s.failure != nil {
			s.in = nil
			b.leave()
			return
		}
		s.final, s.atLimit = b.final, b.atLimit
		b.changes = b.changed()
		if b.intent = s.intentOf(b); s.sender != nil && len(b.changes) > 0 {
			if s.failure = s.prepare(b); s.failure != nil {
				s.in = nil
				return
			}
		}
		s.next = append(s.next, b)
	}
}

// onTheirWay counts what was announced and did not come back: batches, or messages
// where there are some.
func (s *settler) onTheirWay() (n int) {
	for _, b := range s.open {
		n += max(len(b.parcels), 1)
	}
	return n
}

// mayAnnounce reports whether one more batch may be announced: as many as there is
// room for, or, of those whose messages are sent on their own, as keep the courier
// busy. Where nothing settles an unknown answer, no more is announced than is sent at
// once: after a crash all of it is in doubt.
func (s *settler) mayAnnounce() bool {
	if s.sender == nil {
		return len(s.open)+len(s.next) < s.mostOpen()
	}
	most, messages := s.mostOpen(), 0
	for _, b := range slices.Concat(s.open, s.next) {
		messages += len(b.parcels)
	}
	if s.sender.Ways(connectors.Create).Unsettled() {
		most = s.inFlight()
	}
	return len(s.open)+len(s.next) < s.mostOpen() && messages < most
}

// keepAnswers makes durable what is known of messages whose batches are not settled: a
// run that ended with an error loses no answer, and what was not done is not kept.
func (s *settler) keepAnswers() error {
	settlement := &Settlement{Intent: s.intent()}
	for _, b := range s.open {
		for _, p := range b.parcels {
			p.keep(settlement)
		}
	}
	if len(settlement.Sends)+len(settlement.Sent) == 0 {
		return nil
	}
	return s.commit(settlement)
}

// announce passes on what was committed. It never waits: the channel holds as many
// as may be open.
func (s *settler) announce() {
	for _, b := range s.next {
		s.announced <- b
	}
	s.open, s.next = append(s.open, s.next...), s.next[:0]
	if s.in == nil {
		s.announceNone()
	}
}

// announceNone lets the deliverer end.
func (s *settler) announceNone() {
	if s.announced != nil {
		close(s.announced)
		s.announced = nil
	}
}

// settle commits what became of the batches that came back, if any did, together
// with the intents of all that is or will be announced.
func (s *settler) settle(done []*settling) error {
	settlements := make([]*Settlement, 0, openBatches)
	for _, one := range done {
		s.resolve(one.batch)
		one.settlement.Sent = one.batch.sentKeys()
		settlements = append(settlements, one.settlement)
	}
	intent, sends := s.intent(), sends(s.next)
	if len(done) == 0 {
		if intent == nil && len(sends) == 0 {
			return nil
		}
		settlements = append(settlements, &Settlement{})
	}
	last := settlements[len(settlements)-1]
	last.Intent, last.Sends = intent, sends
	if !s.began {
		settlements[0].Header, s.began = &s.first, true
	}
	if err := s.commit(settlements...); err != nil {
		return err
	}
	for _, one := range done {
		s.settled = true
		s.inflight.leave(one.batch)
		s.account(one.batch)
		one.batch.leave()
		if s.observer == nil && !one.batch.shared {
			one.release()
		}
	}
	return nil
}

// commit makes settlements durable, in one transaction. Any error is the end of the
// process (R4): only a fresh look at the state can tell what it holds.
func (r *run) commit(s ...*Settlement) error {
	r.makeRoom()
	if err := r.ledger.Settle(s...); err != nil {
		return fmt.Errorf("settle flow %s: %w: %w", r.flow.Name, ErrStateUncertain, err)
	}
	return nil
}

// intent is what may be written from now on until the next transaction.
func (s *settler) intent() *Intent {
	all := s.left
	for _, b := range slices.Concat(s.open, s.next) {
		switch {
		case b.intent == nil:
		case all == nil:
			all = b.intent
		default:
			both := *all
			both.Keys = slices.Concat(all.Keys, b.intent.Keys)
			both.Hashes = slices.Concat(all.Hashes, b.intent.Hashes)
			all = &both
		}
	}
	return all
}

// resolve closes what a settled batch says about the intent of the run before.
func (s *settler) resolve(b *batch) {
	if s.left == nil {
		return
	}
	settled := make(map[record.Key]bool, len(b.items))
	for i := range b.items {
		settled[b.items[i].key] = true
	}
	left := *s.left
	left.Keys, left.Hashes = nil, nil
	for i, key := range s.left.Keys {
		if !settled[key] {
			left.Keys, left.Hashes = append(left.Keys, key), append(left.Hashes, s.left.Hashes[i])
		}
	}
	if s.left = &left; len(left.Keys) == 0 {
		s.left = nil
	}
}

// end ends the pass, or tells why it ended before its end. What the deliverer left
// open it tells itself.
func (s *settler) end(ctx context.Context) error {
	switch {
	case len(s.open) > 0:
		return s.keepAnswers()
	case s.failure != nil:
		return s.failure
	case s.tripped != nil: // nothing of that batch becomes durable
		s.observeTripped(s.tripped)
		if s.tripped.vanishing { // the source was read to its end: the run after the pause reads all of it anew
			s.header.Ended = true
		}
		return s.pause(PausedByGuard, s.tripped.pausing)
	case s.chosen != nil:
		return s.endAgain(ctx)
	case s.final && (s.settled || s.loose || s.header.Sweeping):
		return s.endPass(ctx)
	case s.atLimit && (s.settled || s.loose):
		return s.endRun(&Settlement{Intent: s.left})
	}
	return nil
}

// endRun lets the guard of the next run count anew.
func (s *settler) endRun(settlement *Settlement) error {
	s.header.endGuard()
	header := s.header
	settlement.Header = &header
	return s.commit(settlement)
}

// endPass publishes what was appended.
func (s *settler) endPass(ctx context.Context) error {
	if s.appender != nil {
		finish := func() error { return s.appender.Finish(ctx) }
		if err := s.retryEffect(ctx, s.flow.To, finish); err != nil {
			return err
		}
	}
	s.header.Ended = true
	if s.header.Sweeping {
		s.header.Sweeping, s.header.SweptAt = false, s.now()
	}
	settlement, none := &Settlement{}, ""
	if s.appender != nil {
		settlement.Mark, s.header.Mark = &none, none
	}
	return s.endRun(settlement)
}
