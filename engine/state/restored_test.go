package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"headgate/engine/state"
)

// closed makes a state, settles a batch more each time, and closes it.
func closed(t *testing.T, dir string, batch int) []byte {
	t.Helper()
	db := open(t, dir)
	if err := errors.Join(ledger(t, db).Settle(settlement(batch, 20)), db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, state.FileName))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOlderFile: a file that is older than what was last seen beside it counts as
// restored, whoever put it there; one that goes on does not.
func TestOlderFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	older := closed(t, dir, 0)
	closed(t, dir, 1)
	db := open(t, dir)
	if taken := db.Restored(); !taken.IsZero() {
		t.Errorf("a state that went on is one restored from a backup of %s", taken)
	}
	if err := errors.Join(db.Close(), os.WriteFile(filepath.Join(dir, state.FileName), older, 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it stays one
		db := open(t, dir)
		if db.Restored().IsZero() {
			t.Error("an older file was taken for the state as it was")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForeignFile: the state of another installation is refused.
func TestForeignFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closed(t, dir, 0)
	theirs := closed(t, t.TempDir(), 0)
	if err := os.WriteFile(filepath.Join(dir, state.FileName), theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(dir, now); !errors.Is(err, state.ErrForeign) {
		t.Errorf("another installation's state: %v", err)
	}
}

// TestGone: a state that was there is not begun anew by itself.
func TestGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closed(t, dir, 0)
	if err := os.Remove(filepath.Join(dir, state.FileName)); err != nil {
		t.Fatal(err)
	}
	if unclean, err := state.Unclean(dir); !unclean || err != nil {
		t.Errorf("a state that is gone: unclean %t, %v", unclean, err)
	}
	if _, err := state.Open(dir, now); !state.Damaged(err) {
		t.Errorf("a state that is gone: %v", err)
	}
}

// TestBackup: a backup is good before it has its name, is taken of what is settled, and
// overwrites nothing.
func TestBackup(t *testing.T) {
	t.Parallel()
	dir, into := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	closed(t, dir, 0)
	db := open(t, dir)
	bad := errors.New("bad")
	if err := db.Backup(into, func(string) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("a backup that is not good: %v", err)
	}
	if left, _ := filepath.Glob(into + "*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	check := func(path string) error { _, err := state.Check(path); return err }
	if err := db.Backup(into, check); err != nil {
		t.Fatal(err)
	}
	if err := db.Backup(into, check); err == nil {
		t.Error("a backup was overwritten")
	}
	found, err := state.Check(into)
	if err != nil || found.Taken.IsZero() || found.Values < 20 || found.Ledgers != 1 {
		t.Errorf("the backup: %+v, %v", found, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRestoredAfterCrash: a backup that is newer than what was noted when the state was
// opened last is one all the same: the process that went on behind it crashed.
func TestRestoredAfterCrash(t *testing.T) {
	t.Parallel()
	dir, crashed, into := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	db := open(t, dir)
	l := ledger(t, db)
	for batch := range 3 {
		if err := l.Settle(settlement(batch, 20)); err != nil {
			t.Fatal(err)
		}
		if batch == 1 {
			if err := db.Backup(into, func(string) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil { // as it is found after a crash
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Restore(crashed, into, now()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it stays one
		db := open(t, crashed)
		if db.Restored().IsZero() || db.RestoredAt().IsZero() {
			t.Errorf("a backup was taken for the state as it was: of %s, restored %s", db.Restored(), db.RestoredAt())
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
