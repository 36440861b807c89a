package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// The bounds of what lookups keep in memory.
const (
	maxAnswers = 100_000 // answers one lookup keeps before it forgets them all
	maxCopy    = 200_000 // records of a source that cannot be asked by key
	copyPage   = 1000
)

// facts answers what lookups ask, from what was fetched. A key that is not known
// yet is noted; Fetch then asks for all that were noted, once a batch. It belongs
// to one goroutine.
type facts struct {
	run     *run
	lookups map[string]*answers
}

// answers is what one lookup knows.
type answers struct {
	lookup *rules.Lookup
	mapper *rules.Mapper
	source connectors.Source
	getter connectors.Getter // nil: the source is copied
	known  map[record.Key][]answer
	since  time.Time
	copied bool
	asked  map[record.Key][]record.Value
	keys   []int // the fields of the key, without the date of valid
}

type answer struct {
	record record.Record
	id     record.Value
}

func (r *run) newFacts() *facts {
	f := &facts{run: r, lookups: make(map[string]*answers)}
	for _, l := range r.flow.Lookups {
		f.lookups[l.Name] = &answers{lookup: l, known: make(map[record.Key][]answer), asked: make(map[record.Key][]record.Value), keys: l.Key}
	}
	return f
}

// Lookup implements expression.Facts.
func (f *facts) Lookup(name string, args []record.Value) (record.Record, record.Value, bool, error) {
	a := f.lookups[name]
	if a == nil {
		return nil, record.Value{}, false, &expression.RunError{Message: "lookup " + name + " is not one of this flow"}
	}
	if err := a.prepare(f); err != nil {
		return nil, record.Value{}, false, err
	}
	key, err := encodeAll(args[:len(a.keys)])
	if err != nil {
		return nil, record.Value{}, false, nil // what cannot be a key is the key of nothing
	}
	found, known := a.known[key]
	if !known && !a.complete() {
		a.asked[key] = slices.Clone(args[:len(a.keys)])
		return nil, record.Value{}, false, expression.ErrLacking
	}
	if len(args) > len(a.keys) {
		found = a.valid(found, args[len(a.keys)])
	}
	switch len(found) {
	case 0:
		return nil, record.Value{}, false, nil
	case 1:
		return found[0].record, found[0].id, true, nil
	}
	return nil, record.Value{}, false, &expression.RunError{Message: fmt.Sprintf("lookup %s has %d records for one key", name, len(found))}
}

func encodeAll(values []record.Value) (record.Key, error) {
	var key []byte
	var err error
	for _, v := range values {
		if key, err = record.AppendKey(key, v); err != nil {
			return "", err
		}
	}
	return record.Key(key), nil
}

// complete reports whether everything there is is known.
func (a *answers) complete() bool { return a.lookup.From == nil || a.copied }

// prepare forgets what is too old, and files literal values.
func (a *answers) prepare(f *facts) error {
	now := f.run.now()
	if a.lookup.From == nil {
		if a.since.IsZero() {
			a.since = now
			for _, r := range a.lookup.Values {
				a.file(answer{record: r})
			}
		}
		return nil
	}
	if now.Sub(a.since) > a.lookup.Age() || len(a.known) > maxAnswers && a.getter != nil {
		a.since, a.copied = now, false
		clear(a.known)
	}
	return nil
}

func (a *answers) file(found answer) {
	if key, err := record.EncodeKey(found.record, a.keys); err == nil {
		a.known[key] = append(a.known[key], found)
	}
}

// valid keeps the answers whose days hold the date: both ends count, null is open.
func (a *answers) valid(found []answer, date record.Value) []answer {
	var kept []answer
	for _, x := range found {
		if covers(x.record, a.lookup.Valid, date) {
			kept = append(kept, x)
		}
	}
	return kept
}

func covers(r record.Record, valid [2]int, date record.Value) bool {
	for side, field := range valid {
		if field < 0 || r[field].Missing() {
			continue
		}
		order, err := date.Compare(r[field])
		if err != nil || side == 0 && order < 0 || side == 1 && order > 0 {
			return false
		}
	}
	return true
}

// Fetch finds everything that was noted: by key where the resource can be asked,
// else by copying it whole once.
func (f *facts) Fetch(ctx context.Context) error {
	for _, a := range f.lookups {
		if len(a.asked) == 0 {
			continue
		}
		if err := f.open(a); err != nil {
			return fmt.Errorf("lookup %s: %w", a.lookup.Name, err)
		}
		fetch := func() error {
			if a.getter != nil {
				return f.get(ctx, a)
			}
			return f.copy(ctx, a)
		}
		if err := f.run.retry(ctx, a.lookup.From, fetch); err != nil {
			return fmt.Errorf("lookup %s: %w", a.lookup.Name, err)
		}
		clear(a.asked)
	}
	return nil
}

func (f *facts) open(a *answers) error {
	if a.source != nil {
		return nil
	}
	from := a.lookup.From
	connector, err := f.run.engine.connector(f.run.of, from.Connector)
	if err != nil {
		return err
	}
	if a.source, err = connector.Source(sourceResource(from)); err != nil {
		return err
	}
	a.mapper = rules.NewMapper(from)
	if columns := keyColumns(a); columns != nil {
		a.getter = connectors.GetterBy(a.source, columns)
	}
	return nil
}

// keyColumns are the columns that hold the lookup's key, nil where an expression
// makes one: then the system cannot be asked by it.
func keyColumns(a *answers) []string {
	from := a.lookup.From
	var columns []string
	for _, f := range a.keys {
		reading := from.Read[f]
		if reading.Program != nil || reading.Column < 0 {
			return nil
		}
		columns = append(columns, from.Columns.Names[reading.Column])
	}
	return columns
}

func (f *facts) get(ctx context.Context, a *answers) error {
	keys := make([][]record.Value, 0, len(a.asked))
	names := make([]record.Key, 0, len(a.asked))
	for key, values := range a.asked {
		names, keys = append(names, key), append(keys, values)
	}
	got, err := a.getter.Get(ctx, keyColumns(a), keys)
	if err != nil {
		return hideIn(err, sensitiveKeys(a.lookup.Schema, a.keys, keys))
	}
	for _, key := range names {
		a.known[key] = nil
	}
	for _, g := range got {
		a.known[names[g.At]] = append(a.known[names[g.At]], f.answer(a, g.Row))
	}
	return nil
}

func (f *facts) answer(a *answers, row record.Row) answer {
	r, _ := a.mapper.Map(nil, row, f.run.now())
	return answer{record: r, id: a.mapper.ID(row)}
}

func (f *facts) copy(ctx context.Context, a *answers) error {
	clear(a.known)
	count := 0
	for part, err := range a.source.Parts(ctx) {
		if err != nil {
			return err
		}
		for position := record.Position(""); ; {
			page, err := a.source.Read(ctx, part, position, copyPage)
			if err != nil {
				return err
			}
			for i := range page.Len() {
				if row, broken := page.Row(i); broken == nil {
					a.file(f.answer(a, row))
				}
			}
			if count += page.Len(); count > maxCopy {
				return &connectors.Error{Class: connectors.Broken, Op: "copy " + resourceName(a.lookup.From), Hint: "give the lookup a resource that can be asked by key", Err: fmt.Errorf("more than %d records", maxCopy)}
			}
			if position = page.EndPosition(); page.End() {
				break
			}
		}
	}
	a.copied = true
	return nil
}
