package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

type source struct {
	*connector
	resource connectors.Resource
}

// Place names the store and the table.
func (s *source) Place() (string, error) { return s.place(s.resource), nil }

// Parts returns the one part a table has.
func (s *source) Parts(ctx context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) { yield(connectors.Part{}, ctx.Err()) }
}

// Read reads in the order rows were added, or in the order of (cursor, key).
func (s *source) Read(ctx context.Context, _ connectors.Part, after record.Position, limit int) (connectors.Page, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	from, err := parsePosition(after)
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	t, err := s.table("read", s.resource)
	if err != nil {
		return nil, err
	}
	columns, err := t.positions("read "+t.name, columnNames(s.resource.Read))
	if err != nil {
		return nil, err
	}
	if s.resource.Cursor == "" {
		return s.readAll(t, columns, from, limit), nil
	}
	return s.readCursor(t, columns, from, after, limit)
}

// Get returns the rows whose columns equal the keys.
func (s *source) Get(ctx context.Context, columns []string, keys [][]record.Value) ([]connectors.Got, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	t, err := s.table("get from", s.resource)
	if err != nil {
		return nil, err
	}
	at, err := t.positions("get from "+t.name, columns)
	if err != nil {
		return nil, err
	}
	read, err := t.positions("get from "+t.name, columnNames(s.resource.Read))
	if err != nil {
		return nil, err
	}
	var got []connectors.Got
	for k, key := range keys {
		for i := range t.rows {
			if matches(t.rows[i].values, at, key) {
				got = append(got, connectors.Got{At: k, Row: pick(t.rows[i].values, read)})
			}
		}
	}
	return got, nil
}

// readAll reads the whole table, each pass anew: its end is the beginning.
func (s *source) readAll(t *Table, columns []int, from position, limit int) *page {
	p := &page{}
	for _, row := range t.rows {
		if row.number <= from.Number {
			continue
		}
		if len(p.rows) == limit {
			return p
		}
		p.add(pick(row.values, columns), row.number, position{Number: row.number})
	}
	p.end = true
	return p
}

// readCursor reads what comes after a position in the order of (cursor, key). A
// position that ended a pass starts the overlap earlier; rows without a cursor
// come first, in every pass.
func (s *source) readCursor(t *Table, columns []int, from position, after record.Position, limit int) (*page, error) {
	at, err := t.positions("read "+t.name, append([]string{s.resource.Cursor}, s.resource.ReadKey...))
	if err != nil {
		return nil, err
	}
	p := &page{end: true}
	if from.End || after == "" {
		from = position{Since: from.Last}
	}
	since, last := from.Since.values(), from.Last.values()
	high := from.Since
	for _, row := range s.ordered(t, at) {
		order := pick(row.values, at)
		if !s.wanted(order, since) || last != nil && compareRows(order, last) <= 0 {
			continue
		}
		if len(p.rows) == limit {
			p.end = false
			break
		}
		p.add(pick(row.values, columns), row.number, position{Since: from.Since, Last: encodeValues(order)})
	}
	if p.end {
		if p.endAt = after; len(p.rows) > 0 {
			if end := p.after[len(p.after)-1].Last; len(high) == 0 || compareRows(end.values(), since) > 0 {
				high = end
			}
			p.endAt = position{Last: high, End: true}.text()
		} else if last != nil {
			p.endAt = position{Last: from.higher(), End: true}.text()
		}
	}
	return p, nil
}

func (s *source) ordered(t *Table, at []int) []stored {
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b stored) int { return compareRows(pick(a.values, at), pick(b.values, at)) })
	return rows
}

// wanted reports whether a row belongs to a pass that starts behind since.
func (s *source) wanted(order, since record.Row) bool {
	if since == nil || order[0].Missing() || compareRows(order, since) > 0 {
		return true
	}
	if s.resource.Overlap <= 0 || since[0].Kind() != record.Time {
		return false
	}
	start := since[0].Time().Add(-s.resource.Overlap)
	return !order[0].Time().Before(start)
}

// compareRows orders rows by their values, the missing first, then by kind.
func compareRows(a, b record.Row) int {
	for i := range a {
		if a[i].Missing() || b[i].Missing() {
			if c := cmp.Compare(b2i(!a[i].Missing()), b2i(!b[i].Missing())); c != 0 {
				return c
			}
			continue
		}
		c, err := a[i].Compare(b[i])
		if err != nil {
			c = cmp.Compare(a[i].Kind(), b[i].Kind())
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// position is what a record.Position of this kind says.
type position struct {
	Number int64  `json:"number,omitempty"` // of the row read last, in a whole reading
	Since  values `json:"since,omitempty"`  // where the pass before ended
	Last   values `json:"last,omitempty"`   // (cursor, key) of the row read last
	End    bool   `json:"end,omitempty"`    // the pass ended here
}

// higher returns the later of Since and Last.
func (p position) higher() values {
	if len(p.Since) > 0 && compareRows(p.Last.values(), p.Since.values()) < 0 {
		return p.Since
	}
	return p.Last
}

func (p position) text() record.Position {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it holds only numbers and strings
	}
	return record.Position(text)
}

func parsePosition(text record.Position) (p position, err error) {
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("read position %q: %w", text, err)
	}
	return p, nil
}

// values are values as a position keeps them: the kind and the text of each.
type values [][2]string

func encodeValues(row record.Row) values {
	encoded := make(values, len(row))
	for i, v := range row {
		encoded[i] = [2]string{v.Kind().String(), v.Text()}
	}
	return encoded
}

func (v values) values() record.Row {
	if len(v) == 0 {
		return nil
	}
	row := make(record.Row, len(v))
	for i, pair := range v {
		kind, ok := record.KindNamed(pair[0])
		if !ok {
			row[i] = record.NullValue()
			continue
		}
		value, err := record.Parse(kind, pair[1], record.Locale{Zone: time.UTC})
		if err != nil {
			value = record.NullValue()
		}
		row[i] = value
	}
	return row
}

type page struct {
	rows    []record.Row
	numbers []int64
	after   []position
	end     bool
	endAt   record.Position
}

func (p *page) add(row record.Row, number int64, after position) {
	p.rows = append(p.rows, row)
	p.numbers = append(p.numbers, number)
	p.after = append(p.after, after)
}

func (p *page) Len() int                      { return len(p.rows) }
func (p *page) Row(i int) (record.Row, error) { return p.rows[i], nil }
func (p *page) Raw(int) string                { return "" }
func (p *page) Where(i int) string            { return "row " + strconv.FormatInt(p.numbers[i], 10) }
func (p *page) After(i int) record.Position   { return p.after[i].text() }
func (p *page) End() bool                     { return p.end }
func (p *page) EndPosition() record.Position {
	if p.end || len(p.rows) == 0 {
		return p.endAt
	}
	return p.After(len(p.rows) - 1)
}

var (
	_ connectors.Source = (*source)(nil)
	_ connectors.Getter = (*source)(nil)
)
