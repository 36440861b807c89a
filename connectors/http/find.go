package http

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// findsAtOnce is how many keys are asked for at the same time: the rate of the
// connector holds for all of them.
const findsAtOnce = 4

// find is one way to ask for a record.
type find struct {
	target
	ok      connectors.Logic
	records string // where the found ones stand; "": the answer is one, or an array of them
	lag     time.Duration
	named   bool // the path names the record: there 404 is an answer
}

// finder is a destination whose resource says how to ask for a record.
type finder struct{ *destination }

// Find asks for each key by the first find whose names are all known.
func (f *finder) Find(ctx context.Context, q connectors.Query) ([]connectors.Found, error) {
	if err := q.Check(); err != nil {
		return nil, f.failed(connectors.Broken, "find", "", err)
	}
	answers, answered := make([][]connectors.Found, len(q.Keys)), make([]bool, len(q.Keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(findsAtOnce)
	for i := range q.Keys {
		group.Go(func() error {
			found, err := f.findOne(ctx, &q, i)
			answers[i], answered[i] = found, err == nil
			return err
		})
	}
	err := group.Wait()
	found := slices.Concat(answers...)
	if err != nil {
		return nil, &connectors.PartlyFound{Answered: answered, Found: found, Err: err}
	}
	return found, nil
}

func (f *finder) findOne(ctx context.Context, q *connectors.Query, at int) ([]connectors.Found, error) {
	names := f.asked(q, at)
	for i := range f.finds {
		if way := &f.finds[i]; way.knows(names) {
			return f.ask(ctx, way, names, at)
		}
	}
	err := fmt.Errorf("no find of resource %s asks by what is known of the record", f.resource.Name)
	e := f.failed(connectors.Broken, "find", "", err)
	e.Hint = "add a find block that uses the key"
	return nil, e
}

// asked are the names that are known of a record that is asked for. A null names
// nothing: it is not asked by.
func (f *finder) asked(q *connectors.Query, at int) connectors.Names {
	names := make(connectors.Names)
	for i, column := range q.Of(f.resource.WriteKey) {
		names[column] = q.Keys[at][i]
	}
	if q.References != nil && q.References[at] != "" {
		names[nameReference] = record.StringValue(q.References[at])
	}
	if q.IDs != nil {
		names[nameID] = q.IDs[at]
	} else if returning := f.resource.Returning; len(returning) == 1 && !names[returning[0]].Missing() {
		names[nameID] = names[returning[0]] // the key is the id
	}
	return names
}

// ask sends one request and takes those of its records that equal what was asked.
func (f *finder) ask(ctx context.Context, way *find, names connectors.Names, at int) ([]connectors.Found, error) {
	m, err := way.render(names)
	if err != nil {
		return nil, f.failed(connectors.Broken, "find", "", err)
	}
	a, err := f.do(ctx, f.opText("find"), m, false)
	if err != nil {
		return nil, err
	}
	if way.named && isGone(a.status) {
		return nil, nil
	}
	if !a.positive() {
		return nil, f.answered(f.opText("find"), a)
	}
	objects, err := way.objects(a)
	if err != nil {
		return nil, f.failed(connectors.Unclear, "find", "shape", err)
	}
	var found []connectors.Found
	for _, object := range objects {
		row, equal, err := f.row(object, way, names)
		if err != nil {
			return nil, f.failed(connectors.Unclear, "find", "shape", err)
		}
		if row.At = at; equal {
			found = append(found, row)
		}
	}
	if len(found) == 0 && len(objects) > 0 {
		e := f.failed(connectors.Broken, "find", "", fmt.Errorf("it was answered with %d records, and none is the one that was asked for", len(objects)))
		e.Hint = "the destination does not look by " + strings.Join(way.uses(), ", ") + " as the find block has it: what it does not show may be there all the same"
		return nil, e
	}
	return found, nil
}

// objects are the texts of the records of an answer.
func (w *find) objects(a *answer) ([]string, error) {
	if ok, err := a.done(w.ok); err != nil || !ok {
		if err == nil {
			err = fmt.Errorf("the answer is no success: %s", a.words())
		}
		return nil, err
	}
	text, ok, err := document.At(a.body, w.records)
	if err != nil {
		return nil, err
	}
	switch {
	case !ok && w.records != "":
		return nil, fmt.Errorf("the answer has no %q", w.records)
	case text == "null":
		return nil, nil
	case text[0] == '[':
		return document.Elements(text)
	}
	return []string{text}, nil
}

// row reads one record, and whether it equals what was asked for.
func (f *finder) row(object string, way *find, names connectors.Names) (connectors.Found, bool, error) {
	var found connectors.Found
	asked := make(record.Row, len(f.asks.columns))
	for _, part := range []struct {
		columns *columns
		row     *record.Row
	}{{f.writes, &found.Write}, {f.reads, &found.Read}, {f.returns, &found.Returning}, {f.asks, &asked}} {
		*part.row = make(record.Row, len(part.columns.columns))
		if err := part.columns.reader.Read(object, *part.row); err != nil {
			return found, false, fmt.Errorf("a record is no JSON object: %w", err)
		}
		part.columns.convert(*part.row, f.resource.Zone)
	}
	compared := false
	for _, name := range way.uses() {
		i := slices.IndexFunc(f.asks.columns, func(c record.Column) bool { return c.Name == f.columnOf(name) })
		if i < 0 {
			continue
		}
		if compared = true; !sameAs(names[name], asked[i], f.resource.Zone) {
			return found, false, nil
		}
	}
	return found, compared, nil
}

// columnOf is the column that shows what a name stands for, or "".
func (d *destination) columnOf(name string) string {
	switch {
	case name == nameReference:
		return d.resource.Reference
	case name == nameID && len(d.resource.Returning) == 1:
		return d.resource.Returning[0]
	case name == nameID:
		return ""
	}
	return name
}

// sameAs compares what was asked with what came, as the kind that was asked.
func sameAs(asked, came record.Value, zone *time.Location) bool {
	v, err := record.Convert(came, asked.Kind(), record.Locale{Zone: zone})
	return err == nil && asked.Equal(v)
}

// columns are some columns and how they are read.
type columns struct {
	columns []record.Column
	reader  *document.Reader
}

func newColumns(all []record.Column) *columns { return &columns{all, document.NewReader(all)} }

// convert makes values what their columns are, where they can be: one that cannot
// equals nothing, and is shown as it came.
func (c *columns) convert(row record.Row, zone *time.Location) {
	for i, column := range c.columns {
		if v, err := record.Convert(row[i], column.Kind, record.Locale{Zone: zone}); err == nil {
			row[i] = v
		}
	}
}

var (
	_ connectors.Sender = (*destination)(nil)
	_ connectors.Sender = (*finder)(nil)
	_ connectors.Finder = (*finder)(nil)

	_ connectors.Replacer = (*destination)(nil)
)
