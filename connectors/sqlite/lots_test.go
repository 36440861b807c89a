package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// TestManyRows: lots of any size are written whole, and a row that is refused among
// many takes none with it.
func TestManyRows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rows, bad int }{{1, -1}, {49, -1}, {50, 49}, {299, -1}, {300, 260}, {777, 0}} {
		t.Run(fmt.Sprintf("%d, bad %d", test.rows, test.bad), func(t *testing.T) {
			t.Parallel()
			system := newSystem(t)
			c, err := system.Kind.Open(system.Settings, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			d, err := c.Destination(connectors.Resource{
				Name: "rows", Settings: system.DestinationSettings, Zone: time.UTC, WriteKey: []string{"no"},
				Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "code", Kind: record.String}, {Name: "amount", Kind: record.Decimal}},
			})
			if err != nil {
				t.Fatal(err)
			}
			lot := connectors.Lot{Changes: make([]connectors.Change, test.rows)}
			query := connectors.Query{Keys: make([][]record.Value, test.rows)}
			for i := range lot.Changes {
				values := []record.Value{record.IntValue(int64(i)), record.StringValue(fmt.Sprint("c", i)), record.DecimalValue(record.NewNumber(int64(i), 2))}
				if i == test.bad {
					values[1] = record.NullValue()
				}
				lot.Changes[i] = connectors.Change{Op: connectors.Create, Key: values[:1], Values: values}
				query.Keys[i] = values[:1]
			}
			receipts, err := d.Apply(t.Context(), lot)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range receipts {
				if want := i != test.bad; (r.Status == connectors.Applied) != want || !want && r.Code != "not_null" {
					t.Errorf("row %d: %+v", i, r)
				}
			}
			found, err := d.(connectors.Finder).Find(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			want := test.rows
			if test.bad >= 0 {
				want--
			}
			for _, f := range found {
				if sent := lot.Changes[f.At].Values; !f.Write[1].Equal(sent[1]) || !f.Write[2].Equal(sent[2]) {
					t.Errorf("row %d holds %s %s", f.At, f.Write[1].Text(), f.Write[2].Text())
				}
			}
			if len(found) != want {
				t.Errorf("%d rows are there, want %d", len(found), want)
			}
		})
	}
}
