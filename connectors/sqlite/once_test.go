package sqlite_test

import (
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

// TestOnce: a table without a key is added to, each record once.
func TestOnce(t *testing.T) {
	t.Parallel()
	connectortest.RunOnce(t, func(t *testing.T, r connectors.Resource) connectortest.Once {
		path := t.TempDir() + "/erp.db"
		db := script(t, path, "CREATE TABLE movements (code TEXT NOT NULL, qty INTEGER, seen TEXT, ref TEXT, no)")
		r.Settings = &sqlite.Resource{Table: "main.Movements", Append: true}
		return connectortest.Once{Destination: opened(t, path, r), Codes: func() []string {
			return strings.Fields(text(t, db, "SELECT coalesce(group_concat(code, ' '), '') FROM movements"))
		}}
	})
}

// TestOnceElsewhere: what was added to one table is new to another beside it, however
// the name of that is written.
func TestOnceElsewhere(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/erp.db"
	db := script(t, path, "CREATE TABLE x (a); CREATE TRIGGER MOVEMENTS AFTER INSERT ON x BEGIN SELECT 1; END; CREATE TABLE Movements (code TEXT); CREATE TABLE archive (code TEXT)")
	for _, x := range []struct {
		table string
		want  connectors.Status
	}{{"Movements", connectors.Applied}, {"archive", connectors.Applied}, {"movements", connectors.Same}, {"main.ARCHIVE", connectors.Same}} {
		d := opened(t, path, connectors.Resource{Settings: &sqlite.Resource{Table: x.table, Append: true}, Write: []record.Column{{Name: "code", Kind: record.String}}})
		receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{
			{Op: connectors.Create, Reference: "R-1", Values: []record.Value{record.StringValue("A")}},
		}})
		if err != nil || receipts[0].Status != x.want {
			t.Errorf("%s: %+v, %v", x.table, receipts, err)
		}
	}
	if got := text(t, db, "SELECT group_concat(added_to, ' ') FROM headgate_reference"); got != "Movements archive" {
		t.Errorf("added to: %s", got)
	}
	if got := text(t, db, "SELECT (SELECT count(*) FROM movements) || ' ' || (SELECT count(*) FROM archive)"); got != "1 1" {
		t.Errorf("movements and archive: %s", got)
	}
}

// TestOnceStored: a row is compared in the form in which its columns keep it.
func TestOnceStored(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/erp.db"
	script(t, path, "CREATE TABLE movements (ref TEXT, n NUMERIC, r REAL, i INTEGER, s TEXT COLLATE NOCASE, at DATETIME, d)")
	r := connectors.Resource{
		Settings: &sqlite.Resource{Table: "movements", Append: true}, Reference: "ref", Content: []bool{false, true, true, true, true, true, true},
		Write: []record.Column{
			{Name: "ref", Kind: record.String}, {Name: "n", Kind: record.Decimal}, {Name: "r", Kind: record.Decimal}, {Name: "i", Kind: record.String},
			{Name: "s", Kind: record.String}, {Name: "at", Kind: record.Time}, {Name: "d", Kind: record.Decimal},
		},
	}
	d := opened(t, path, r)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	values := func() []record.Value {
		number := func(s string) record.Value {
			n, err := record.ParseNumber(s, false)
			if err != nil {
				t.Fatal(err)
			}
			return record.DecimalValue(n)
		}
		return []record.Value{
			record.StringValue("R-1"), number("0.1234567890123456789"), number("0.1"), record.StringValue("007"),
			record.StringValue("Abc"), record.TimeValue(at), number("1.10"),
		}
	}
	send := func(values []record.Value) connectors.Receipt {
		t.Helper()
		receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Reference: "R-1", Values: values}}})
		if err != nil {
			t.Fatal(err)
		}
		return receipts[0]
	}
	for _, want := range []connectors.Status{connectors.Applied, connectors.Same} {
		if got := send(values()); got.Status != want {
			t.Errorf("%+v, want status %d", got, want)
		}
	}
	for i, other := range map[int]record.Value{
		1: record.NullValue(), 2: record.IntValue(0), 3: record.StringValue("8"), 4: record.StringValue("abc"), 5: record.TimeValue(at.Add(1)), 6: record.IntValue(1),
	} {
		changed := values()
		changed[i] = other
		if got := send(changed); got.Status != connectors.Refused || got.Code != connectors.CodeAppendOnly {
			t.Errorf("column %s changed: %+v", r.Write[i].Name, got)
		}
	}
}
