package engine

import (
	"slices"
	"sync"
)

// inflight are the batches of all flows that were decided and are not settled yet. A
// batch that shares a key of one resource with another of them waits: versions of one
// record are applied in order (promise 8), and it is compared with what was settled,
// whichever flow wrote it (R9). Flows that match records do not know the key before
// they have found it: they have both resources to themselves.
type inflight struct {
	mu      sync.Mutex
	changed sync.Cond
	batches []held
}

// held is a batch in flight, and whose it is.
type held struct {
	*batch
	lane *lane
}

// lane is one run's way through what is in flight.
type lane struct {
	inflight *inflight
	from, to string // the resources
	alone    bool   // no other batch of either resource may be in flight
	closed   bool
}

func newInflight() *inflight {
	f := &inflight{}
	f.changed.L = &f.mu
	return f
}

// enter waits until no batch in flight stands in the way of b, then adds b. It
// reports false when the run is over.
func (l *lane) enter(b *batch) bool {
	f := l.inflight
	f.mu.Lock()
	defer f.mu.Unlock()
	for !l.closed && slices.ContainsFunc(f.batches, func(other held) bool { return l.awaits(b, other) }) {
		f.changed.Wait()
	}
	if !l.closed {
		f.batches = append(f.batches, held{b, l})
	}
	return !l.closed
}

func (l *lane) awaits(b *batch, other held) bool {
	if l.alone || other.lane.alone {
		return l.to == other.lane.to || l.to == other.lane.from || l.from == other.lane.to || l.from == other.lane.from
	}
	return l.to == other.lane.to && keysOverlap(b, other.batch)
}

// change lets the items of a batch that entered be changed until the returned func is
// called: other runs look at its keys.
func (l *lane) change() (done func()) {
	f := l.inflight
	f.mu.Lock()
	return func() {
		f.changed.Broadcast() // it may stand in nobody's way any more
		f.mu.Unlock()
	}
}

// leave removes b, which is settled.
func (l *lane) leave(b *batch) {
	f := l.inflight
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = slices.DeleteFunc(f.batches, func(other held) bool { return other.batch == b })
	f.changed.Broadcast()
}

// close removes what the run leaves behind and wakes whoever waits.
func (l *lane) close() {
	f := l.inflight
	f.mu.Lock()
	defer f.mu.Unlock()
	l.closed = true
	f.batches = slices.DeleteFunc(f.batches, func(other held) bool { return other.lane == l })
	f.changed.Broadcast()
}
