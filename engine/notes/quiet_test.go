package notes

import (
	"os"
	"testing"
	"time"
)

// TestQuietOutlivesTheProcess: when a system may be asked again is known to the next
// process, and a note that is broken says nothing.
func TestQuietOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	n := &Notes{dir: t.TempDir()}
	if got := n.Quiet("erp/api"); !got.IsZero() {
		t.Errorf("nobody kept anything: %s", got)
	}
	until := time.Date(2026, 11, 2, 9, 0, 0, 5, time.UTC)
	if err := n.KeepQuiet("erp/api", until); err != nil {
		t.Fatal(err)
	}
	if got := (&Notes{dir: n.dir}).Quiet("erp/api"); !got.Equal(until) {
		t.Errorf("kept %s, want %s", got, until)
	}
	if err := os.WriteFile(n.quietPath("erp/api"), []byte("2026-"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := n.Quiet("erp/api"); !got.IsZero() {
		t.Errorf("half a note says %s", got)
	}
}
