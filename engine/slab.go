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
	hashSlabs  slabs[record.Hash]
	itemSlabs  slabs[item]
	orderSlabs slabs[int32]
	entrySlabs slabs[KeyEntry]
)

// take returns a slab of n elements that may hold anything; none is no slab.
func (s *slabs[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	if slab, ok := s.pool.Get().(*[]T); ok && cap(*slab) >= n {
		return (*slab)[:n]
	}
	return make([]T, n)
}

// zeroed returns a slab of n elements, all zero.
func (s *slabs[T]) zeroed(n int) []T {
	slab := s.take(n)
	clear(slab)
	return slab
}

// put takes a slab back. The text its values point to stays until it is used again:
// it is that of as many batches as there are slabs.
func (s *slabs[T]) put(slab []T) {
	if cap(slab) > 0 {
		s.pool.Put(&slab)
	}
}

// release gives the memory of a settled batch back.
func (s *settling) release() {
	entrySlabs.put(s.settlement.Entries)
	s.batch.release()
}

func (b *batch) release() {
	valueSlabs.put(b.records)
	valueSlabs.put(b.values)
	valueSlabs.put(b.sends)
	hashSlabs.put(b.hashes)
	itemSlabs.put(b.items)
	orderSlabs.put(b.order)
	if page, ok := b.page.(connectors.Releaser); ok {
		page.Release()
	}
	*b = batch{}
}
