package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// varying is what differs from run to run: how long it took, when and by whom it was
// run, and the digest of a ruleset that names the ports there were.
var varying = []struct {
	pattern *regexp.Regexp
	shown   string
}{
	{regexp.MustCompile(`in [0-9.]+(µs|ms|s)\b`), "in …"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\dZ)?`), "YYYY-MM-DD hh:mm"},
	{regexp.MustCompile(`ruleset [0-9a-f]{12}`), "ruleset …"},
	{regexp.MustCompile(`(delivered|closed|resolve) by [^:]+:`), "$1 by you:"},
}

// TestExample keeps the shown output true. UPDATE=1 writes it anew.
func TestExample(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo(t.Context(), t.TempDir(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	got := out.Bytes()
	for _, v := range varying {
		got = v.pattern.ReplaceAll(got, []byte(v.shown))
	}
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
		t.Errorf("the example prints something else (-want +got):\n%s", diff)
	}
}
