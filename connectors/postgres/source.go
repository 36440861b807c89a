package postgres

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"headgate/connectors"
	"headgate/connectors/keyset"
	"headgate/engine/record"
)

// source reads a table in the order of (cursor, key, ctid), or of (key, ctid).
type source struct {
	table
}

// Parts implements connectors.Source: a table is one part.
func (s *source) Parts(context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) { yield(connectors.Part{}, nil) }
}

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
	err = s.with(ctx, &s.reading, "read "+s.name(), func(ctx context.Context, db *pgx.Conn) error {
		if err := s.check(ctx, db, names(s.resource.Read), s.order()); err != nil {
			return err
		}
		return s.read(ctx, db, p, limit, page)
	})
	return page, err
}

func (s *source) read(ctx context.Context, db *pgx.Conn, p keyset.Position, limit int, page *keyset.Page) error {
	order := s.ordered()
	where, args := s.where(p, order)
	columns := names(s.resource.Read)
	selected := asText(columns)
	var by []string
	for _, o := range order {
		if selected != "" {
			selected += ", "
		}
		selected += o.expr + "::text"
		by = append(by, o.expr+o.nulls())
	}
	sorted := ""
	if len(by) > 0 {
		sorted = " ORDER BY " + strings.Join(by, ", ")
	}
	rows, err := db.Query(ctx, fmt.Sprintf("SELECT %s FROM %s%s%s LIMIT %d", selected, s.plainFrom()+" AS t", where, sorted, limit), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	texts := make([]*string, len(columns)+len(order))
	targets := make([]any, len(texts))
	for i := range texts {
		targets[i] = &texts[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		row := make(record.Row, len(columns))
		for i, c := range s.resource.Read {
			row[i] = s.value(texts[i], c.Name, c.Kind)
		}
		at := make([]keyset.Literal, len(order))
		for i := range at {
			if text := texts[len(columns)+i]; text != nil {
				copied := *text
				at[i] = keyset.Literal{Text: &copied}
			}
		}
		page.Rows, page.At = append(page.Rows, row), append(page.At, at)
	}
	page.Ended = len(page.Rows) < limit
	return rows.Err()
}

// ordering is one expression rows are ordered by. It names the table: a bare name
// would mean the text that is selected under it.
type ordering struct {
	expr, sqlType string
	null          bool
}

// nulls puts null first where there may be one: what comes after a position is
// then what is greater.
func (o ordering) nulls() string {
	if o.null {
		return " NULLS FIRST"
	}
	return ""
}

func (s *source) ordered() []ordering {
	var all []ordering
	for _, name := range s.order() {
		c, _ := s.column(name)
		all = append(all, ordering{"t." + quote(name), c.sqlType, c.null})
	}
	if s.ctid {
		all = append(all, ordering{"t.ctid", "tid", false})
	}
	return all
}

func (s *source) where(p keyset.Position, order []ordering) (string, []any) {
	switch {
	case len(p.At) == 0 || p.End && s.resource.Cursor == "":
		return "", nil
	case p.End && p.At[0].Text == nil:
		return "", nil
	case p.End:
		return s.overlapped(*p.At[0].Text, order[0])
	}
	n := min(len(p.At), len(order))
	nulls := slices.ContainsFunc(p.At[:n], func(l keyset.Literal) bool { return l.Text == nil })
	if nulls {
		return afterNulls(order[:n], p.At[:n])
	}
	var left, right []string
	var args []any
	for i, o := range order[:n] {
		left = append(left, o.expr)
		right = append(right, fmt.Sprintf("$%d::text::%s", i+1, o.sqlType))
		args = append(args, *p.At[i].Text)
	}
	return fmt.Sprintf(" WHERE (%s) > (%s)", strings.Join(left, ", "), strings.Join(right, ", ")), args
}

// overlapped starts a cursor again, before the highest value seen where it is a
// time; rows without a cursor are read each time.
func (s *source) overlapped(high string, o ordering) (string, []any) {
	from := "$1::text::" + o.sqlType
	args := []any{high}
	if strings.HasPrefix(o.sqlType, "timestamp") || o.sqlType == "date" {
		from = fmt.Sprintf("(%s - $2::text::interval)::%s", from, o.sqlType)
		args = append(args, fmt.Sprintf("%d microseconds", s.resource.Overlap.Microseconds()))
	}
	return fmt.Sprintf(" WHERE %s >= %s OR %s IS NULL", o.expr, from, o.expr), args
}

// afterNulls spells the comparison of two rows out, with null before everything.
func afterNulls(order []ordering, at []keyset.Literal) (string, []any) {
	var either []string
	var args []any
	bind := func(l keyset.Literal, o ordering) string {
		args = append(args, l.Text)
		return fmt.Sprintf("$%d::text::%s", len(args), o.sqlType)
	}
	for i := range order {
		var all []string
		for j := range i {
			all = append(all, order[j].expr+" IS NOT DISTINCT FROM "+bind(at[j], order[j]))
		}
		if at[i].Text == nil {
			all = append(all, order[i].expr+" IS NOT NULL")
		} else {
			all = append(all, order[i].expr+" > "+bind(at[i], order[i]))
		}
		either = append(either, "("+strings.Join(all, " AND ")+")")
	}
	return " WHERE " + strings.Join(either, " OR "), args
}

// Get implements connectors.Getter.
func (s *source) Get(ctx context.Context, columns []string, keys [][]record.Value) ([]connectors.Got, error) {
	var got []connectors.Got
	err := s.with(ctx, &s.reading, "look up in "+s.name(), func(ctx context.Context, db *pgx.Conn) error {
		if err := s.check(ctx, db, names(s.resource.Read), columns); err != nil {
			return err
		}
		return s.look(ctx, db, columns, keys, names(s.resource.Read), func(at int, texts []*string) {
			row := make(record.Row, len(s.resource.Read))
			for i, c := range s.resource.Read {
				row[i] = s.value(texts[i], c.Name, c.Kind)
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
