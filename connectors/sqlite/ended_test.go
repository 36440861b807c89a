package sqlite_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

// TestTransactionEnded: a row whose refusal ends the transaction, or comes when it ends,
// is refused, and takes none with it.
func TestTransactionEnded(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]string{
		"trigger":  `CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT); CREATE TRIGGER strict BEFORE INSERT ON orders WHEN new.customer = 'bad' BEGIN SELECT raise(ROLLBACK, 'no such customer'); END`,
		"column":   `CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT CHECK (customer <> 'bad')); CREATE TRIGGER own AFTER INSERT ON orders WHEN new.customer = 'bad' BEGIN SELECT raise(ROLLBACK, 'no'); END`,
		"rollback": `CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT NOT NULL ON CONFLICT ROLLBACK CHECK (customer <> 'bad'))`,
		"deferred": `CREATE TABLE customers (name TEXT PRIMARY KEY); INSERT INTO customers VALUES ('good');
			CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT REFERENCES customers DEFERRABLE INITIALLY DEFERRED)`,
	} {
		for _, rows := range []int{1, 2, 7, 60} {
			t.Run(fmt.Sprintf("%s of %d", name, rows), func(t *testing.T) {
				t.Parallel()
				path := t.TempDir() + "/ended.db"
				db := script(t, path, schema)
				d := opened(t, path, connectors.Resource{
					Name: "orders", Settings: &sqlite.Resource{Table: "orders"}, WriteKey: []string{"no"},
					Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "customer", Kind: record.String}},
				})
				bad := map[int]bool{0: true, rows / 2: true, rows - 1: true}
				var lot connectors.Lot
				for i := range rows {
					values := []record.Value{record.IntValue(int64(i)), record.StringValue("good")}
					if bad[i] {
						values[1] = record.StringValue("bad")
						if name == "rollback" {
							values[1] = record.NullValue()
						}
					}
					lot.Changes = append(lot.Changes, connectors.Change{Op: connectors.Create, Key: values[:1], Values: values})
				}
				receipts, err := d.Apply(t.Context(), lot)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range receipts {
					if want := map[bool]connectors.Status{false: connectors.Applied, true: connectors.Refused}[bad[i]]; r.Status != want {
						t.Errorf("row %d: %+v, want status %d", i, r, want)
					}
				}
				if got, want := text(t, db, "SELECT count(*) FROM orders"), fmt.Sprint(rows-len(bad)); got != want {
					t.Errorf("the table holds %s rows, want %s", got, want)
				}
			})
		}
	}
}

// TestForeignKeys: what is written keeps to the foreign keys of its table, unless the
// operator says otherwise; and one that cannot be kept says how to go on.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/keys.db"
	script(t, path, `CREATE TABLE customers (name TEXT); CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT REFERENCES customers (name))`)
	r := connectors.Resource{
		Name: "orders", Settings: &sqlite.Resource{Table: "orders"}, WriteKey: []string{"no"}, Zone: time.UTC,
		Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "customer", Kind: record.String}},
	}
	values := []record.Value{record.IntValue(1), record.StringValue("nobody")}
	lot := connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Key: values[:1], Values: values}}}
	_, err := opened(t, path, r).Apply(t.Context(), lot)
	if told, ok := errors.AsType[*connectors.Error](err); !ok || told.Class != connectors.Broken || !strings.Contains(told.Hint, "foreign_keys = false") {
		t.Errorf("no index leads to customers: %v", err)
	}
	c, err := sqlite.Kind().Open(&sqlite.Settings{Path: path}, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	free, err := c.Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	if receipts, err := free.Apply(t.Context(), lot); err != nil || receipts[0].Status != connectors.Applied {
		t.Errorf("foreign_keys = false: %+v, %v", receipts, err)
	}
	script(t, path, "DELETE FROM orders; CREATE UNIQUE INDEX names ON customers (name)")
	if receipts, err := opened(t, path, r).Apply(t.Context(), lot); err != nil || receipts[0].Code != "foreign_key" {
		t.Errorf("nobody is no customer: %+v, %v", receipts, err)
	}
}
