package http

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// many is how several changes go into one request.
type many struct {
	items         string // where the changes stand in the body
	before, after string // around them
	limit         int
	answer        string // where their answers stand
	ok            connectors.Logic
}

// newMany puts changes under a path of the body, or makes the body an array of them.
func newMany(b *Many) (*many, error) {
	m := &many{items: b.Items, before: "[", after: "]", limit: b.Limit, answer: b.Answer, ok: b.OK}
	if m.limit == 0 {
		m.limit = defaultMany
	}
	if b.Items == "" {
		return m, nil
	}
	w, err := document.NewWriter([]record.Column{{Name: b.Items, Kind: record.List}})
	if err != nil {
		return nil, err
	}
	empty, _ := w.Append(nil, record.Row{record.ListValue(nil)})
	before, after, _ := strings.Cut(string(empty), "[]")
	m.before, m.after = before+"[", "]"+after
	return m, nil
}

func (m *many) wrap(items []byte) []byte {
	return slices.Concat([]byte(m.before), items, []byte(m.after))
}

// readMany maps the answers of an array to the changes. A change that has none is
// unknown, and so is one whose answer cannot be read.
func (d *destination) readMany(e *effect, m *message, a *answer) ([]connectors.Receipt, error) {
	receipts := all(connectors.Unknown, m.changes)
	shape := func(err error) error { return d.failed(connectors.Unclear, m.op.String(), "shape", err) }
	if e.many == nil {
		return receipts, shape(errors.New("the resource does not say any more how to read the answer to several changes"))
	}
	array, ok, err := document.At(a.body, e.many.answer)
	if err == nil && !ok {
		err = fmt.Errorf("the answer has no %q", e.many.answer)
	}
	if err != nil {
		return receipts, shape(err)
	}
	items, err := document.Elements(array)
	if err != nil {
		return receipts, shape(err)
	}
	var first error
	for i, at := range d.mapped(e, m, items) {
		if at < 0 {
			err = shape(fmt.Errorf("there are %d answers to %d changes, and none that is told to be of number %d", len(items), m.changes, i+1))
		} else if receipts[i], err = d.judgeItem(e, m.op, a.item(items[at])); err == nil && receipts[i].Status == connectors.Applied {
			receipts[i].Row, err = d.returned(items[at], e.answer)
		}
		if first == nil {
			first = err
		}
	}
	return receipts, first
}

// mapped says which of the answers is that to each change; -1: none is known to be. An
// answer that shows the reference, the key or the id of a record is that to its change.
// One that shows none is that to the change in its place, as long as there are as many
// answers as changes, and none shows that they stand otherwise.
func (d *destination) mapped(e *effect, m *message, items []string) []int {
	places := slices.Repeat([]int{-1}, m.changes)
	moved := len(items) != m.changes
	var changes map[string]int // read only where an answer shows a name at all
	for at, item := range items {
		names := d.namesOfAnswer(item, e.answer)
		if len(names) > 0 && changes == nil {
			changes = d.changesByName(e, m)
		}
		named := slices.IndexFunc(names, func(name string) bool { _, ok := changes[name]; return ok })
		if named < 0 {
			continue
		}
		i := changes[names[named]]
		if places[i] >= 0 {
			return slices.Repeat([]int{-1}, m.changes) // two answers to one change: none of them can be trusted
		}
		places[i] = at
		moved = moved || i != at
	}
	for i := range places {
		if !moved && places[i] < 0 {
			places[i] = i
		}
	}
	return places
}

// changesByName are the changes that a message carries by the names of their records.
func (d *destination) changesByName(e *effect, m *message) map[string]int {
	all := make(map[string]int, m.changes)
	array, ok, err := document.At(string(m.body), e.many.items)
	if err != nil || !ok {
		return all // it was made when the ruleset said otherwise
	}
	items, err := document.Elements(array)
	if err != nil || len(items) != m.changes {
		return all
	}
	for i, item := range items {
		for _, name := range d.namesShown(item) {
			all[name] = i
		}
	}
	return all
}

// namesOfAnswer are the names that an answer shows: of the record that stands in it, and
// of what stands in the answer itself.
func (d *destination) namesOfAnswer(item, place string) []string {
	object, _, _ := document.At(item, place)
	names := d.namesShown(object)
	if place != "" {
		names = append(names, d.namesShown(item)...)
	}
	return names
}

// namesShown are what a record shows that no other one has: its reference, its key,
// its id.
func (d *destination) namesShown(object string) (names []string) {
	if !strings.HasPrefix(object, "{") {
		return nil
	}
	row := make(record.Row, len(d.naming.columns))
	if err := d.naming.reader.Read(object, row); err != nil {
		return nil
	}
	d.naming.convert(row, d.resource.Zone)
	for kind, at := range d.unique {
		name := strconv.Itoa(kind)
		for _, i := range at {
			if row[i].Missing() {
				name = ""
				break
			}
			name += "\x00" + row[i].Text()
		}
		if name != "" && len(at) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// prepareNaming arranges what is read of the names of records.
func (d *destination) prepareNaming() {
	var columns []record.Column
	add := func(names ...string) (at []int) {
		for _, name := range names {
			is := func(c record.Column) bool { return c.Name == name }
			i := slices.IndexFunc(columns, is)
			if i < 0 {
				column := record.Column{Name: name, Kind: record.Unknown}
				if written := slices.IndexFunc(d.columns, is); written >= 0 {
					column.Kind = d.columns[written].Kind
				}
				i, columns = len(columns), append(columns, column)
			}
			at = append(at, i)
		}
		return at
	}
	if d.resource.Reference != "" {
		d.unique = append(d.unique, add(d.resource.Reference))
	}
	d.unique = append(d.unique, add(d.resource.WriteKey...))
	if d.id >= 0 {
		d.unique = append(d.unique, add(d.resource.Returning...))
	}
	d.naming = newColumns(columns)
}

// judgeItem says what the answer to one of several changes means. Here a no stands
// among the answers of a request that was understood: it is one.
func (d *destination) judgeItem(e *effect, op connectors.Op, a *answer) (connectors.Receipt, error) {
	done, err := a.done(e.many.ok)
	switch {
	case err == nil && done:
		return connectors.Receipt{Status: connectors.Applied}, nil
	case !a.positive():
		return d.negative(op, a)
	case err == nil:
		return refused(strconv.Itoa(a.status), a.words()), nil
	}
	return connectors.Receipt{Status: connectors.Unknown}, d.failed(connectors.Unclear, op.String(), "shape", err)
}
