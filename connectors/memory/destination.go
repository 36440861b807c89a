package memory

import (
	"context"
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
)

type destination struct {
	*connector
	resource connectors.Resource
}

// finder is a destination whose rows can be found.
type finder struct{ destination }

// Place names the store and the table.
func (d *destination) Place() (string, error) { return d.place(d.resource), nil }

// Apply applies the changes one by one, under one lock.
func (d *destination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	if err := ctx.Err(); err != nil {
		return receipts, err
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	w, err := d.writer("write")
	if err != nil {
		return receipts, err
	}
	for i, change := range lot.Changes {
		receipts[i] = w.apply(change)
	}
	return receipts, nil
}

// Find returns the rows under the keys, in the order of the keys.
func (f *finder) Find(ctx context.Context, q connectors.Query) ([]connectors.Found, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	w, err := f.writer("find in")
	if err != nil {
		return nil, err
	}
	read, err := w.table.positions("find in "+w.table.name, columnNames(f.resource.Read))
	if err != nil {
		return nil, err
	}
	var found []connectors.Found
	index := w.index()
	if q.Columns != nil {
		at, err := w.table.positions("find in "+w.table.name, q.Columns)
		if err != nil {
			return nil, err
		}
		index = w.table.index(at)
	}
	for k, key := range q.Keys {
		for _, at := range index[keyText(key)] {
			row := w.table.rows[at].values
			found = append(found, connectors.Found{At: k, Write: pick(row, w.write), Read: pick(row, read), Returning: pick(row, w.returning)})
		}
	}
	return found, nil
}

// writer knows where the columns of a resource stand in its table.
type writer struct {
	table                         *Table
	resource                      *connectors.Resource
	write, key, returning, unique []int
	deleted                       []int
	keys                          map[string][]int // rows by key; nil: not known
}

func (d *destination) writer(op string) (*writer, error) {
	t, err := d.table(op, d.resource)
	if err != nil {
		return nil, err
	}
	w := &writer{table: t, resource: &d.resource}
	deleted := make([]string, len(d.resource.Delete))
	for i, c := range d.resource.Delete {
		deleted[i] = c.Column
	}
	for _, part := range []struct {
		at    *[]int
		names []string
	}{
		{&w.write, columnNames(d.resource.Write)},
		{&w.key, d.resource.WriteKey},
		{&w.returning, d.resource.Returning},
		{&w.unique, t.Unique},
		{&w.deleted, deleted},
	} {
		if *part.at, err = t.positions(op+" "+t.name, part.names); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// index returns the rows by key.
func (w *writer) index() map[string][]int {
	if w.keys == nil {
		w.keys = w.table.index(w.key)
	}
	return w.keys
}

// index returns the rows by the values of some columns.
func (t *Table) index(at []int) map[string][]int {
	index := make(map[string][]int, len(t.rows))
	for i := range t.rows {
		key := keyText(pick(t.rows[i].values, at))
		index[key] = append(index[key], i)
	}
	delete(index, "") // null equals nothing
	return index
}

// keyText is equal for equal keys, and "" for one with a null in it.
func keyText(key []record.Value) string {
	var text []byte
	for _, v := range key {
		if v.Missing() {
			return ""
		}
		text = v.AppendCanonical(text)
	}
	return string(text)
}

func (w *writer) apply(c connectors.Change) connectors.Receipt {
	if w.table.AppendOnly {
		if c.Op == connectors.Delete {
			return refused("unsupported", "an append-only table keeps its rows")
		}
		return w.create(c)
	}
	at := w.index()[keyText(c.Key)]
	switch {
	case len(at) > 1:
		return refused("unique", "the key names more than one row")
	case c.Op == connectors.Create && len(at) == 1:
		return w.exists(w.table.rows[at[0]].values, c)
	case c.Op == connectors.Create:
		return w.create(c)
	case c.Op == connectors.Delete && len(at) == 0:
		return connectors.Receipt{Status: connectors.Same}
	case len(at) == 0:
		return refused("missing_row", "there is no row with this key")
	case c.Op == connectors.Delete && len(w.deleted) == 0:
		return w.remove(at[0])
	}
	return w.update(at[0], c)
}

// exists answers a create of a row that is there: the same one, or another.
func (w *writer) exists(row record.Row, c connectors.Change) connectors.Receipt {
	for i, v := range c.Values {
		if !v.IsAbsent() && !row[w.write[i]].Equal(v) {
			return refused("unique", "there is another row with this key")
		}
	}
	return connectors.Receipt{Status: connectors.Same, Row: pick(row, w.returning)}
}

func (w *writer) create(c connectors.Change) connectors.Receipt {
	row := make(record.Row, len(w.table.columns))
	for i := range row {
		row[i] = record.NullValue()
	}
	if len(c.Key) == len(w.key) {
		for i, at := range w.key {
			row[at] = c.Key[i]
		}
	}
	w.set(row, c)
	if at := slices.Index(w.table.columns, w.resource.Reference); at >= 0 && row[at].Missing() && c.Reference != "" {
		row[at] = record.StringValue(c.Reference)
	}
	if code, words := w.refusal(connectors.Create, row, -1); code != "" {
		return refused(code, words)
	}
	w.table.add(row)
	if w.keys != nil {
		if key := keyText(pick(row, w.key)); key != "" {
			w.keys[key] = append(w.keys[key], len(w.table.rows)-1)
		}
	}
	return connectors.Receipt{Status: connectors.Applied, Row: pick(row, w.returning)}
}

func (w *writer) update(at int, c connectors.Change) connectors.Receipt {
	before := w.table.rows[at].values
	row := slices.Clone(before)
	if c.Op == connectors.Delete {
		for i, set := range w.resource.Delete {
			row[w.deleted[i]] = set.Value
		}
	} else {
		w.set(row, c)
	}
	if slices.EqualFunc(before, row, record.Value.Equal) {
		return connectors.Receipt{Status: connectors.Same}
	}
	if code, words := w.refusal(c.Op, row, at); code != "" {
		return refused(code, words)
	}
	w.table.rows[at].values = row
	w.keys = nil
	return connectors.Receipt{Status: connectors.Applied}
}

func (w *writer) remove(at int) connectors.Receipt {
	if code, words := w.refusal(connectors.Delete, w.table.rows[at].values, at); code != "" {
		return refused(code, words)
	}
	w.table.rows = slices.Delete(w.table.rows, at, at+1)
	w.keys = nil
	return connectors.Receipt{Status: connectors.Applied}
}

func (w *writer) set(row record.Row, c connectors.Change) {
	for i, v := range c.Values {
		if !v.IsAbsent() {
			row[w.write[i]] = v
		}
	}
	if w.table.Store == nil {
		return
	}
	named := w.table.named(row)
	w.table.Store(named)
	for i, name := range w.table.columns {
		row[i] = named[name]
	}
}

// refusal says why the row may not be written at place at (-1: a new one), or "".
func (w *writer) refusal(op connectors.Op, row record.Row, at int) (code, words string) {
	for _, u := range w.unique {
		for i := range w.table.rows {
			if op != connectors.Delete && i != at && !row[u].Missing() && w.table.rows[i].values[u].Equal(row[u]) {
				return "unique", "another row has the same " + w.table.columns[u]
			}
		}
	}
	if w.table.Refuse == nil {
		return "", ""
	}
	return w.table.Refuse(op, w.table.named(row))
}

func (t *Table) named(row record.Row) map[string]record.Value {
	named := make(map[string]record.Value, len(row))
	for i, name := range t.columns {
		named[name] = row[i]
	}
	return named
}

func refused(code, words string) connectors.Receipt {
	return connectors.Receipt{Status: connectors.Refused, Code: code, Words: words}
}

var (
	_ connectors.Destination = (*destination)(nil)
	_ connectors.Finder      = (*finder)(nil)
)
