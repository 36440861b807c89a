package watch

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that no watcher leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
