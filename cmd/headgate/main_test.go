package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"go.uber.org/goleak"
	"headgate/connectors/http/shopapi"
)

// Under the race detector a process sleeps for a second before it ends, so that other
// threads may still tell of a race. The tests start thousands.
const raceVariable, raceOptions = "GORACE", "atexit_sleep_ms=10"

// TestMain makes the binary itself a command of the scripts.
func TestMain(m *testing.M) {
	if err := os.Setenv(raceVariable, raceOptions); err != nil {
		panic(err)
	}
	testscript.Main(leakless{m}, map[string]func(){
		"headgate":  headgateGated,
		"order-api": serveAPI,
	})
}

// headgateGated is headgate, whose calls a test may let fail.
func headgateGated() {
	if err := handOver(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUngated)
	}
	os.Exit(Main())
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
			e.Setenv(raceVariable, raceOptions)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"age": age, "sql": sql, "exit": wantExit, "until": until, "shopapi": shop},
	})
}

// shop opens an API of orders at $SHOP, whose first requests fail as named.
func shop(ts *testscript.TestScript, _ bool, faults []string) {
	var ways []shopapi.Fault
	for _, name := range faults {
		way, err := shopapi.FaultNamed(name)
		ts.Check(err)
		ways = append(ways, way)
	}
	s, err := shopapi.Open(shopapi.Config{Fault: func(n int64, _ *http.Request) shopapi.Fault {
		if n > int64(len(ways)) {
			return shopapi.None
		}
		return ways[n-1]
	}})
	ts.Check(err)
	server := httptest.NewServer(s)
	ts.Defer(server.Close)
	ts.Setenv("SHOP", server.URL)
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
