package main

import (
	"errors"
	"testing"
	"time"

	"headgate/rules"
)

// TestWaiter: whoever waits for the rate asks after the wait whether the request may
// be made: the system may have asked to be left alone meanwhile.
func TestWaiter(t *testing.T) {
	t.Parallel()
	alone := errors.New("leave it alone")
	var answer error
	for _, r := range []rules.Rate{{}, {Count: 1, Per: time.Millisecond}} {
		wait := waiter(r, func() error { return answer })
		for _, answer = range []error{nil, alone, nil} {
			if err := wait(t.Context()); !errors.Is(err, answer) {
				t.Errorf("%v: %v, want %v", r, err, answer)
			}
		}
	}
}
