package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// sql runs a statement on a SQLite file, which it makes, and prints its rows:
//
//	sql erp.db 'SELECT count(*) FROM orders'
func sql(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db, err := sqlitedb.OpenConn(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	err = sqlitex.ExecuteTransient(db, args[1], &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlitedb.Stmt) error {
		var cells []string
		for i := range stmt.ColumnCount() {
			cells = append(cells, stmt.ColumnText(i))
		}
		_, err := fmt.Fprintln(ts.Stdout(), strings.Join(cells, "|"))
		return err
	}})
	ts.Check(err)
}

// wantExit runs a command that must leave with the given code:
//
//	exit 3 headgate check
func wantExit(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(*exec.ExitError); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%v left with %d, want %d", args[1:], got, want)
	}
}
