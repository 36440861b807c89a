package sqlite_test

import (
	"testing"

	"headgate/connectors"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

// TestRowsOwnErrors: whatever SQLite says of one row is said of that row, alone and among
// others: also what only fails when an index or a trigger reads the value, and what a
// trigger or a conflict clause leaves out without an error.
func TestRowsOwnErrors(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]string{
		"generated column": `CREATE TABLE orders (no TEXT, doc TEXT, a AS (json_extract(doc, '$.a')) STORED)`,
		"index":            `CREATE TABLE orders (no TEXT, doc TEXT); CREATE INDEX a ON orders (json_extract(doc, '$.a'))`,
		"check":            `CREATE TABLE orders (no TEXT, doc TEXT CHECK (json_extract(doc, '$.a') > 0))`,
		"trigger":          `CREATE TABLE orders (no TEXT, doc TEXT); CREATE TABLE log (a); CREATE TRIGGER t AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (json_extract(new.doc, '$.a')); END`,
		"strict":           `CREATE TABLE orders (no TEXT, doc TEXT CHECK (json_valid(doc))) STRICT`,
		"ignored":          `CREATE TABLE orders (no TEXT, doc TEXT); CREATE TRIGGER t BEFORE INSERT ON orders WHEN new.doc = 'bad' BEGIN SELECT raise(IGNORE); END`,
		"on conflict":      `CREATE TABLE orders (no TEXT, doc TEXT NOT NULL ON CONFLICT IGNORE)`,
		"view":             `CREATE TABLE kept (no TEXT, doc TEXT CHECK (json_valid(doc))); CREATE VIEW orders AS SELECT * FROM kept; CREATE TRIGGER t INSTEAD OF INSERT ON orders BEGIN INSERT INTO kept VALUES (new.no, new.doc); END`,
	} {
		for how, appended := range map[string]bool{"written": false, "added to": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				path := t.TempDir() + "/rows.db"
				db := script(t, path, schema)
				d := opened(t, path, connectors.Resource{
					Name: "orders", Settings: &sqlite.Resource{Table: "orders", Append: appended}, WriteKey: []string{"no"},
					Write: []record.Column{{Name: "no", Kind: record.String}, {Name: "doc", Kind: record.String}},
				})
				bad := record.StringValue("bad")
				if name == "on conflict" {
					bad = record.NullValue()
				}
				rows := 0
				for _, size := range []int{1, 4, 120} {
					var lot connectors.Lot
					for i := range size {
						values := []record.Value{record.StringValue(string(rune('A'+size)) + string(rune('A'+i))), record.StringValue(`{"a": 1}`)}
						if i == size/2 {
							values[1] = bad
						}
						lot.Changes = append(lot.Changes, connectors.Change{Op: connectors.Create, Key: values[:1], Values: values, Reference: values[0].Str()})
					}
					receipts, err := d.Apply(t.Context(), lot)
					if err != nil {
						t.Fatal(err)
					}
					for i, r := range receipts {
						want := connectors.Applied
						if i == size/2 {
							want = connectors.Refused
						} else {
							rows++
						}
						if r.Status != want || want == connectors.Refused && r.Words == "" {
							t.Errorf("row %d of %d: %+v, want status %d", i, size, r, want)
						}
					}
				}
				if got := text(t, db, "SELECT count(*) FROM orders"); got != record.IntValue(int64(rows)).Text() {
					t.Errorf("the table holds %s rows, want %d", got, rows)
				}
			})
		}
	}
}
