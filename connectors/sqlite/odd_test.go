package sqlite_test

import (
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

// TestOddNames: a name is never anything but a name, whatever it is made of.
func TestOddNames(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/odd.db"
	db, err := sqlitedb.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const table, key, other = `x"; DROP TABLE kept; --`, `no" OR 1=1 --`, `a'b ?1 %s select`
	if err := sqlitex.ExecuteScript(db, `CREATE TABLE kept (x); CREATE TABLE "x""; DROP TABLE kept; --" ("no"" OR 1=1 --" TEXT PRIMARY KEY, "a'b ?1 %s select" TEXT)`, nil); err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.Kind().Open(&sqlite.Settings{Path: path}, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	columns := []record.Column{{Name: key, Kind: record.String}, {Name: other, Kind: record.String}}
	oddNames(t, c, connectors.Resource{
		Name: "odd", Settings: &sqlite.Resource{Table: table}, Zone: time.UTC, Read: columns, ReadKey: []string{key}, Cursor: other, CursorKind: record.String,
		Write: columns, WriteKey: []string{key}, Returning: []string{key},
	})
	if err := sqlitex.ExecuteTransient(db, "SELECT count(*) FROM kept", nil); err != nil {
		t.Error(err)
	}
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
