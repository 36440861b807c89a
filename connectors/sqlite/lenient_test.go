package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

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
			db, err := sqlitedb.OpenConn(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if err := sqlitex.ExecuteScript(db, "CREATE TABLE customers (name TEXT PRIMARY KEY); "+schema, nil); err != nil {
				t.Fatal(err)
			}
			c, err := sqlite.Kind().Open(&sqlite.Settings{Path: path}, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			d, err := c.Destination(connectors.Resource{
				Name: "orders", Settings: &sqlite.Resource{Table: "orders"}, Zone: time.UTC, WriteKey: []string{"no"},
				Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "customer", Kind: record.String}},
			})
			if err != nil {
				t.Fatal(err)
			}
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
			err = sqlitex.ExecuteTransient(db, "SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(*) FROM customers)", &sqlitex.ExecOptions{
				ResultFunc: func(stmt *sqlitedb.Stmt) error {
					if got := stmt.ColumnText(0); got != want {
						t.Errorf("orders and customers: %s, want %s", got, want)
					}
					return nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
