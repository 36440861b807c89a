package connectors_test

import (
	"testing"

	"headgate/connectors"
)

// TestHide: a secret is taken out of a text in every form in which it comes back, and
// what a cut left of it.
func TestHide(t *testing.T) {
	t.Parallel()
	secrets := []string{"", "se\"cret/1 &", "se\"cret", "40"}
	for text, want := range map[string]string{
		`it was "se"cret/1 &"`:         `it was "[redacted]"`,
		`{"pin": "se\"cret\/1 &"}`:     `{"pin": "[redacted]\/1 &"}`,
		`{"pin": "se\"cret/1 \u0026"}`: `{"pin": "[redacted]"}`,
		`GET /se%22cret%2F1%20&`:       `GET /[redacted]`,
		`?q=se%22cret%2F1+%26`:         `?q=[redacted]`,
		`age 40 is not 41`:             `age [redacted] is not 41`,
		`422 xx se"cret/1…`:            `422 xx [redacted]/1…`,
		`422 xx se"cre…: and so on`:    `422 xx [redacted]…: and so on`,
		`a… s…, 4…`:                    `a… [redacted]…, [redacted]…`,
		`…`:                            `…`,
		`nothing`:                      `nothing`,
	} {
		if got := connectors.Hide(text, secrets...); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}
