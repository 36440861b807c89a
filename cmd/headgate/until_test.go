package main

import (
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// untilDeadline is how long a script waits for a daemon to do what it must.
const untilDeadline = 30 * time.Second

// until runs a command again and again until what it prints matches; with "! until"
// until it does not:
//
//	until '3 created' headgate status
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND …")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(untilDeadline); ; {
		_ = ts.Exec(args[1], args[2:]...) // what it prints is what counts
		output := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if pattern.MatchString(output) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v did not come to print %q within %s", args[1:], args[0], untilDeadline)
		}
		<-time.After(20 * time.Millisecond)
	}
}
