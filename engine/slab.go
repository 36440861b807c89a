package engine

import (
	"sync"

	"headgate/connectors"
	"headgate/engine/record"
)

// slabs keeps slices that batches work in: a batch gives its own back when it is
// settled, so that memory is bounded by the batches in flight and none of it is
// asked of the system twice.
type slabs[T any] struct{ pool sync.Pool }

var (
	valueSlabs slabs[record.Value]
	itemSlabs  slabs[item]
	orderSlabs slabs[int32]
)

// take returns a slab of n elements, all zero.
func (s *slabs[T]) take(n int) []T {
	if slab, ok := s.pool.Get().(*[]T); ok && cap(*slab) >= n {
		return (*slab)[:n]
	}
	return make([]T, n)
}

// put takes a slab back. What it refers to is let go.
func (s *slabs[T]) put(slab []T) {
	if slab = slab[:cap(slab)]; len(slab) > 0 {
		clear(slab)
		s.pool.Put(&slab)
	}
}

// release gives the memory of a settled batch back.
func (b *batch) release() {
	valueSlabs.put(b.records)
	valueSlabs.put(b.values)
	valueSlabs.put(b.sends)
	itemSlabs.put(b.items)
	orderSlabs.put(b.order)
	if page, ok := b.page.(connectors.Releaser); ok {
		page.Release()
	}
	b.records, b.values, b.sends, b.items, b.order, b.changes, b.page = nil, nil, nil, nil, nil, nil, nil
}
