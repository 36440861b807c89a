package engine

import (
	"slices"
	"sync"
)

// inflight are the batches that were decided and are not settled yet. A batch
// that shares a key with one of them waits: versions of one record are applied in
// order (promise 8), and it is compared with what was settled.
type inflight struct {
	mu      sync.Mutex
	changed sync.Cond
	batches []*batch
	closed  bool
}

func newInflight() *inflight {
	f := &inflight{}
	f.changed.L = &f.mu
	return f
}

// enter waits until no batch in flight shares a key with b, then adds b. It
// reports false when the run is over.
func (f *inflight) enter(b *batch) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.closed && slices.ContainsFunc(f.batches, func(other *batch) bool { return keysOverlap(b, other) }) {
		f.changed.Wait()
	}
	f.batches = append(f.batches, b)
	return !f.closed
}

// leave removes b, which is settled.
func (f *inflight) leave(b *batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = slices.DeleteFunc(f.batches, func(other *batch) bool { return other == b })
	f.changed.Broadcast()
}

// close wakes whoever waits: nothing will be settled any more.
func (f *inflight) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
}
