package engine

import (
	"slices"

	"github.com/zeebo/xxh3"

	"headgate/engine/record"
	"headgate/rules"
)

// updatedColumns are the names of the columns an update may write, in their order.
func updatedColumns(own *rules.Ownership) (names []string) {
	for i, c := range own.Columns {
		if own.Update[i] {
			names = append(names, c.Name)
		}
	}
	return names
}

// shapeOf digests the names of the columns an update may write.
func shapeOf(own *rules.Ownership) record.Hash {
	var names []byte
	for _, name := range updatedColumns(own) {
		names = append(append(names, name...), 0)
	}
	return record.Hash(xxh3.Hash(names))
}

// knowShapes notes which columns the flow writes, where records are only added: a record
// that was added when the flow wrote others is compared by those that it wrote then.
func (r *run) knowShapes() {
	if !r.appendOnly {
		return
	}
	now := updatedColumns(r.own)
	if !slices.ContainsFunc(r.header.Shapes, func(s Shape) bool { return s.Shape == r.shape }) {
		r.header.Shapes = append(slices.Clone(r.header.Shapes), Shape{r.shape, now}) // the header of before may be shared
	}
	r.shapes = make(map[record.Hash][]int, len(r.header.Shapes))
	for _, s := range r.header.Shapes {
		at := make([]int, len(now))
		for k, name := range now {
			at[k] = slices.Index(s.Columns, name)
		}
		r.shapes[s.Shape] = at
	}
}

// sameThen reports whether a record has what it had when it was delivered, in the columns
// that were written then and are now: that there are others is no change of it, nor is a
// null that an update would leave.
func (r *run) sameThen(e *Entry, it *item) bool {
	at, ok := r.shapes[e.Shape]
	if !ok {
		return e.Stopped.IsZero()
	}
	k, otherwise := -1, e.Shape != r.shape // what else than a change the fingerprint may differ for
	for c, update := range r.own.Update {
		if !update {
			continue
		}
		k++
		then := at[k]
		if then < 0 || then >= len(e.Hashes) || e.Hashes[then] == it.hashes[k] {
			continue
		}
		if !it.values[c].IsNull() || !r.own.KeepOnNull[c] {
			return false
		}
		otherwise = true
	}
	return otherwise
}
