package simulation

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain collects garbage an eighth as often: a world is small, there are a hundred
// thousand, and a third of their time went into it.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
	os.Exit(m.Run())
}
