package sqlite_test

import (
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/sqlite"
)

// script makes a database and returns a connection to it.
func script(t *testing.T, path, sql string) *sqlitedb.Conn {
	t.Helper()
	db, err := sqlitedb.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := sqlitex.ExecuteScript(db, sql, nil); err != nil {
		t.Fatal(err)
	}
	return db
}

// text returns the one text that a query answers with.
func text(t *testing.T, db *sqlitedb.Conn, query string) (found string) {
	t.Helper()
	err := sqlitex.ExecuteTransient(db, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlitedb.Stmt) error {
		found = stmt.ColumnText(0)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// opened opens a database to write one of its tables.
func opened(t *testing.T, path string, r connectors.Resource) connectors.Destination {
	t.Helper()
	c, err := sqlite.Kind().Open(&sqlite.Settings{Path: path, BusyTimeout: time.Minute, ForeignKeys: true}, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r.Zone = time.UTC
	d, err := c.Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
