package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"headgate/rules"
)

// TestLogOfDurations: a log says how long a wait is as people do, in JSON too.
func TestLogOfDurations(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"json": `"wait":"2.191s"`, "text": "wait=2.191s"} {
		var out bytes.Buffer
		a := &app{out: &out, err: &out}
		set := &rules.Ruleset{}
		set.Settings.Log.Format = format
		a.logger(set).Info("a system failed, trying again", "wait", 2190786153*time.Nanosecond)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s, want %s", format, &out, want)
		}
	}
}
