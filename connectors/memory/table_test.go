package memory_test

import (
	"context"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine/record"
)

func text(s string) record.Value { return record.StringValue(s) }

// resource is a table of three text columns whose key is "no".
func resource() connectors.Resource {
	return connectors.Resource{
		Settings: &memory.ResourceSettings{Table: "t"}, Zone: time.UTC,
		Read:    []record.Column{{Name: "no"}, {Name: "mail"}, {Name: "gone"}},
		Write:   []record.Column{{Name: "no"}, {Name: "mail"}},
		ReadKey: []string{"no"}, WriteKey: []string{"no"}, Returning: []string{"id"},
	}
}

func apply(t *testing.T, store *memory.Store, r connectors.Resource, changes ...connectors.Change) []connectors.Receipt {
	t.Helper()
	conn, err := memory.Kind(store).Open(&memory.Settings{}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	dest, err := conn.Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := dest.Apply(context.Background(), connectors.Lot{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

func create(no, mail string) connectors.Change {
	return connectors.Change{Op: connectors.Create, Key: []record.Value{text(no)}, Values: []record.Value{text(no), text(mail)}}
}

func TestUniqueAndSerial(t *testing.T) {
	t.Parallel()
	store := memory.New()
	table := store.Create("t", "id", "no", "mail", "gone")
	table.Unique, table.Serial = []string{"mail"}, "id"
	receipts := apply(t, store, resource(), create("1", "a"), create("2", "a"), create("3", "b"), create("1", "a"), create("1", "c"))
	want := []struct {
		status connectors.Status
		code   string
		id     int64
	}{
		{connectors.Applied, "", 1}, {connectors.Refused, "unique", 0}, {connectors.Applied, "", 2},
		{connectors.Same, "", 1}, {connectors.Refused, "unique", 0},
	}
	for i, r := range receipts {
		if r.Status != want[i].status || r.Code != want[i].code || want[i].id != 0 && (len(r.Row) != 1 || r.Row[0].Int() != want[i].id) {
			t.Errorf("change %d: %+v, want %+v", i, r, want[i])
		}
	}
	if table.Len() != 2 {
		t.Errorf("%d rows", table.Len())
	}
}

// TestDeleteByColumns: a resource may say by columns that a record is gone.
func TestDeleteByColumns(t *testing.T) {
	t.Parallel()
	store := memory.New()
	table := store.Create("t", "id", "no", "mail", "gone")
	table.Insert(record.IntValue(7), text("1"), text("a"))
	r := resource()
	r.Delete = []connectors.DeleteColumn{{Column: "gone", Value: text("yes")}}
	gone := connectors.Change{Op: connectors.Delete, Key: []record.Value{text("1")}}
	for i, want := range []connectors.Status{connectors.Applied, connectors.Same} {
		if receipts := apply(t, store, r, gone); receipts[0].Status != want {
			t.Errorf("delete %d: %+v", i, receipts[0])
		}
	}
	if rows := table.Rows(); len(rows) != 1 || rows[0][3].Str() != "yes" {
		t.Errorf("rows %v", rows)
	}
	if n := table.Set("no", text("1"), "gone", text("no")); n != 1 {
		t.Errorf("set changed %d rows", n)
	}
	if n := table.Remove("no", text("1")); n != 1 || table.Len() != 0 {
		t.Errorf("removed %d rows", n)
	}
}

// TestMissingTable: a table that is not there is broken, not empty.
func TestMissingTable(t *testing.T) {
	t.Parallel()
	conn, err := memory.Kind(memory.New()).Open(&memory.Settings{}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	source, err := conn.Source(resource())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Read(context.Background(), connectors.Part{}, "", 1); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("%v", err)
	}
}

// TestNullCursor: rows without a cursor are read in every pass.
func TestNullCursor(t *testing.T) {
	t.Parallel()
	store := memory.New()
	table := store.Create("t", "id", "no", "mail", "gone")
	table.Insert(record.IntValue(1), text("1"))
	table.Insert(record.IntValue(2), text("2"), text("b"))
	r := resource()
	r.Cursor = "mail"
	conn, err := memory.Kind(store).Open(&memory.Settings{}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	source, err := conn.Source(r)
	if err != nil {
		t.Fatal(err)
	}
	position := record.Position("")
	for pass, want := range []int{2, 1, 1} {
		page, err := source.Read(context.Background(), connectors.Part{}, position, 10)
		if err != nil || page.Len() != want || !page.End() {
			t.Fatalf("pass %d: %d rows, %v", pass, page.Len(), err)
		}
		position = page.EndPosition()
	}
}
