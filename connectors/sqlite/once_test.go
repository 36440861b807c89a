package sqlite_test

import (
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/sqlite"
)

// TestOnce: a table without a key is added to, each record once.
func TestOnce(t *testing.T) {
	t.Parallel()
	connectortest.RunOnce(t, func(t *testing.T, reference string) connectortest.Once {
		path := t.TempDir() + "/erp.db"
		db, err := sqlitedb.OpenConn(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if err := sqlitex.ExecuteTransient(db, "CREATE TABLE movements (code TEXT NOT NULL, qty INTEGER, ref TEXT)", nil); err != nil {
			t.Fatal(err)
		}
		c, err := sqlite.Kind().Open(&sqlite.Settings{Path: path, BusyTimeout: time.Minute}, connectors.Tools{Now: time.Now, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		d, err := c.Destination(connectors.Resource{
			Name: "movements", Settings: &sqlite.Resource{Table: "main.movements", Append: true}, Zone: time.UTC,
			Write: connectortest.OnceColumns(reference), Reference: reference,
		})
		if err != nil {
			t.Fatal(err)
		}
		return connectortest.Once{Destination: d, Codes: func() (codes []string) {
			err := sqlitex.ExecuteTransient(db, "SELECT code FROM movements", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlitedb.Stmt) error {
				codes = append(codes, stmt.ColumnText(0))
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			return codes
		}}
	})
}
