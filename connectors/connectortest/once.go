package connectortest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"headgate/connectors"
	"headgate/engine/record"
)

// Once is a destination whose records are added only, and what its table holds.
type Once struct {
	Destination connectors.Destination
	Codes       func() []string // the column "code" of all rows, in any order
}

// OnceColumns are the columns of its table that are written, and Reference the one that
// carries headgate's reference, where there is one. "code" may not be null.
func OnceColumns(reference string) []record.Column {
	columns := []record.Column{{Name: "code", Kind: record.String}, {Name: "qty", Kind: record.Int}}
	if reference != "" {
		columns = append(columns, record.Column{Name: reference, Kind: record.String})
	}
	return columns
}

// RunOnce checks that each record is added once, however often it is sent. fresh
// makes a table, whose column for the reference has the name given, or which has none.
func RunOnce(t *testing.T, fresh func(t *testing.T, reference string) Once) {
	for name, reference := range map[string]string{"a column": "ref", "a table beside": ""} {
		t.Run("known by "+name, func(t *testing.T) {
			o := fresh(t, reference)
			if _, ok := o.Destination.(connectors.Finder); ok {
				t.Error("it can be asked by a key it does not have")
			}
			o.twice(t, reference)
			o.amongOthers(t, reference)
			o.changed(t, reference)
			o.nothingElse(t, reference)
		})
	}
}

// movement is a change of one record.
func movement(no int, reference string) connectors.Change {
	c := connectors.Change{Op: connectors.Create, Reference: fmt.Sprintf("REF-%04d", no)}
	c.Values = []record.Value{record.StringValue(fmt.Sprintf("M-%04d", no)), record.IntValue(int64(no % 7))}
	if reference != "" {
		c.Values = append(c.Values, record.StringValue(c.Reference))
	}
	return c
}

func movements(from, to int, reference string) (lot connectors.Lot) {
	for no := from; no < to; no++ {
		lot.Changes = append(lot.Changes, movement(no, reference))
	}
	return lot
}

// applied applies a lot and returns how many changes have each status.
func (o *Once) applied(t *testing.T, lot connectors.Lot) map[connectors.Status]int {
	t.Helper()
	receipts, err := o.Destination.Apply(t.Context(), lot)
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[connectors.Status]int)
	for _, r := range receipts {
		counts[r.Status]++
	}
	return counts
}

// holds checks that the table holds movements 0 to n, each once.
func (o *Once) holds(t *testing.T, n int) {
	t.Helper()
	codes := o.Codes()
	slices.Sort(codes)
	if len(codes) != n || len(slices.Compact(codes)) != n {
		t.Errorf("%d rows hold %d movements, want %d", len(codes), len(slices.Compact(codes)), n)
	}
}

func (o *Once) twice(t *testing.T, reference string) {
	for round, want := range []map[connectors.Status]int{{connectors.Applied: 300}, {connectors.Same: 300}} {
		if got := o.applied(t, movements(0, 300, reference)); got[connectors.Applied] != want[connectors.Applied] || got[connectors.Same] != want[connectors.Same] {
			t.Errorf("round %d: %v", round, got)
		}
	}
	o.holds(t, 300)
	if got := o.applied(t, movements(290, 310, reference)); got[connectors.Same] != 10 || got[connectors.Applied] != 10 {
		t.Errorf("some known, some new: %v", got)
	}
	o.holds(t, 310)
}

// amongOthers: a row that is refused takes none with it, and is no known one.
func (o *Once) amongOthers(t *testing.T, reference string) {
	lot := movements(305, 400, reference)
	lot.Changes[50].Values[0] = record.NullValue()
	if got := o.applied(t, lot); got[connectors.Refused] != 1 || got[connectors.Same] != 5 || got[connectors.Applied] != 89 {
		t.Errorf("one refused: %v", got)
	}
	o.holds(t, 399)
	if got := o.applied(t, movements(305, 400, reference)); got[connectors.Same] != 94 || got[connectors.Applied] != 1 {
		t.Errorf("once it is mended: %v", got)
	}
	o.holds(t, 400)
}

// changed: a record that was added with other content is refused, and takes none with it.
func (o *Once) changed(t *testing.T, reference string) {
	lot := movements(395, 500, reference)
	lot.Changes[2].Values[1] = record.IntValue(99)
	receipts, err := o.Destination.Apply(t.Context(), lot)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		want := connectors.Receipt{Status: connectors.Applied}
		switch {
		case i == 2:
			want = connectors.AddedBefore(false)
		case i < 5:
			want = connectors.AddedBefore(true)
		}
		if r.Status != want.Status || r.Code != want.Code {
			t.Errorf("movement %d: %+v, want %+v", 395+i, r, want)
		}
	}
	o.holds(t, 500)
	fewer := movements(0, 1, reference)
	fewer.Changes[0].Values[1] = record.Value{}
	if got := o.applied(t, fewer); got[connectors.Same] != 1 {
		t.Errorf("fewer columns: %v", got)
	}
}

// nothingElse: nothing is changed or deleted, nor done once the run has ended.
func (o *Once) nothingElse(t *testing.T, reference string) {
	for _, op := range []connectors.Op{connectors.Update, connectors.Delete} {
		lot := movements(500, 502, reference)
		lot.Changes[1].Op = op
		if _, err := o.Destination.Apply(t.Context(), lot); err == nil {
			t.Errorf("%s was taken", op)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	receipts, err := o.Destination.Apply(ended, movements(500, 502, reference))
	if err == nil || len(receipts) != 2 {
		t.Errorf("%d receipts, %v", len(receipts), err)
	}
	o.holds(t, 500)
}
