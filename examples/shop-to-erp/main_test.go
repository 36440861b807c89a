package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What differs from run to run: how long it took, and when.
var (
	elapsed = regexp.MustCompile(`in [0-9.]+(µs|ms|s)\b`)
	moment  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\dZ)?`)
)

// varying is what differs from run to run while the daemon works beside: how often
// flows ran until somebody looked, and when.
var varying = []struct {
	pattern *regexp.Regexp
	shown   string
}{
	{regexp.MustCompile(`headgate [^\n]*, process \d+, runs for \S+;`), "headgate …, process …, runs for …;"},
	{regexp.MustCompile(`taken \S+ ago`), "taken … ago"},
	{regexp.MustCompile(`mistakes? for \S+;`), "mistakes for …;"},
	{regexp.MustCompile(`  last success [^\n]*`), "  last success … ago, lag at most …, next run in …"},
	{regexp.MustCompile(`oldest for \S+:`), "oldest for …:"},
	{regexp.MustCompile(`\)  (waiting|running[^\n]*)\n`), ")  waiting\n"},
	{regexp.MustCompile(`\d+ read in all`), "… read in all"},
	{regexp.MustCompile(`(, \d+ unchanged)?, \d+ duplicate`), ", … duplicate"},
	{regexp.MustCompile(`, \d+ unchanged`), ", … unchanged"},
	{regexp.MustCompile(`in batch \d+ of pass \d+`), "in batch … of pass …"},
	{regexp.MustCompile(`\d+ batches, \d+ records read`), "… batches, … records read"},
}

// shownOutput is the output without what differs from run to run.
func shownOutput(out []byte) []byte {
	out = moment.ReplaceAll(elapsed.ReplaceAll(out, []byte("in …")), []byte("YYYY-MM-DD hh:mm"))
	first, beside, _ := bytes.Cut(out, []byte(daemonSteps[0].why))
	for _, v := range varying {
		beside = v.pattern.ReplaceAll(beside, []byte(v.shown))
	}
	return slices.Concat(first, []byte(daemonSteps[0].why), beside)
}

// counters are the lines of status that depend on how often flows ran until somebody
// looked; what the steps wait for is in them, so that a step that never comes fails.
var counters = regexp.MustCompile(`(?m)^  (last success|… read in all|guard|waiting for a person)[^\n]*\n`)

// steady is the shown output without the counters of a daemon at work.
func steady(shown []byte) string { return string(counters.ReplaceAll(shown, nil)) }

// TestDemo keeps the shown output true. UPDATE=1 writes it anew.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo(t.Context(), t.TempDir(), &out); err != nil {
		t.Fatal(err)
	}
	got := shownOutput(out.Bytes())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("output.txt", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(steady(want), steady(got)); diff != "" {
		t.Errorf("the demo prints something else (-want +got):\n%s", diff)
	}
}
