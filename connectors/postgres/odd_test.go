package postgres

import (
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/postgres/pgtest"
	"headgate/engine/record"
)

// TestOddNames: a name is never anything but a name, whatever it is made of.
func TestOddNames(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	const table, key, other = `x"; DROP TABLE kept; --'`, `no" OR 1=1 --`, `a'b $1 %s \ select`
	server.Exec(t, `CREATE TABLE kept (x int)`, `CREATE TABLE "x""; DROP TABLE kept; --'" ("no"" OR 1=1 --" text PRIMARY KEY, "a'b $1 %s \ select" text)`)
	columns := []record.Column{{Name: key, Kind: record.String}, {Name: other, Kind: record.String}}
	oddNames(t, open(t, server), connectors.Resource{
		Name: "odd", Settings: &Resource{Table: table}, Zone: time.UTC, Read: columns, ReadKey: []string{key}, Cursor: other, CursorKind: record.String,
		Write: columns, WriteKey: []string{key}, Returning: []string{key},
	})
	server.Text(t, "SELECT count(*)::text FROM kept")
}

// oddNames creates, updates, finds, reads and deletes rows of a resource with a key
// and another column.
func oddNames(t *testing.T, c connectors.Connector, r connectors.Resource) {
	t.Helper()
	d, err := c.Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	change := func(op connectors.Op, key, other string) connectors.Change {
		k := record.StringValue(key)
		return connectors.Change{Op: op, Key: []record.Value{k}, Values: []record.Value{k, record.StringValue(other)}}
	}
	const hostile = `'; DROP TABLE kept; --"`
	for _, lot := range [][]connectors.Change{
		{change(connectors.Create, "A", hostile), change(connectors.Create, "B", "b")},
		{change(connectors.Update, "B", hostile)},
		{change(connectors.Delete, "A", "")},
	} {
		receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: lot})
		if err != nil || receipts[0].Status != connectors.Applied {
			t.Fatalf("%v: %+v, %v", lot[0].Op, receipts, err)
		}
	}
	found, err := d.(connectors.Finder).Find(t.Context(), connectors.Query{Keys: [][]record.Value{{record.StringValue("A")}, {record.StringValue("B")}}})
	if err != nil || len(found) != 1 || found[0].At != 1 || found[0].Write[1].Text() != hostile {
		t.Errorf("found %+v, %v", found, err)
	}
	s, err := c.Source(r)
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Read(t.Context(), connectors.Part{}, "", 10)
	if err != nil || page.Len() != 1 {
		t.Fatalf("read %+v, %v", page, err)
	}
	if row, _ := page.Row(0); row[0].Text() != "B" || row[1].Text() != hostile {
		t.Errorf("read %v", row)
	}
}
