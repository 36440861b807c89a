package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"headgate/connectors"
	"headgate/rules"
)

// courier sends the messages of the batches that the settler announced, whose bytes
// are committed (R1), some of them at a time over all batches, and passes the batches
// on in order. Once one fails no other is begun, and those on their way are awaited:
// to cut one off would make its answer unknown.
type courier struct {
	*run
	slots chan struct{}      // as many as may be on their way
	waits context.Context    // ends when nothing more is to be sent: nobody waits for a system then
	stop  context.CancelFunc // ends waits

	mu     sync.Mutex
	worker *rules.Worker
	failed error // why nothing more is sent
}

func (r *run) newCourier(ctx context.Context) *courier {
	c := &courier{run: r, slots: make(chan struct{}, r.inFlight()), worker: rules.NewWorker(r.flow)}
	c.waits, c.stop = context.WithCancel(ctx)
	return c
}

// inFlight is how many messages are on their way at a time.
func (r *run) inFlight() int {
	if r.sender == nil {
		return 1
	}
	return max(r.flow.Batch.InFlight, 1)
}

func (c *courier) sendAll(ctx context.Context, in <-chan *batch, out chan<- *batch) error {
	defer close(out)
	defer c.stop()
	var all sync.WaitGroup
	for b := c.next(in); b != nil; b = c.next(in) {
		b.sending.Add(len(b.parcels))
		for _, p := range b.parcels {
			c.start(ctx, p, &all, b.sending.Done)
		}
		out <- b // it never waits: there is room for all that are open
	}
	all.Wait()
	return c.failure()
}

// next is the next batch to send, nil when there is none or nothing more is sent.
func (c *courier) next(in <-chan *batch) *batch {
	select {
	case b := <-in:
		return b
	case <-c.waits.Done():
		return nil
	}
}

// end lets nothing more be sent and waits for what is on its way: those answers count.
func (c *courier) end(sent <-chan *batch) {
	if c == nil {
		return
	}
	c.stop()
	for range sent {
	}
}

// start sends a parcel when there is a slot for it, unless it has its answers or
// nothing more is to be sent.
func (c *courier) start(ctx context.Context, p *parcel, all *sync.WaitGroup, done func()) {
	if p.answered() {
		c.takeAnswers(p)
		done()
		return
	}
	if !c.enter() {
		done()
		return
	}
	all.Go(func() {
		defer done()
		defer c.leave()
		if err := c.deliver(ctx, p); err != nil {
			c.fail(err)
		}
	})
}

// enter waits for a slot. It reports false when nothing more is to be sent.
func (c *courier) enter() bool {
	select {
	case <-c.waits.Done():
		return false
	case c.slots <- struct{}{}:
	}
	if c.waits.Err() != nil {
		c.leave()
		return false
	}
	return true
}

func (c *courier) leave() { <-c.slots }

func (c *courier) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
	c.stop()
}

func (c *courier) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// deliver goes on until all that a parcel carries has an answer.
func (c *courier) deliver(ctx context.Context, p *parcel) error {
	err := c.retryEffect(c.waits, c.flow.To, func() error { return c.once(context.WithoutCancel(ctx), p) })
	if p.answered() {
		c.takeAnswers(p)
	}
	return err
}

// once takes a parcel one step on: what is unknown of it is settled, what is not done
// is sent.
func (c *courier) once(ctx context.Context, p *parcel) error {
	if p.unknown {
		if err := c.settleUnknown(ctx, p); err != nil || p.answered() {
			return err
		}
	}
	ways := p.ways(c.sender)
	if p.partly() && !ways.Repeat && !c.inWindow(p, ways.Window) {
		p.sendAnew()
		return nil
	}
	p.sent = true
	receipts, err := c.sender.Send(ctx, connectors.Message{Changes: p.Carries, Bytes: p.Bytes, Text: p.Text})
	err = c.hiddenError(p.items, err)
	if len(receipts) != len(p.Changes) {
		receipts = make([]connectors.Receipt, len(p.Changes))
		for i := range receipts {
			receipts[i].Status = connectors.Unknown
		}
		err = errors.Join(err, fmt.Errorf("%s gave other receipts than changes it was sent", c.summary.To))
	}
	if failure := c.takenForFailure(p.items, receipts); failure != nil {
		err = errors.Join(err, failure)
	}
	for i := range receipts {
		c.receive(p, i, &receipts[i])
	}
	if p.answered() {
		return err
	}
	if err == nil && p.noes != nil { // it is well, and what it says settles nothing
		if err = c.engine.MayAsk(c.flow.To.Connector); err == nil { // another message may have heard otherwise
			err = c.settleUnknown(ctx, p)
		}
		if err != nil || p.answered() {
			return err
		}
	}
	if err == nil {
		err = fmt.Errorf("%s did not say what became of all it was sent", c.summary.To)
	}
	if p.unknown && ways.Unsettled() {
		c.doubtOf(p, receipts, err)
		return &settledError{err}
	}
	return err
}

// doubtOf leaves to a person what nothing settles. What was not tried is sent anew.
func (c *courier) doubtOf(p *parcel, receipts []connectors.Receipt, why error) {
	for i := range p.Changes {
		if p.Changes[i].Answer == nil && receipts[i].Status == connectors.Untried && p.Attempts == 1 {
			p.Changes[i].Answer = &Answer{Status: connectors.Untried}
		}
	}
	c.doubt(p, lostAnswer, why)
}

// receive takes the answer to one change of a parcel. One that has its answer keeps
// it, and a "no" behind an unknown answer is none (R7).
func (c *courier) receive(p *parcel, i int, receipt *connectors.Receipt) {
	change := &p.Changes[i]
	if change.Answer != nil {
		return
	}
	switch receipt.Status {
	case connectors.Applied, connectors.Same:
		status := receipt.Status
		if p.repeated {
			status = connectors.Applied // what is so already, an attempt before has made so
		}
		change.Answer = &Answer{Status: status, ID: c.destinationID(receipt.Row)}
	case connectors.Refused:
		no := &Answer{Status: connectors.Refused, Code: receipt.Code, Words: c.hidden(p.items[i], receipt.Words)}
		if p.repeated && !c.isProof(p, receipt) {
			p.doubtNo(i, no)
			p.lost(c.now())
			return
		}
		change.Answer = no
	case connectors.Unknown:
		p.lost(c.now())
	}
}

// takeAnswers gives the items of a parcel their answers.
func (c *courier) takeAnswers(p *parcel) {
	for i, it := range p.items {
		it.sent, it.sentAs, it.resent = p.SendIntent, i, p.sent
		c.take(it, p.Changes[i].Answer)
	}
}

// settledError is a failure after which nothing is left to be asked: it says how the
// system does, and nothing of a record.
type settledError struct{ error }

// Unwrap returns the failure.
func (e *settledError) Unwrap() error { return e.error }
