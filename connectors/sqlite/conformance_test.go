package sqlite_test

import (
	"path/filepath"
	"testing"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/sqlite"
	"headgate/engine/record"
)

const createRows = `CREATE TABLE rows (no INTEGER PRIMARY KEY, code TEXT NOT NULL, amount TEXT, done INTEGER, day TEXT, at TEXT, note TEXT)`

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Suite{
		New: newSystem, Source: true, Destination: true, Cursor: true, Getter: true, Finder: true,
	})
}

func newSystem(t *testing.T) connectortest.System {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.sqlite")
	db, err := sqlitedb.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := sqlitex.ExecuteTransient(db, createRows, nil); err != nil {
		t.Fatal(err)
	}
	resource := &sqlite.Resource{Table: "rows"}
	settings := sqlite.Kind().Settings().(*sqlite.Settings)
	settings.Path = path
	return connectortest.System{
		Kind: sqlite.Kind(), Settings: settings, SourceSettings: resource, DestinationSettings: resource,
		Put: func(t *testing.T, rows []record.Row) {
			for _, row := range rows {
				args := make([]any, len(row))
				for i, v := range row {
					switch {
					case v.Missing():
					case v.Kind() == record.Int:
						args[i] = v.Int()
					case v.Kind() == record.Bool:
						args[i] = v.Bool()
					default:
						args[i] = v.Text()
					}
				}
				if err := sqlitex.ExecuteTransient(db, `INSERT INTO rows VALUES (?,?,?,?,?,?,?)`, &sqlitex.ExecOptions{Args: args}); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

var _ connectors.Connector
