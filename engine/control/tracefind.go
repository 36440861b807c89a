package control

import (
	"context"
	"errors"
	"slices"

	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/rules"
)

// found is a record that a name may mean, and what the name is of it.
type found struct {
	key record.Key
	by  []string
}

// byName finds the records whose key or id a name is. That of a key may be known to nobody.
func (t *tracer) byName(_ context.Context, name string) ([]found, error) {
	all, err := t.byID(name)
	if err != nil {
		return nil, err
	}
	if key, err := engine.ParseKey(t.entity, name); err == nil {
		all = merge(all, found{key, []string{"key"}})
	}
	return all, nil
}

// merge adds a record, or what else the name is of one that is there.
func merge(all []found, f found) []found {
	for i := range all {
		if all[i].key == f.key {
			all[i].by = append(all[i].by, f.by...)
			return all
		}
	}
	return append(all, f)
}

// byID finds the records to which a resource gave an id.
func (t *tracer) byID(name string) ([]found, error) {
	var all []found
	for _, r := range t.resources() {
		resource := resourceName(r)
		key, known, err := t.service.State.KeyOf(resource, record.StringValue(name))
		if err != nil {
			return nil, err
		}
		if known {
			all = merge(all, found{key, []string{"id in " + resource}})
		}
	}
	return all, nil
}

// tracePage is how many entries are looked at at a time.
const tracePage = 1000

// byReference finds the records whose reference in the destination of a flow is
// name: it can only be found by making the reference of every record.
func (t *tracer) byReference(ctx context.Context, name string) (all []found, err error) {
	for i := range t.flows {
		names, err := t.namer(i)
		if err != nil {
			return nil, err
		}
		if !names.any() {
			continue
		}
		key, err := named(ctx, t.ledgers[i], names, name)
		if err != nil {
			return nil, err
		}
		if key != "" {
			all = merge(all, found{key, []string{"reference of flow " + t.flows[i].Name}})
		}
	}
	return all, nil
}

// named walks a ledger for the record whose reference is name; "" when there is none.
func named(ctx context.Context, l engine.Ledger, names *namer, name string) (record.Key, error) {
	for after := engine.LedgerKey(""); ; {
		page, err := l.Entries(after, tracePage)
		if err != nil {
			return "", err
		}
		for _, e := range page {
			if key, keyed := engine.RecordKey(e.Key); keyed && names.of(key) == name {
				return key, nil
			}
			after = e.Key
		}
		if len(page) < tracePage || ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}

// namer makes the references of one flow.
type namer struct {
	worker *rules.Worker
	entity *rules.Entity
	first  string
}

func (t *tracer) namer(i int) (*namer, error) {
	h, err := t.ledgers[i].Header()
	if err != nil {
		return nil, err
	}
	n := &namer{worker: rules.NewWorker(t.flows[i]), entity: t.entity, first: h.First}
	if n.first == "" {
		n.first = t.flows[i].FirstName()
	}
	return n, nil
}

// any reports whether the destination keeps references.
func (n *namer) any() bool { return n.worker.KeepsReference() }

// of returns the reference of the record with a key, or "".
func (n *namer) of(key record.Key) string {
	if !n.any() {
		return ""
	}
	parts, err := record.DecodeKey(key, n.entity.KeyKinds())
	if err != nil {
		return ""
	}
	r := make(record.Record, len(n.entity.Schema.Fields))
	for k, field := range n.entity.Schema.Key {
		r[field] = parts[k]
	}
	return n.worker.Reference(r, rules.Reference(n.first, key))
}

// exceptions returns what the exception log says of a record.
func (t *tracer) exceptions(r *TracedRecord) ([]engine.Exception, error) {
	all := []engine.Exception{}
	var open []string
	for _, f := range r.Flows {
		if f.Waiting != nil {
			open = append(open, f.Waiting.Exception)
		}
	}
	hidden := slices.ContainsFunc(t.entity.Schema.Key, t.hides) // its text says nothing of which record it is
	for x, err := range exceptions.Read(t.service.Exceptions) {
		if _, line := errors.AsType[*exceptions.LineError](err); line {
			continue // `verify` tells of damage
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(open, x.ID) || !hidden && x.Entity == t.entity.Name && x.Key == r.Key {
			all = append(all, x)
		}
	}
	return all, nil
}
