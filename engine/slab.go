package engine

import (
	"sync"

	"headgate/engine/record"
)

// slabs keeps the slices that batches put their values in: a batch gives its slabs
// back when it is settled, so that memory is bounded by the batches in flight.
var slabs sync.Pool

// takeSlab returns a slab of n values that may hold anything.
func takeSlab(n int) []record.Value {
	if s, ok := slabs.Get().(*[]record.Value); ok && cap(*s) >= n {
		return (*s)[:n]
	}
	return make([]record.Value, n)
}

// release gives the slabs of a settled batch back. What they refer to is let go.
func (b *batch) release() {
	for _, s := range [][]record.Value{b.records, b.values, b.sends} {
		if cap(s) > 0 {
			clear(s)
			slabs.Put(&s)
		}
	}
	b.records, b.values, b.sends, b.items, b.page = nil, nil, nil, nil, nil
}
