package engine_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// histories is how many worlds each test makes up that tries more than it is told:
// HEADGATE_TEST_HISTORIES, or some.
var histories = 20

// TestMain holds that no test leaves a goroutine behind.
func TestMain(m *testing.M) {
	if text := os.Getenv("HEADGATE_TEST_HISTORIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "HEADGATE_TEST_HISTORIES=%s is not a number of histories\n", text)
			os.Exit(2)
		}
		histories = n
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(histories)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
