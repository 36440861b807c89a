package record_test

import (
	"encoding/json"
	"testing"

	"headgate/engine/record"
)

// hostile are characters that a terminal or a viewer acts on.
const hostile = "\x1b[31m\u009b31m\u202egpj\u2066\u200f\u061c\u2028\x7f\r\n"

func TestVisible(t *testing.T) {
	t.Parallel()
	if got, want := record.Visible("a"+hostile+"é→", "\n"), "a�[31m�31m�gpj������\né→"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestVisibleJSON: nothing a terminal acts on is left, and nothing is lost.
func TestVisibleJSON(t *testing.T) {
	t.Parallel()
	text, err := json.MarshalIndent(map[string]string{"x": hostile}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = record.AppendVisibleJSON(nil, text)
	for _, r := range string(text) {
		if record.Acts(r) && r != '\n' {
			t.Errorf("%U is left in %q", r, text)
		}
	}
	if got := record.AppendVisibleJSON(nil, []byte("\"\x9b31m\xc2\"")); string(got) != `"\ufffd31m\ufffd"` {
		t.Errorf("bytes that are no UTF-8: %q", got)
	}
	var back map[string]string
	if err := json.Unmarshal(text, &back); err != nil || back["x"] != hostile {
		t.Errorf("%q, %v", back["x"], err)
	}
}
