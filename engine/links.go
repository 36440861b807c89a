package engine

import (
	"context"
	"fmt"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// link is what the state knows of the ids of one record in the two resources of a
// flow. It is shared by all flows of the entity.
type link struct {
	name     record.Key   // of the record, under which its ids are kept
	from, to record.Value // the ids known before this batch; absent: none
}

// keepsIDs reports whether the flow sees ids that are kept.
func (r *run) keepsIDs() bool { return r.flow.From.ID != nil || r.flow.To.ID != nil }

// knowIDs fills the links of a batch and, where the destination has the record
// already, its id there.
func (r *run) knowIDs(b *batch) error {
	if !r.keepsIDs() || len(b.items) == 0 {
		return nil
	}
	b.links = make([]link, len(b.items))
	names := make([]record.Key, len(b.items))
	for i := range b.items {
		it := &b.items[i]
		if it.key == "" || it.key[0] != keyedSpace {
			continue
		}
		it.link = &b.links[i]
		names[i] = it.key[1:]
		it.link.name = names[i]
	}
	if r.matches() {
		if err := r.nameMatched(b, names); err != nil {
			return err
		}
	}
	ids := make([]record.Value, len(names))
	for _, side := range []struct {
		resource *rules.Resource
		known    func(*link) *record.Value
	}{
		{r.flow.From, func(l *link) *record.Value { return &l.from }},
		{r.flow.To, func(l *link) *record.Value { return &l.to }},
	} {
		if side.resource.ID == nil {
			continue
		}
		if err := r.engine.State.IDs(resourceName(side.resource), names, ids); err != nil {
			return fmt.Errorf("look up ids of %s: %w", resourceName(side.resource), err)
		}
		for i := range ids {
			*side.known(&b.links[i]) = ids[i]
		}
	}
	for i := range b.items {
		b.items[i].toID = b.links[i].to
	}
	return nil
}

// reference is headgate's name of the record, or "" where nothing carries it.
func (r *run) reference(it *item) string {
	if !r.own.NeedsName || it.key == "" || it.key[0] != keyedSpace {
		return ""
	}
	return rules.Reference(r.first, it.key[1:])
}

// keepIDs keeps the ids that were seen of a record, whatever became of it.
func (d *deliverer) keepIDs(it *item, s *Settlement) {
	if it.link == nil {
		return
	}
	if !it.id.Missing() && !it.id.Equal(it.link.from) {
		s.FromIDs = append(s.FromIDs, Identifier{it.link.name, it.id})
	}
	forgotten := it.outcome == Created && it.toID.Missing() && !it.link.to.Missing()
	if forgotten || !it.toID.Missing() && !it.toID.Equal(it.link.to) {
		s.ToIDs = append(s.ToIDs, Identifier{it.link.name, it.toID})
	}
}

// withIDs makes the columns anew that use the id of a record which the destination
// was found to have under another id than was known.
func (d *decider) withIDs(ctx context.Context, b *batch, ask []int32) error {
	if !d.own.NeedsID {
		return nil
	}
	var anew []*item
	for _, i := range ask {
		if it := &b.items[i]; !it.decided && !it.stopped() && !it.toID.Equal(it.link.to) {
			anew = append(anew, it)
		}
	}
	return d.judge.rewrite(ctx, anew)
}

// rewrite makes the columns of judged items again, now that their ids are known.
func (j *judge) rewrite(ctx context.Context, items []*item) error {
	now := j.now()
	for round := 0; len(items) > 0; round++ {
		var lacking []*item
		for _, it := range items {
			values, verdict := j.worker.Write(it.values[:0], it.record, it.toID, j.run.reference(it), j.facts, now)
			switch {
			case verdict.Lacking && round < factRounds:
				lacking = append(lacking, it)
			case verdict.Lacking:
				it.verdict = rejected(record.Reason{Stage: record.StageRule, Code: "unevaluable", Message: "a lookup gave no answer"})
			case verdict.Severity >= rules.Hold:
				it.verdict = verdict
			default:
				it.values = values
				j.digestItem(it, it.hashes[:0])
			}
		}
		if items = lacking; len(items) > 0 {
			if err := j.facts.Fetch(ctx); err != nil {
				return &SystemError{Flow: j.flow.Name, System: "a lookup", Attempts: 1, Err: err}
			}
		}
	}
	return nil
}

// complete gives records that were just created the columns that use the id which
// the destination gave them. A crash before leaves those columns empty: the record
// is looked up and compared again, and what is empty of them is then filled.
func (d *deliverer) complete(ctx context.Context, changes []*item) error {
	if !d.own.NeedsID {
		return nil
	}
	var created []*item
	for _, it := range changes {
		if it.outcome == Created && !it.toID.Missing() {
			created = append(created, it)
		}
	}
	if err := d.judge.rewrite(ctx, created); err != nil {
		return err
	}
	var updates []*item
	for _, it := range created {
		it.send = make([]record.Value, len(d.own.Writes))
		for c, w := range d.own.Writes {
			if w.ID {
				it.send[c] = it.values[c]
			}
		}
		it.op = connectors.Update
		updates = append(updates, it)
	}
	if len(updates) == 0 {
		return nil
	}
	err := d.apply(ctx, updates)
	for _, it := range updates {
		if it.outcome == Updated || it.outcome == Unchanged {
			it.outcome = Created
		}
	}
	return err
}

// fillsID reports whether the column uses the id, is nobody's, and is still empty in
// the destination.
func (d *decider) fillsID(c int, it *item) bool {
	w := d.own.Writes[c]
	return w.ID && w.Owner == nil && it.current[c].Missing() && !it.values[c].Missing()
}
