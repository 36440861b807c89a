package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// getsAtOnce is how many keys are asked for at the same time, within the rate of the
// connector.
const getsAtOnce = 4

// byColumns reports whether a find asks by nothing but columns.
func byColumns(f Find) bool {
	uses := f.uses()
	return len(uses) > 0 && !slices.Contains(uses, nameID) && !slices.Contains(uses, nameReference)
}

func (f *Find) uses() []string {
	t := target{nethttp.MethodGet, f.Path, f.Query, f.Headers}
	return t.uses()
}

// Asks implements connectors.Selective: a find uses those columns and nothing else.
func (g *getter) Asks(columns []string) bool {
	return slices.ContainsFunc(g.resource.Settings.(*Resource).Finds, func(f Find) bool {
		return byColumns(f) && !slices.ContainsFunc(f.uses(), func(name string) bool { return !slices.Contains(columns, name) })
	})
}

// Get implements connectors.Getter: it asks for each key by the first find whose
// names are all known, and takes those records that equal it.
func (g *getter) Get(ctx context.Context, columns []string, keys [][]record.Value) ([]connectors.Got, error) {
	answers := make([][]connectors.Got, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(getsAtOnce)
	for at, key := range keys {
		group.Go(func() error {
			names := make(connectors.Names, len(columns))
			for i, column := range columns {
				names[column] = key[i]
			}
			rows, err := g.getOne(ctx, columns, key, names)
			for _, row := range rows {
				answers[at] = append(answers[at], connectors.Got{At: at, Row: row})
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(answers...), nil
}

func (g *getter) getOne(ctx context.Context, columns []string, key []record.Value, names connectors.Names) ([]record.Row, error) {
	if slices.ContainsFunc(key, record.Value.Missing) {
		return nil, nil // null is nobody's key
	}
	op := "look up in " + g.resource.Name
	finds := g.resource.Settings.(*Resource).Finds
	for i := range finds {
		f := &finds[i]
		t := target{nethttp.MethodGet, f.Path, f.Query, f.Headers}
		if !t.knows(names) {
			continue
		}
		m, err := t.render(names)
		if err != nil {
			return nil, broken(op, err)
		}
		return g.rowsOf(ctx, op, f, m, columns, key)
	}
	e := broken(op, fmt.Errorf("no find of resource %s asks by %v", g.resource.Name, columns))
	e.Hint = "add a find block that uses the key"
	return nil, e
}

// rowsOf asks one find and reads the records that equal the key.
func (g *getter) rowsOf(ctx context.Context, op string, f *Find, m *message, columns []string, key []record.Value) ([]record.Row, error) {
	m.headers = append(g.accepts(), m.headers...)
	a, err := g.do(ctx, op, m, false)
	if err != nil {
		return nil, err
	}
	if len(f.Path.Uses) > 0 && (a.status == nethttp.StatusNotFound || a.status == nethttp.StatusGone) {
		return nil, nil
	}
	r := g.resource
	r.Cursor = ""
	d := newParser(&r, f.Records)
	texts, err := d.some(g.connector, op, a, f.OK)
	if err != nil {
		return nil, err
	}
	asked := newAsked(columns)
	var rows []record.Row
	for _, text := range texts {
		row, err := d.row(text)
		if err != nil {
			return nil, shape(op, "%w", err)
		}
		equal, err := asked.equal(text, key, g.resource.Zone)
		if err != nil {
			return nil, shape(op, "%w", err)
		}
		if equal {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 && len(texts) > 0 {
		e := broken(op, errors.New("it was answered with records, and none is the one that was asked for"))
		e.Hint = "the system does not look by what the find block asks: what it does not show may be there all the same"
		return nil, e
	}
	return rows, nil
}

// asked are the columns that keys are of.
type asked struct {
	columns []record.Column
	reader  *document.Reader
}

func newAsked(names []string) *asked {
	columns := make([]record.Column, len(names))
	for i, name := range names {
		columns[i] = record.Column{Name: name, Kind: record.Unknown}
	}
	return &asked{columns, document.NewReader(columns)}
}

// equal compares a record with what was asked, as the kind that was asked.
func (k *asked) equal(text string, key []record.Value, zone *time.Location) (bool, error) {
	came := make(record.Row, len(k.columns))
	if err := k.reader.Read(text, came); err != nil {
		return false, err
	}
	for i, v := range key {
		w, err := record.Convert(came[i], v.Kind(), record.Locale{Zone: zone})
		if err != nil || !v.Equal(w) {
			return false, nil
		}
	}
	return true, nil
}
