package engine

import (
	"slices"
	"testing"
)

// TestKeyText: the parts of a key come back from its text, whatever is in them.
func TestKeyText(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string][]string{
		`A-1`:                  {"A-1"},
		`a/b\c`:                {`a/b\c`},
		`12/POST`:              {"12", "POST"},
		`12/T-LIGHT W\/ LID/3`: {"12", "T-LIGHT W/ LID", "3"},
		`a\\/\\\/\//`:          {`a\`, `\//`, ""},
		`/`:                    {"", ""},
		`ü\/ö/→`:               {"ü/ö", "→"},
	} {
		if got := joinKey(parts); got != want {
			t.Errorf("%q is written %s, want %s", parts, got, want)
		}
		if got := splitKey(want, len(parts)); !slices.Equal(got, parts) {
			t.Errorf("%s is read %q, want %q", want, got, parts)
		}
	}
	if got := splitKey(`C:\dir/2`, 2); !slices.Equal(got, []string{`C:\dir`, "2"}) {
		t.Errorf("a backslash before another letter: %q", got)
	}
}
