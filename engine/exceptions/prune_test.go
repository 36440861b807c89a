package exceptions_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/exceptions"
)

// TestPrune: rotated files that are old enough go; what waits in them stays, since
// when it waited; what is newer stays as it is.
func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, err := exceptions.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	log.MaxSize = 1000
	for i := range 20 {
		lines := []engine.Exception{exception(fmt.Sprintf("x%02d", i), "")}
		if i != 1 && i != 19 {
			lines = append(lines, exception(lines[0].ID, "delivered"))
		}
		if err := log.Append(lines); err != nil {
			t.Fatal(err)
		}
	}
	rotated := func() []string {
		names, err := filepath.Glob(filepath.Join(dir, "exceptions-0*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	before := rotated()
	old := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, name := range before[:len(before)-1] {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Prune(old); err != nil || len(rotated()) != len(before) {
		t.Errorf("nothing is older than the oldest: %v, %v", err, rotated())
	}
	if err := log.Prune(old.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if left := rotated(); left[0] != before[len(before)-1] {
		t.Errorf("left %v of %v", left, before)
	}
	if got := ids(t, dir); got != "x19 x01" {
		t.Errorf("open: %s", got)
	}
	open, _, err := exceptions.Current(dir)
	if err != nil || !open[1].Time.Equal(exception("", "").Time) {
		t.Errorf("since %v, %v", open, err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
