package sqlite_test

import (
	"fmt"
	"testing"

	"headgate/connectors"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

// TestConflictsOfItsOwn: where a table or its triggers say what becomes of a conflict,
// that is done, of many rows as of one.
func TestConflictsOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]string{
		"trigger": `CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT);
			CREATE TRIGGER noted AFTER INSERT ON orders BEGIN INSERT OR IGNORE INTO customers VALUES (new.customer); END`,
		"column": `CREATE TABLE orders (no INTEGER PRIMARY KEY, customer TEXT UNIQUE ON CONFLICT REPLACE);
			CREATE TRIGGER noted AFTER INSERT ON orders WHEN new.no = 0 BEGIN INSERT INTO customers VALUES (new.customer); END`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/own.db"
			db := script(t, path, "CREATE TABLE customers (name TEXT PRIMARY KEY); "+schema)
			d := opened(t, path, connectors.Resource{
				Name: "orders", Settings: &sqlite.Resource{Table: "orders"}, WriteKey: []string{"no"},
				Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "customer", Kind: record.String}},
			})
			const lots, rows, customers = 3, 300, 7
			for lot := range lots {
				changes := make([]connectors.Change, rows)
				for i := range changes {
					no := lot*rows + i
					values := []record.Value{record.IntValue(int64(no)), record.StringValue(fmt.Sprint("C-", no%customers))}
					changes[i] = connectors.Change{Op: connectors.Create, Key: values[:1], Values: values}
				}
				receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: changes})
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range receipts {
					if r.Status != connectors.Applied {
						t.Fatalf("lot %d, row %d: %+v", lot, i, r)
					}
				}
			}
			want := map[string]string{"trigger": "900 7", "column": "7 1"}[name]
			if got := text(t, db, "SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(*) FROM customers)"); got != want {
				t.Errorf("orders and customers: %s, want %s", got, want)
			}
		})
	}
}
