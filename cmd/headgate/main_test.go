package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain makes the binary itself a command of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){
		"headgate":  func() { os.Exit(Main()) },
		"order-api": serveAPI,
	})
}

// leakless runs the tests, and fails when one of them left a goroutine behind.
type leakless struct{ *testing.M }

// Run implements testscript.TestingM.
func (l leakless) Run() int {
	code := l.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs each file of testdata/scripts as an operator would.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/scripts",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"age": age, "sql": sql, "exit": wantExit, "until": until},
	})
}

// age makes files an hour old, as files that are no longer written are.
func age(ts *testscript.TestScript, _ bool, patterns []string) {
	for _, pattern := range patterns {
		names, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		for _, name := range names {
			then := time.Now().Add(-time.Hour)
			ts.Check(os.Chtimes(name, then, then))
		}
	}
}
