package sqlite_test

import (
	"fmt"
	"testing"

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
