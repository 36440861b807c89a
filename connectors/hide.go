package connectors

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Cut ends a text for people that goes on where it came from.
const Cut = "…"

// Hide takes what must not be shown out of a text for people: a system may say back
// what it was sent, as it is, in JSON or in an address. Where the text was cut, the
// beginning of a secret is taken out, too.
func Hide(text string, secrets ...string) string {
	var all []string
	for _, secret := range secrets {
		if secret != "" {
			all = append(all, forms(secret)...)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be a part of another
	for _, form := range all {
		text = strings.ReplaceAll(text, form, Redacted)
	}
	for at := 0; ; at += len(Cut) {
		next := strings.Index(text[at:], Cut)
		if next < 0 {
			return text
		}
		at += next
		if n := beginning(text[:at], all); n > 0 {
			text = text[:at-n] + Redacted + text[at:]
			at += len(Redacted) - n
		}
	}
}

// forms are those in which a text comes back.
func forms(text string) []string {
	all := []string{text, url.QueryEscape(text), url.PathEscape(text)}
	if quoted, err := json.Marshal(text); err == nil {
		all = append(all, string(quoted[1:len(quoted)-1]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// beginning is the length of the longest beginning of a secret that the text ends with.
func beginning(text string, secrets []string) (longest int) {
	for _, secret := range secrets {
		for n := min(len(secret)-1, len(text)); n > longest; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				longest = n
			}
		}
	}
	return longest
}
