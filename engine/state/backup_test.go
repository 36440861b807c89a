package state_test

import (
	"testing"
	"time"

	"headgate/engine/state"
)

// TestBackupNames: two backups of one second are two, the newer one behind the other.
func TestBackupNames(t *testing.T) {
	t.Parallel()
	taken := time.Date(2026, 11, 25, 22, 45, 30, 999_000_000, time.UTC)
	before, after := state.BackupName(taken.Add(-time.Millisecond)), state.BackupName(taken)
	if at, ok := state.BackupTime("backups/" + after); before >= after || !ok || !at.Equal(taken) {
		t.Errorf("%s and %s: %s, %v", before, after, at, ok)
	}
}
