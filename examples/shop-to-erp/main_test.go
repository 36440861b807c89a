package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What differs from run to run: how long it took, and when.
var (
	elapsed = regexp.MustCompile(`in [0-9.]+(µs|ms|s)\b`)
	moment  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\dZ)?`)
)

// TestDemo keeps the shown output true. UPDATE=1 writes it anew.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo(t.Context(), t.TempDir(), &out); err != nil {
		t.Fatal(err)
	}
	got := moment.ReplaceAll(elapsed.ReplaceAll(out.Bytes(), []byte("in …")), []byte("YYYY-MM-DD hh:mm"))
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("output.txt", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the demo prints something else (-want +got):\n%s", diff)
	}
}
