package connectortest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

const (
	fewRows   = 9
	wholePage = 1000
)

func (s Suite) runSource(t *testing.T) {
	t.Run("reads the same rows in pages of every size", s.testPages)
	t.Run("goes on after every row", s.testResume)
	t.Run("reads nothing of nothing", s.testEmpty)
	t.Run("reads every value exactly", s.testReadExactly)
	t.Run("names a column that is missing", s.testMissingColumn)
	t.Run("stops when the context ends", s.testReadCancelled)
	t.Run("has a stable place", s.testSourcePlace)
	t.Run("abilities of the source", s.testSourceAbilities)
	if s.Cursor {
		t.Run("reads in the order of a cursor", s.testCursor)
		t.Run("reads the overlap again", s.testOverlap)
	}
	if s.Getter {
		t.Run("gets rows by key", s.testGet)
	}
}

// place is a row and the position behind it, in its part.
type place struct {
	part  connectors.Part
	after record.Position
	row   record.Row
}

// readAll reads every part to its end in pages of the given size, from the
// positions given, and returns the positions at the ends.
func (o *opened) readAll(t *testing.T, source connectors.Source, from map[string]record.Position, size int) (places []place, ends map[string]record.Position) {
	t.Helper()
	ends = make(map[string]record.Position)
	for part, err := range source.Parts(t.Context()) {
		if err != nil {
			t.Fatalf("parts: %v", err)
		}
		position := from[part.Name]
		for rounds := 0; ; rounds++ {
			page := o.read(t, source, part, position, size)
			for i := range page.Len() {
				places = append(places, place{part, page.After(i), o.row(t, page, i)})
			}
			if position = page.EndPosition(); page.End() {
				break
			}
			if page.Len() == 0 && rounds > wholePage {
				t.Fatalf("part %q: pages without rows and without end", part.Name)
			}
		}
		ends[part.Name] = position
	}
	return places, ends
}

func (o *opened) read(t *testing.T, source connectors.Source, part connectors.Part, after record.Position, size int) connectors.Page {
	t.Helper()
	page, err := source.Read(t.Context(), part, after, size)
	if err != nil {
		t.Fatalf("read %q after %q: %v", part.Name, after, err)
	}
	if page.Len() > size {
		t.Fatalf("a page of %d rows, asked for %d", page.Len(), size)
	}
	if !page.End() && page.Len() > 0 && page.EndPosition() != page.After(page.Len()-1) {
		t.Errorf("end position %q is not the one after the last row %q", page.EndPosition(), page.After(page.Len()-1))
	}
	return page
}

func (o *opened) row(t *testing.T, page connectors.Page, i int) record.Row {
	t.Helper()
	row, err := page.Row(i)
	if err != nil {
		t.Fatalf("row %d (%s): %v", i, page.Where(i), err)
	}
	if len(row) != len(Columns()) {
		t.Fatalf("row %d has %d values, want %d", i, len(row), len(Columns()))
	}
	return o.as(t, row)
}

func rowsOf(places []place) []record.Row {
	rows := make([]record.Row, len(places))
	for i := range places {
		rows[i] = places[i].row
	}
	return rows
}

func (s Suite) testPages(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := plainRows(fewRows)
	o.Put(t, rows)
	want := o.expected(t, rows)
	source := o.source(t, o.sourceResource())
	for size := 1; size <= fewRows+1; size++ {
		places, _ := o.readAll(t, source, nil, size)
		sameOrder(t, rowsOf(places), want)
	}
	places, ends := o.readAll(t, source, nil, wholePage)
	sameOrder(t, rowsOf(places), want)
	if end, only := ends[""]; only && end != "" {
		t.Errorf("what is read whole each time ends at %q: nobody can tell that the next reading begins at the beginning", end)
	}
}

func (s Suite) testResume(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	o.Put(t, plainRows(fewRows))
	places, _ := o.readAll(t, o.source(t, o.sourceResource()), nil, wholePage)
	if len(places) != fewRows {
		t.Fatalf("read %d rows, want %d", len(places), fewRows)
	}
	for _, size := range []int{1, 2, wholePage} {
		for i, p := range places {
			again := o.reopen(t)
			var rest []record.Row
			for position := p.after; ; {
				page := again.read(t, again.source(t, again.sourceResource()), p.part, position, size)
				for k := range page.Len() {
					rest = append(rest, again.row(t, page, k))
				}
				if position = page.EndPosition(); page.End() {
					break
				}
			}
			want := slices.Collect(restOf(places, i))
			if len(rest) != len(want) {
				t.Fatalf("after row %d: read %d rows in pages of %d, want %d", i, len(rest), size, len(want))
			}
			sameOrder(t, rest, want)
		}
	}
}

// restOf are the rows behind the i-th place in its part.
func restOf(places []place, i int) func(func(record.Row) bool) {
	return func(yield func(record.Row) bool) {
		for _, p := range places[i+1:] {
			if p.part == places[i].part && !yield(p.row) {
				return
			}
		}
	}
}

func (s Suite) testEmpty(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	o.Put(t, nil)
	source := o.source(t, o.sourceResource())
	places, ends := o.readAll(t, source, nil, wholePage)
	if len(places) != 0 {
		t.Errorf("read %d rows of nothing", len(places))
	}
	places, _ = o.readAll(t, source, ends, wholePage)
	if len(places) != 0 {
		t.Errorf("read %d rows of nothing, the second time", len(places))
	}
}

func (s Suite) testReadExactly(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := s.difficultRows()
	o.Put(t, rows)
	places, _ := o.readAll(t, o.source(t, o.sourceResource()), nil, 4)
	sameRows(t, rowsOf(places), o.expected(t, rows))
}

func (s Suite) testMissingColumn(t *testing.T) {
	t.Parallel()
	if s.Schemaless {
		t.Skip("declared: a column that is missing cannot be known")
	}
	o := s.fresh(t)
	o.Put(t, plainRows(2))
	r := o.sourceResource()
	r.Read = append(r.Read, record.Column{Name: "no_such_column", Kind: record.String})
	_, err := firstPage(t.Context(), o.connector, r)
	if connectors.ClassOf(err) != connectors.Broken || !strings.Contains(err.Error(), "no_such_column") {
		t.Errorf("got %v (%s), want a broken resource that lacks no_such_column", err, connectors.ClassOf(err))
	}
	if err != nil && !strings.Contains(connectors.HintOf(err), "amount") {
		t.Errorf("hint %q does not say which columns there are", connectors.HintOf(err))
	}
}

// firstPage reads the first page there is, or returns why there is none.
func firstPage(ctx context.Context, conn connectors.Connector, r connectors.Resource) (connectors.Page, error) {
	source, err := conn.Source(r)
	if err != nil {
		return nil, err
	}
	for part, err := range source.Parts(ctx) {
		if err != nil {
			return nil, err
		}
		return source.Read(ctx, part, "", wholePage)
	}
	return nil, errors.New("there are no parts")
}

func (s Suite) testReadCancelled(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	o.Put(t, plainRows(fewRows))
	source := o.source(t, o.sourceResource())
	ctx, cancel := context.WithCancel(t.Context())
	var part connectors.Part
	for p, err := range source.Parts(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		part = p
		break
	}
	page, err := source.Read(ctx, part, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := source.Read(ctx, part, page.EndPosition(), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read gave %v", err)
	}
	page, err = source.Read(t.Context(), part, page.EndPosition(), wholePage)
	if err != nil || page.Len() == 0 {
		t.Errorf("a read after a cancelled one gave %v", err)
	}
}

func (s Suite) testSourcePlace(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	o.Put(t, plainRows(1))
	first := o.place(t, o.source(t, o.sourceResource()))
	if second := o.place(t, o.reopen(t).source(t, o.sourceResource())); first != second {
		t.Errorf("places differ: %q and %q", first, second)
	}
}

// place returns the place of a source or a destination, which holds no secret.
func (o *opened) place(t *testing.T, of interface{ Place() (string, error) }) string {
	t.Helper()
	text, err := of.Place()
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	if text == "" {
		t.Error("the place is empty")
	}
	o.noSecret(t, text)
	return text
}

func (o *opened) noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range o.Secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows a secret", text)
		}
	}
}

func (s Suite) testSourceAbilities(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	o.Put(t, plainRows(1))
	if _, ok := o.source(t, o.sourceResource()).(connectors.Getter); ok != s.Getter {
		t.Errorf("getter is %v, declared %v", ok, s.Getter)
	}
}

func (o *opened) cursorResource() connectors.Resource {
	r := o.sourceResource()
	r.Cursor, r.CursorKind, r.Overlap = "at", record.Time, 90*time.Second
	return r
}

func (s Suite) testCursor(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := plainRows(fewRows)
	rows[4][columnAt] = rows[3][columnAt] // a tie: the key decides
	shuffled := []record.Row{rows[7], rows[4], rows[0], rows[8], rows[3], rows[1], rows[6], rows[2], rows[5]}
	o.Put(t, shuffled)
	for size := 1; size <= fewRows+1; size++ {
		places, _ := o.readAll(t, o.source(t, o.cursorResource()), nil, size)
		sameOrder(t, rowsOf(places), o.expected(t, rows))
	}
	places, _ := o.readAll(t, o.source(t, o.cursorResource()), nil, wholePage)
	for i, p := range places {
		page := o.read(t, o.reopen(t).source(t, o.cursorResource()), p.part, p.after, wholePage)
		if page.Len() != len(places)-1-i {
			t.Errorf("after row %d: %d rows, want %d", i, page.Len(), len(places)-1-i)
		}
	}
}

func (s Suite) testOverlap(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := plainRows(fewRows)
	late := rows[6]
	late[columnAt] = record.TimeValue(rows[7][columnAt].Time().Add(-time.Second))
	o.Put(t, append(slices.Clone(rows[:6]), rows[7]))
	source := o.source(t, o.cursorResource())
	_, ends := o.readAll(t, source, nil, 3)
	o.Put(t, []record.Row{late, rows[8]})
	// The end was row 7; ninety seconds before it lie row 7 itself and the late one.
	for size := 1; size <= 4; size++ {
		places, again := o.readAll(t, o.reopen(t).source(t, o.cursorResource()), ends, size)
		sameRows(t, rowsOf(places), o.expected(t, []record.Row{late, rows[7], rows[8]}))
		if places, _ = o.readAll(t, source, again, size); len(places) == 0 || len(places) > 3 {
			t.Errorf("a third pass read %d rows, want only those of the overlap", len(places))
		}
	}
}

func (s Suite) testGet(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := plainRows(fewRows)
	o.Put(t, rows)
	getter, ok := o.source(t, o.sourceResource()).(connectors.Getter)
	if !ok {
		t.Fatal("declared a getter, and is none")
	}
	keys := [][]record.Value{{record.IntValue(3)}, {record.IntValue(99)}, {record.IntValue(1)}}
	got, err := getter.Get(t.Context(), Key(), keys)
	if err != nil {
		t.Fatal(err)
	}
	byKey := make(map[int]record.Row)
	for _, g := range got {
		byKey[g.At] = o.as(t, g.Row)
	}
	if len(got) != 2 || byKey[0] == nil || byKey[2] == nil {
		t.Fatalf("got %d rows for keys %v", len(got), byKey)
	}
	sameOrder(t, []record.Row{byKey[0], byKey[2]}, o.expected(t, []record.Row{rows[2], rows[0]}))
}
