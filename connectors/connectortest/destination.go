package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"headgate/connectors"
	"headgate/engine/record"
)

func (s Suite) runDestination(t *testing.T) {
	t.Run("writes every value exactly", s.testWriteExactly)
	t.Run("refuses one row and writes the others", s.testRefused)
	t.Run("answers a lot of nothing", s.testEmptyLot)
	t.Run("stops when the context ends, untried", s.testApplyCancelled)
	t.Run("has a stable place to write", s.testDestinationPlace)
	t.Run("abilities of the destination", s.testDestinationAbilities)
	if s.Finder {
		t.Run("finds what is there and nothing else", s.testFind)
		t.Run("finds by other columns than its key", s.testFindBy)
		t.Run("updates only what is given", s.testUpdate)
		t.Run("deletes", s.testDelete)
		t.Run("says what is so already", s.testSame)
		t.Run("refuses what contradicts", s.testContradiction)
	}
	if s.Appender {
		s.runAppender(t)
	}
	if s.Sender {
		s.runSender(t)
	}
}

// creates returns a change that creates each of the rows.
func creates(rows []record.Row) connectors.Lot {
	lot := connectors.Lot{Changes: make([]connectors.Change, len(rows))}
	for i, row := range rows {
		lot.Changes[i] = connectors.Change{Op: connectors.Create, Key: row[:1], Values: row}
	}
	return lot
}

// apply applies the lot and checks that every change has the one status wanted.
func (o *opened) apply(t *testing.T, dest connectors.Destination, lot connectors.Lot, want connectors.Status) []connectors.Receipt {
	t.Helper()
	receipts, err := dest.Apply(t.Context(), lot)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	if len(receipts) != len(lot.Changes) {
		t.Fatalf("%d receipts for %d changes", len(receipts), len(lot.Changes))
	}
	for i, r := range receipts {
		if r.Status != want {
			t.Errorf("change %d (%s): status %d %s %s, want %d", i, lot.Changes[i].Op, r.Status, r.Code, r.Words, want)
		}
	}
	return receipts
}

// written returns the rows the destination holds: looked at, or found by key.
func (o *opened) written(t *testing.T, dest connectors.Destination, keys []record.Row) []record.Row {
	t.Helper()
	if o.Rows != nil {
		if appender, ok := dest.(connectors.Appender); ok {
			if _, err := appender.Mark(t.Context()); err != nil {
				t.Fatalf("mark: %v", err)
			}
		}
		return o.expected(t, o.Rows(t))
	}
	var rows []record.Row
	for _, f := range o.find(t, dest, keys) {
		rows = append(rows, o.as(t, f.Write))
	}
	return rows
}

func (o *opened) find(t *testing.T, dest connectors.Destination, keys []record.Row) []connectors.Found {
	t.Helper()
	finder, ok := dest.(connectors.Finder)
	if !ok {
		t.Fatal("the destination cannot be asked: the system needs Rows")
	}
	var q connectors.Query
	for _, row := range keys {
		q.Keys = append(q.Keys, row[:1])
	}
	found, err := finder.Find(t.Context(), q)
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	return found
}

func (s Suite) testWriteExactly(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := s.difficultRows()
	dest := o.destination(t)
	o.apply(t, dest, creates(rows), connectors.Applied)
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
}

func (s Suite) refuse(c connectors.Change) connectors.Change {
	if s.Refuse != nil {
		return s.Refuse(c)
	}
	c.Values = append([]record.Value(nil), c.Values...)
	c.Values[columnCode] = record.NullValue()
	return c
}

func (s Suite) testRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]int{{0}, {4}, {8}, {0, 1, 2}, {2, 3, 7}, {0, 1, 2, 3, 4, 5, 6, 7, 8}} {
		o := s.fresh(t)
		rows, dest := plainRows(fewRows), o.destination(t)
		lot := creates(rows)
		refused := make(map[int]bool)
		for _, i := range bad {
			lot.Changes[i] = s.refuse(lot.Changes[i])
			refused[i] = true
		}
		receipts, err := dest.Apply(t.Context(), lot)
		if err != nil || len(receipts) != len(rows) {
			t.Fatalf("apply with %v bad: %d receipts, %v", bad, len(receipts), err)
		}
		var left []record.Row
		for i, r := range receipts {
			want := connectors.Applied
			if refused[i] {
				want = connectors.Refused
			} else {
				left = append(left, rows[i])
			}
			if r.Status != want {
				t.Errorf("%v bad: change %d has status %d (%s), want %d", bad, i, r.Status, r.Words, want)
			}
			if r.Status == connectors.Refused && (r.Code == "" || r.Words == "") {
				t.Errorf("change %d is refused without a code or words: %+v", i, r)
			}
			o.noSecret(t, r.Words)
		}
		sameRows(t, o.written(t, dest, rows), o.expected(t, left))
	}
}

func (s Suite) testEmptyLot(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	dest := o.destination(t)
	o.apply(t, dest, connectors.Lot{}, connectors.Applied)
	if rows := o.written(t, dest, plainRows(2)); len(rows) != 0 {
		t.Errorf("a lot of nothing wrote %d rows", len(rows))
	}
}

func (s Suite) testApplyCancelled(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows[:2]), connectors.Applied)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	receipts, err := dest.Apply(ctx, creates(rows[2:]))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled apply gave %v", err)
	}
	if len(receipts) != len(rows)-2 {
		t.Fatalf("%d receipts for %d changes", len(receipts), len(rows)-2)
	}
	for i, r := range receipts {
		if r.Status != connectors.Untried {
			t.Errorf("change %d has status %d after a cancelled apply", i, r.Status)
		}
	}
	o.apply(t, dest, creates(rows[2:]), connectors.Applied)
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
}

func (s Suite) testDestinationPlace(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	first := o.place(t, o.destination(t))
	if second := o.place(t, o.reopen(t).destination(t)); first != second {
		t.Errorf("places differ: %q and %q", first, second)
	}
}

func (s Suite) testDestinationAbilities(t *testing.T) {
	t.Parallel()
	dest := s.fresh(t).destination(t)
	if _, ok := dest.(connectors.Finder); ok != s.Finder {
		t.Errorf("finder is %v, declared %v", ok, s.Finder)
	}
	if _, ok := dest.(connectors.Appender); ok != s.Appender {
		t.Errorf("appender is %v, declared %v", ok, s.Appender)
	}
	if _, ok := dest.(connectors.Sender); ok != s.Sender {
		t.Errorf("sender is %v, declared %v", ok, s.Sender)
	}
}

func (s Suite) testFind(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows), connectors.Applied)
	asked := []record.Row{rows[5], {record.IntValue(404)}, rows[0]}
	found := o.find(t, dest, asked)
	at := make(map[int]record.Row)
	for _, f := range found {
		at[f.At] = o.as(t, f.Write)
		sameOrder(t, []record.Row{o.as(t, f.Read)}, []record.Row{at[f.At]})
	}
	if len(found) != 2 || at[0] == nil || at[2] == nil {
		t.Fatalf("found %d rows at %v, want those at 0 and 2", len(found), at)
	}
	sameOrder(t, []record.Row{at[0], at[2]}, o.expected(t, []record.Row{rows[5], rows[0]}))
	if found := o.find(t, dest, nil); len(found) != 0 {
		t.Errorf("no keys found %d rows", len(found))
	}
}

// testFindBy: what a record is matched by need not be unique, and null equals nothing.
func (s Suite) testFindBy(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	rows[3][columnNote], rows[4][columnNote] = rows[2][columnNote], record.NullValue()
	o.apply(t, dest, creates(rows), connectors.Applied)
	found, err := dest.(connectors.Finder).Find(t.Context(), connectors.Query{
		Columns: []string{Columns()[columnNote].Name},
		Keys:    [][]record.Value{{rows[1][columnNote]}, {record.StringValue("nobody's")}, {rows[2][columnNote]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%d: %s", f.At, f.Write[columnNo].Text()))
	}
	slices.Sort(got)
	if want := []string{"0: 2", "2: 3", "2: 4"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func (s Suite) testUpdate(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows), connectors.Applied)
	var lot connectors.Lot
	want := plainRows(fewRows)
	for i, column := range []int{columnAmount, columnDay, columnNote, columnNote} {
		values := make([]record.Value, len(Columns()))
		values[column] = rows[fewRows-1][column]
		if i == 3 {
			values[column] = record.NullValue()
		}
		want[i][column] = values[column]
		lot.Changes = append(lot.Changes, connectors.Change{Op: connectors.Update, Key: rows[i][:1], Values: values})
	}
	o.apply(t, dest, lot, connectors.Applied)
	sameRows(t, o.written(t, dest, rows), o.expected(t, want))
}

func (s Suite) testDelete(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows), connectors.Applied)
	gone := connectors.Lot{Changes: []connectors.Change{
		{Op: connectors.Delete, Key: rows[0][:1], Values: make([]record.Value, len(Columns()))},
		{Op: connectors.Delete, Key: rows[7][:1], Values: make([]record.Value, len(Columns()))},
	}}
	o.apply(t, dest, gone, connectors.Applied)
	left := append(append([]record.Row(nil), rows[1:7]...), rows[8])
	sameRows(t, o.written(t, dest, rows), o.expected(t, left))
	o.apply(t, dest, gone, connectors.Same)
}

func (s Suite) testSame(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows), connectors.Applied)
	lot := creates(rows)
	for i := range lot.Changes {
		lot.Changes[i].Op = connectors.Update
	}
	receipts, err := dest.Apply(t.Context(), lot)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.Status != connectors.Same && r.Status != connectors.Applied {
			t.Errorf("an update to what is so already gave status %d: %s", r.Status, r.Words)
		}
		_ = i
	}
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
	// A create that was done before and whose answer was lost must not be done twice.
	receipts, err = dest.Apply(t.Context(), creates(rows))
	if err != nil || len(receipts) != len(rows) {
		t.Fatalf("%d receipts, %v", len(receipts), err)
	}
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
}

func (s Suite) testContradiction(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(3), o.destination(t)
	o.apply(t, dest, creates(rows[:2]), connectors.Applied)
	missing := connectors.Change{Op: connectors.Update, Key: rows[2][:1], Values: make([]record.Value, len(Columns()))}
	missing.Values[columnNote] = record.StringValue("to nothing")
	receipts := o.apply(t, dest, connectors.Lot{Changes: []connectors.Change{missing}}, connectors.Refused)
	if receipts[0].Code != "missing_row" {
		t.Errorf("an update of no row is refused as %q, want missing_row", receipts[0].Code)
	}
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows[:2]))
}
