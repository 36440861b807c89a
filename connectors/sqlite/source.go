package sqlite

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
	"headgate/connectors/keyset"
	"headgate/engine/record"
)

// source reads a table in the order of (cursor, key, rowid), or of (key, rowid).
type source struct {
	table
}

// Parts implements connectors.Source: a table is one part.
func (s *source) Parts(context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) { yield(connectors.Part{}, nil) }
}

// order are the columns rows are read in the order of. Null comes first.
func (s *source) order() []string {
	var columns []string
	if s.resource.Cursor != "" {
		columns = append(columns, s.resource.Cursor)
	}
	for _, k := range s.resource.ReadKey {
		if !slices.Contains(columns, k) {
			columns = append(columns, k)
		}
	}
	return columns
}

// Read implements connectors.Source. A position that ended starts again: a whole
// table from its beginning, a cursor from its overlap before the highest value seen.
func (s *source) Read(ctx context.Context, _ connectors.Part, after record.Position, limit int) (connectors.Page, error) {
	p, err := keyset.Parse(after)
	if err != nil {
		return nil, err
	}
	page := &keyset.Page{From: p, Whole: s.resource.Cursor == ""}
	err = s.with(ctx, &s.reading, true, "read "+s.name(), func(db *sqlitedb.Conn) error {
		if err := s.check(db, names(s.resource.Read), s.order()); err != nil {
			return err
		}
		return s.read(db, p, limit, page)
	})
	return page, err
}

func (s *source) read(db *sqlitedb.Conn, p keyset.Position, limit int, page *keyset.Page) error {
	order := s.order()
	quoted := make([]string, len(order), len(order)+1)
	for i, c := range order {
		quoted[i] = quote(c)
	}
	if s.rowid {
		quoted = append(quoted, "rowid")
	}
	where, args := s.where(p, quoted)
	columns := names(s.resource.Read)
	selected := quoted
	if len(columns) > 0 {
		selected = append([]string{quoteAll(columns)}, quoted...)
	}
	query := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", strings.Join(selected, ", "), s.from(), where, strings.Join(quoted, ", "), limit)
	if len(quoted) == 0 {
		query = fmt.Sprintf("SELECT %s FROM %s", strings.Join(selected, ", "), s.from())
	}
	stmt, err := db.Prepare(query)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Reset() }()
	for i, v := range args {
		bindLiteral(stmt, i+1, v)
	}
	return s.fill(stmt, page, len(columns), len(quoted), limit)
}

func (s *source) fill(stmt *sqlitedb.Stmt, page *keyset.Page, width, order, limit int) error {
	for {
		more, err := stmt.Step()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		row := make(record.Row, width)
		for i, c := range s.resource.Read {
			row[i] = s.value(stmt, i, c.Kind)
		}
		at := make([]keyset.Literal, order)
		for i := range at {
			at[i] = keyset.LiteralOf(rawValue(stmt, width+i))
		}
		page.Rows, page.At = append(page.Rows, row), append(page.At, at)
	}
	page.Ended = len(page.Rows) < limit
	return nil
}

// where says which rows come after p.
func (s *source) where(p keyset.Position, order []string) (string, []record.Value) {
	switch {
	case len(p.At) == 0:
		return "", nil
	case p.End && s.resource.Cursor == "":
		return "", nil
	case p.End:
		high := earlier(p.At[0].Value(), s.resource.Overlap, s.resource.Zone)
		if high.Missing() {
			return "", nil
		}
		return fmt.Sprintf(" WHERE %s >= ? OR %s IS NULL", order[0], order[0]), []record.Value{high}
	}
	values := make([]record.Value, len(p.At))
	nulls := false
	for i, l := range p.At {
		values[i] = l.Value()
		nulls = nulls || values[i].Missing()
	}
	n := min(len(values), len(order))
	if !nulls {
		// Null comes first, so what has one in a later column was read before.
		return fmt.Sprintf(" WHERE (%s) > (%s)", strings.Join(order[:n], ", "), marks(n)), values[:n]
	}
	return afterNulls(order[:n], values[:n])
}

// afterNulls spells the comparison of two rows out, with null before everything.
func afterNulls(order []string, values []record.Value) (string, []record.Value) {
	var either []string
	var args []record.Value
	for i := range order {
		var all []string
		for j := range i {
			all = append(all, order[j]+" IS ?")
			args = append(args, values[j])
		}
		if values[i].Missing() {
			all = append(all, order[i]+" IS NOT NULL")
		} else {
			all = append(all, order[i]+" > ?")
			args = append(args, values[i])
		}
		either = append(either, "("+strings.Join(all, " AND ")+")")
	}
	return " WHERE " + strings.Join(either, " OR "), args
}

// Get implements connectors.Getter.
func (s *source) Get(ctx context.Context, columns []string, keys [][]record.Value) ([]connectors.Got, error) {
	var got []connectors.Got
	err := s.with(ctx, &s.reading, true, "look up in "+s.name(), func(db *sqlitedb.Conn) error {
		if err := s.check(db, names(s.resource.Read), columns); err != nil {
			return err
		}
		return s.lookUp(db, columns, keys, names(s.resource.Read), func(at int, stmt *sqlitedb.Stmt, offset int) {
			row := make(record.Row, len(s.resource.Read))
			for i, c := range s.resource.Read {
				row[i] = s.value(stmt, offset+i, c.Kind)
			}
			got = append(got, connectors.Got{At: at, Row: row})
		})
	})
	return got, err
}

var (
	_ connectors.Source = (*source)(nil)
	_ connectors.Getter = (*source)(nil)
)
