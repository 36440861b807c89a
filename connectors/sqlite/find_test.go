package sqlite_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

// TestFindTexts: keys are found whatever the column's type, order and index are, those
// between which the table has no row and those at its edges among them.
func TestFindTexts(t *testing.T) {
	t.Parallel()
	held := []string{"", "9", "10", "A", "B", "a", "ä", "Ä", "z z", "zz", "\x7f", "€", "🂡"}
	asked := [][]string{
		{"A", "C"}, {"A1", "A2"}, {"B", "a"}, {"C", "D"}, {"", "!"}, {"z", "zy"}, {"🂡", "🂢"}, {"🂢", "🂣"}, {"10", "9"}, {"1", "11"}, {"b", "ä"}, {"", "🂣"}, held,
	}
	for _, table := range []string{
		"(no TEXT PRIMARY KEY)", "(no TEXT)", "(no TEXT COLLATE NOCASE PRIMARY KEY)", "(no TEXT COLLATE NOCASE, UNIQUE (no COLLATE BINARY))",
		"(no)", "(no PRIMARY KEY)", "(no NUMERIC PRIMARY KEY)", "(no BLOB PRIMARY KEY)", "(no TEXT PRIMARY KEY) WITHOUT ROWID",
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "db.sqlite")
			db, err := sqlitedb.OpenConn(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if err := sqlitex.ExecuteTransient(db, "CREATE TABLE rows "+table, nil); err != nil {
				t.Fatal(err)
			}
			var has []string
			for _, text := range held {
				if sqlitex.ExecuteTransient(db, "INSERT INTO rows VALUES (?)", &sqlitex.ExecOptions{Args: []any{text}}) == nil {
					has = append(has, text) // one that differs in case only may be refused
				}
			}
			for _, keys := range asked {
				want := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !slices.Contains(has, k) })
				if got := findTexts(t, path, keys); !slices.Equal(got, want) {
					t.Errorf("of %q it found %q, want %q", keys, got, want)
				}
			}
		})
	}
}

// findTexts are the keys that are found, in the order asked.
func findTexts(t *testing.T, path string, keys []string) []string {
	t.Helper()
	settings := sqlite.Kind().Settings().(*sqlite.Settings)
	settings.Path = path
	c, err := sqlite.Kind().Open(settings, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	d, err := c.Destination(connectors.Resource{
		Name: "rows", Settings: &sqlite.Resource{Table: "rows"}, Zone: time.UTC, WriteKey: []string{"no"}, Write: []record.Column{{Name: "no", Kind: record.String}},
	})
	if err != nil {
		t.Fatal(err)
	}
	query := connectors.Query{}
	for _, k := range keys {
		query.Keys = append(query.Keys, []record.Value{record.StringValue(k)})
	}
	found, err := d.(connectors.Finder).Find(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(keys))
	for _, f := range found {
		if got[f.At] != "" {
			t.Errorf("%q was found twice", keys[f.At])
		}
		got[f.At] = fmt.Sprintf("%s.", keys[f.At])
	}
	got = slices.DeleteFunc(got, func(s string) bool { return s == "" })
	for i := range got {
		got[i] = got[i][:len(got[i])-1]
	}
	return got
}
