package main

import (
	"bytes"
	"strings"
	"testing"

	"headgate/engine/record"
	"headgate/rules"
)

// TestLogActsOnNothing: no log, in either form, holds what a terminal or a viewer acts on.
func TestLogActsOnNothing(t *testing.T) {
	t.Parallel()
	const hostile = "a\x1b[31m\u009b31m\u202eb\u2066c\u061cd\u200f"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		set := &rules.Ruleset{}
		set.Settings.Log.Format = format
		(&app{err: &out}).logger(set).Warn(hostile, "part", hostile)
		if strings.Count(out.String(), "31m") != 4 {
			t.Errorf("%s: something is missing of %q", format, out.String())
		}
		if strings.ContainsFunc(strings.TrimSuffix(out.String(), "\n"), record.Acts) {
			t.Errorf("%s: %q acts", format, out.String())
		}
	}
}

// TestOneLine: a text that is shown within a line stays in it.
func TestOneLine(t *testing.T) {
	t.Parallel()
	if got, want := oneLine("a\nb\tc\rd\x1b[2J"), "a⏎b c\ufffdd\ufffd[2J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
