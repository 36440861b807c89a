// Package sqlite is the connector to SQLite databases.
//
// It reads a table in keyset order and writes one transaction a lot. It never
// makes a database unless told to, and leaves the journal mode as it finds it. Where a
// resource says append, it adds each record once, under headgate's reference (once.go).
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
)

// Settings are those of a connector of this kind.
type Settings struct {
	Path        string        `hcl:"path" doc:"the database file; relative to the ruleset"`
	Create      bool          `hcl:"create,optional" doc:"make the file when it is not there (false)"`
	BusyTimeout time.Duration `hcl:"busy_timeout,optional" doc:"how long to wait for a lock (5s)"`
	ForeignKeys bool          `hcl:"foreign_keys,optional" doc:"what is written keeps to the foreign keys of its table (true); SQLite itself does not see to that"`
}

// Resource are the settings of a resource.
type Resource struct {
	Table  string `hcl:"table,optional" doc:"the table or view"`
	Query  string `hcl:"query,optional" doc:"a SELECT to read from instead of a table"`
	Append bool   `hcl:"append,optional" doc:"rows are added only, each record once: nothing is found or changed by its key"`
}

// Validate implements the check of load.
func (r *Resource) Validate() error {
	switch {
	case r.Table == "" && r.Query == "":
		return &connectors.FieldError{Field: "table", Err: errors.New("a resource needs a table, or a query to read")}
	case r.Table != "" && r.Query != "":
		return &connectors.FieldError{Field: "query", Err: errors.New("a resource has a table or a query, not both")}
	case r.Query != "" && r.Append:
		return &connectors.FieldError{Field: "append", Err: errors.New("a query is not written, and nothing is appended to it")}
	}
	return nil
}

// AppendOnly implements connectors.AppendOnly.
func (r *Resource) AppendOnly() bool { return r.Append }

// codes are the names of primary results, and what refusals of rows carry.
var codes = []string{
	"SQLITE_ERROR", "SQLITE_INTERNAL", "SQLITE_PERM", "SQLITE_ABORT", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM",
	"SQLITE_READONLY", "SQLITE_INTERRUPT", "SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_FULL", "SQLITE_CANTOPEN",
	"SQLITE_PROTOCOL", "SQLITE_SCHEMA", "SQLITE_AUTH", "SQLITE_NOTADB",
	"not_null", "unique", "foreign_key", "check", "too_long", "type",
}

// Kind is the connector type "sqlite".
func Kind() connectors.Kind {
	return connectors.Kind{
		Name: "sqlite", Summary: "a SQLite database file",
		Settings: func() any { return &Settings{BusyTimeout: 5 * time.Second, ForeignKeys: true} },
		Resource: func() any { return &Resource{} },
		Codes:    codes,
		Open: func(settings any, tools connectors.Tools) (connectors.Connector, error) {
			s := settings.(*Settings)
			path := s.Path
			if !filepath.IsAbs(path) {
				path = filepath.Join(tools.Dir, path)
			}
			path, err := filepath.Abs(path)
			return &connector{settings: s, path: path, tools: tools}, err
		},
	}
}

// connector holds one connection to read and one to write: a reader is not held
// up by a writer in WAL mode, and the two are used by different goroutines.
type connector struct {
	settings *Settings
	path     string
	tools    connectors.Tools
	reading  conn
	writing  conn
}

type conn struct {
	mu sync.Mutex
	db *sqlitedb.Conn
}

// Source implements connectors.Connector.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	return &source{table: newTable(c, r)}, nil
}

// Destination implements connectors.Connector.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	if r.Settings.(*Resource).Query != "" {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "write " + r.Name, Hint: "give it a table", Err: errors.New("a query cannot be written")}
	}
	d := &destination{table: newTable(c, r)}
	if d.settings().Append {
		return &once{d}, nil
	}
	return d, nil
}

// Close implements connectors.Connector.
func (c *connector) Close() error { return errors.Join(c.reading.close(), c.writing.close()) }

func (k *conn) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.db == nil {
		return nil
	}
	db := k.db
	k.db = nil
	return db.Close()
}

// with runs f on the connection, which it opens first. The context interrupts f.
func (c *connector) with(ctx context.Context, k *conn, readOnly bool, op string, f func(*sqlitedb.Conn) error) error {
	if c.tools.Wait != nil {
		if err := c.tools.Wait(ctx); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.db == nil {
		db, err := c.open(readOnly)
		if err != nil {
			return err
		}
		k.db = db
	}
	k.db.SetInterrupt(ctx.Done())
	defer k.db.SetInterrupt(nil)
	err := f(k.db)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(op, err)
}

// open opens the database. A connection to read is opened to write where that is
// allowed, and then kept from writing: only so can it roll back what a process
// that was killed left half done.
func (c *connector) open(readOnly bool) (*sqlitedb.Conn, error) {
	flags := sqlitedb.OpenReadWrite
	if _, err := os.Stat(c.path); err != nil {
		if !c.settings.Create {
			return nil, &connectors.Error{Class: connectors.Broken, Code: "SQLITE_CANTOPEN", Op: "open " + c.path, Hint: "mend the path, or write create = true", Err: errors.New("there is no such database")}
		}
		flags |= sqlitedb.OpenCreate
	}
	holdPages()
	db, err := sqlitedb.OpenConn(c.path, flags)
	if err != nil && readOnly {
		db, err = sqlitedb.OpenConn(c.path, sqlitedb.OpenReadOnly)
	}
	if err != nil {
		return nil, classify("open "+c.path, err)
	}
	db.SetBusyTimeout(c.settings.BusyTimeout)
	pragma := "PRAGMA query_only = ON"
	if !readOnly {
		pragma = fmt.Sprintf("PRAGMA foreign_keys = %t", c.settings.ForeignKeys)
	}
	if err := exec(db, pragma); err != nil {
		return nil, errors.Join(classify("open "+c.path, err), db.Close())
	}
	return db, nil
}

// classify says what an error of SQLite means for what is to be done.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, told := errors.AsType[*connectors.Error](err); told {
		return err
	}
	class, hint := connectors.Unclear, ""
	switch sqlitedb.ErrCode(err).ToPrimary() {
	case sqlitedb.ResultBusy, sqlitedb.ResultLocked:
		class, hint = connectors.Down, "another program holds a lock on the database"
	case sqlitedb.ResultFull:
		class, hint = connectors.Down, "the disk is full"
	case sqlitedb.ResultCantOpen, sqlitedb.ResultNotADB, sqlitedb.ResultCorrupt:
		class = connectors.Broken
	case sqlitedb.ResultReadOnly, sqlitedb.ResultPerm, sqlitedb.ResultAuth:
		class, hint = connectors.Broken, "the file or its directory cannot be written"
	case sqlitedb.ResultError:
		class = connectors.Broken
		if strings.Contains(err.Error(), "foreign key mismatch") {
			hint = "its tables declare a foreign key that cannot be kept: mend that, or write foreign_keys = false in the connector"
		}
	}
	return &connectors.Error{Class: class, Code: sqlitedb.ErrCode(err).ToPrimary().String(), Op: op, Hint: hint, Err: err}
}

// quote quotes an identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func placeOf(c *connector, r connectors.Resource) (string, error) {
	settings := r.Settings.(*Resource)
	if settings.Query != "" {
		return fmt.Sprintf("sqlite:%s#(%s)", c.path, strings.Join(strings.Fields(settings.Query), " ")), nil
	}
	return fmt.Sprintf("sqlite:%s#%s", c.path, settings.Table), nil
}
