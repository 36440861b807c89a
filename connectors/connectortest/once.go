package connectortest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// Once is a destination whose records are added only, and what its table holds.
type Once struct {
	Destination connectors.Destination
	Codes       func() []string // the column "code" of all rows, in any order
	resource    connectors.Resource
}

// RunOnce checks that each record is added once, however often it is sent. fresh makes a
// table of its own and opens it: "code", a text that may not be null, "qty" and "no",
// integers, "seen" and "ref", texts. It adds to the resource what it is given none of.
func RunOnce(t *testing.T, fresh func(t *testing.T, r connectors.Resource) Once) {
	for name, reference := range map[string]record.Column{
		"a column": {Name: "ref", Kind: record.String}, "a number": {Name: "no", Kind: record.Int}, "a table beside": {},
	} {
		t.Run("known by "+name, func(t *testing.T) {
			r := connectors.Resource{
				Name: "movements", Zone: time.UTC, Reference: reference.Name,
				Write:   []record.Column{{Name: "code", Kind: record.String}, {Name: "qty", Kind: record.Int}, {Name: "seen", Kind: record.String}},
				Content: []bool{true, true, false},
			}
			if reference.Name != "" {
				r.Write, r.Content = append(r.Write, reference), append(r.Content, false)
			}
			o := fresh(t, r)
			o.resource = r
			if _, ok := o.Destination.(connectors.Finder); ok {
				t.Error("it can be asked by a key it does not have")
			}
			o.twice(t)
			o.amongOthers(t)
			o.changed(t)
			o.oneReference(t)
			o.nothingElse(t)
		})
	}
}

// movement is a change of one record.
func (o *Once) movement(no int) connectors.Change {
	c := connectors.Change{Op: connectors.Create, Reference: fmt.Sprintf("REF-%04d", no)}
	c.Values = []record.Value{record.StringValue(fmt.Sprintf("M-%04d", no)), record.IntValue(int64(no % 7)), record.StringValue("once")}
	switch o.resource.Reference {
	case "ref":
		c.Values = append(c.Values, record.StringValue(c.Reference))
	case "no":
		c.Reference, c.Values = strconv.Itoa(no), append(c.Values, record.IntValue(int64(no)))
	}
	return c
}

func (o *Once) movements(from, to int) (lot connectors.Lot) {
	for no := from; no < to; no++ {
		lot.Changes = append(lot.Changes, o.movement(no))
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

// added asks what was added, which adds nothing.
func (o *Once) added(t *testing.T, lot connectors.Lot) map[connectors.Presence]int {
	t.Helper()
	before, err := o.Destination.(connectors.AddedBefore).Added(t.Context(), lot.Changes)
	if err != nil || len(before) != len(lot.Changes) {
		t.Fatalf("%d presences of %d changes, %v", len(before), len(lot.Changes), err)
	}
	counts := make(map[connectors.Presence]int)
	for _, p := range before {
		counts[p]++
	}
	return counts
}

func (o *Once) twice(t *testing.T) {
	if got := o.added(t, o.movements(0, 300)); got[connectors.New] != 300 {
		t.Errorf("before anything was added: %v", got)
	}
	for round, want := range []map[connectors.Status]int{{connectors.Applied: 300}, {connectors.Same: 300}} {
		if got := o.applied(t, o.movements(0, 300)); got[connectors.Applied] != want[connectors.Applied] || got[connectors.Same] != want[connectors.Same] {
			t.Errorf("round %d: %v", round, got)
		}
	}
	o.holds(t, 300)
	some := o.movements(250, 310)
	some.Changes[7].Values[1] = record.IntValue(99)
	if got := o.added(t, some); got[connectors.Present] != 49 || got[connectors.PresentOther] != 1 || got[connectors.New] != 10 {
		t.Errorf("some known, one changed, some new: %v", got)
	}
	if got := o.applied(t, o.movements(290, 310)); got[connectors.Same] != 10 || got[connectors.Applied] != 10 {
		t.Errorf("some known, some new: %v", got)
	}
	o.holds(t, 310)
}

// amongOthers: a row that is refused takes none with it, and is no known one.
func (o *Once) amongOthers(t *testing.T) {
	lot := o.movements(305, 400)
	lot.Changes[50].Values[0] = record.NullValue()
	if got := o.applied(t, lot); got[connectors.Refused] != 1 || got[connectors.Same] != 5 || got[connectors.Applied] != 89 {
		t.Errorf("one refused: %v", got)
	}
	o.holds(t, 399)
	if got := o.applied(t, o.movements(305, 400)); got[connectors.Same] != 94 || got[connectors.Applied] != 1 {
		t.Errorf("once it is mended: %v", got)
	}
	o.holds(t, 400)
}

// changed: a record that was added with other content is refused, and takes none with it.
func (o *Once) changed(t *testing.T) {
	lot := o.movements(395, 500)
	lot.Changes[2].Values[1] = record.IntValue(99)
	receipts, err := o.Destination.Apply(t.Context(), lot)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		want := connectors.Receipt{Status: connectors.Applied}
		switch {
		case i == 2:
			want = connectors.Receipt{Status: connectors.Refused, Code: connectors.CodeAppendOnly}
		case i < 5:
			want = connectors.Receipt{Status: connectors.Same}
		}
		if r.Status != want.Status || r.Code != want.Code {
			t.Errorf("movement %d: %+v, want %+v", 395+i, r, want)
		}
	}
	o.holds(t, 500)
	fewer := o.movements(0, 1)
	fewer.Changes[0].Values[1] = record.Value{}
	if got := o.applied(t, fewer); got[connectors.Same] != 1 {
		t.Errorf("fewer columns: %v", got)
	}
	later := o.movements(0, 2)
	later.Changes[0].Values[2], later.Changes[1].Values[2] = record.StringValue("again"), record.NullValue()
	if got := o.applied(t, later); got[connectors.Same] != 2 {
		t.Errorf("sent again at another time, which is no content: %v", got)
	}
}

// oneReference: of two records under one reference one is added, and the other is no
// known one; none is added whose reference the table would not hold.
func (o *Once) oneReference(t *testing.T) {
	lot := o.movements(500, 540)
	lot.Changes[7] = o.movement(539)
	lot.Changes[7].Values[0] = record.StringValue("M-OTHER")
	if got := o.applied(t, lot); got[connectors.Applied] != 39 || got[connectors.Refused] != 1 {
		t.Errorf("two of one reference: %v", got)
	}
	if got := o.Codes(); len(got) != 539 {
		t.Errorf("the table holds %d rows", len(got))
	}
	if o.resource.Reference == "" {
		return
	}
	lot = o.movements(507, 508)
	lot.Changes[0].Values[3] = record.NullValue()
	for range 2 {
		if got := o.applied(t, lot); got[connectors.Refused] != 1 {
			t.Errorf("no reference: %v", got)
		}
	}
}

// nothingElse: nothing is changed or deleted, nor done once the run has ended.
func (o *Once) nothingElse(t *testing.T) {
	for _, op := range []connectors.Op{connectors.Update, connectors.Delete} {
		lot := o.movements(600, 602)
		lot.Changes[1].Op = op
		if _, err := o.Destination.Apply(t.Context(), lot); err == nil {
			t.Errorf("%s was taken", op)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	receipts, err := o.Destination.Apply(ended, o.movements(600, 602))
	if err == nil || len(receipts) != 2 {
		t.Errorf("%d receipts, %v", len(receipts), err)
	}
	if got := o.Codes(); len(got) != 539 {
		t.Errorf("the table holds %d rows", len(got))
	}
}
