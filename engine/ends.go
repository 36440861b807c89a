package engine

import (
	"context"
	"slices"

	"headgate/engine/record"
)

// learnEnds looks up what the last process was about to write of records whose newer
// versions are not delivered: stopped, refused, or not wanted. An intent found open is
// an unknown answer, and resolved before anything else of its key (R5): else what was
// written would be taken for a foreign change, and a record that was created for none.
func (d *decider) learnEnds(ctx context.Context, b *batch, asked []int32) error {
	if len(d.intents) == 0 || d.finder == nil || d.observer != nil {
		return nil
	}
	for _, i := range asked {
		it := &b.items[i]
		if _, open := d.intents[it.key]; open && it.current != nil { // also where more is sent: it may be refused
			d.learn(it, it.current, it.values)
		}
	}
	ends, looked := d.unknownEnds(b)
	if len(ends) == 0 {
		return nil
	}
	for i := range looked.items {
		if err := d.nameGone(&looked.items[i]); err != nil {
			return err
		}
	}
	looked.sortItems()
	if d.matches() { // one without a link is matched by what it holds: none of that is known
		looked.order = slices.DeleteFunc(looked.order, func(i int32) bool { return looked.items[i].toID.Missing() })
	}
	if err := d.ask(ctx, looked, looked.order); err != nil {
		return err
	}
	for i, it := range ends {
		d.looked[it.key] = true
		if found := &looked.items[i]; found.current != nil && !found.stopped() {
			if d.learn(it, found.current, found.current); it.toID.Missing() {
				it.toID = found.toID
			}
		}
	}
	return nil
}

// unknownEnds are the first items of such records that were not asked for, and what
// they are asked for by.
func (d *decider) unknownEnds(b *batch) (ends []*item, looked *batch) {
	looked = &batch{}
	b.group(func(items []int32) {
		it := &b.items[items[0]]
		if it.key[0] != keyedSpace || !d.unknownEnd(it) {
			return
		}
		ends = append(ends, it)
		looked.items = append(looked.items, item{
			key: it.key, entry: it.entry, link: it.link, toID: it.toID,
			record: make(record.Record, len(d.flow.From.Entity.Schema.Fields)), values: make([]record.Value, len(d.own.Columns)),
		})
	})
	return ends, looked
}

// learn makes the entry say what the destination has now, where that is what was about
// to be written. It is told by all values together: those of columns that were to be
// left as they were are those of the newer version, or else what is there.
func (d *decider) learn(it *item, current, values []record.Value) {
	for _, values := range [][]record.Value{values, current} {
		there := item{key: it.key, current: current, values: values}
		if !d.intended(&there) {
			continue
		}
		there.values = slices.Clone(current)
		for c, v := range values {
			if v.IsAbsent() || v.IsNull() && d.own.KeepOnNull[c] {
				there.values[c] = v
			}
		}
		d.judge.digestItem(&there, make([]record.Hash, 0, len(d.own.Columns)))
		if !it.entry.Delivered {
			it.entry.Outcome = Created
		}
		d.hasNow(&it.entry, &there)
		it.learned = true
		return
	}
}
