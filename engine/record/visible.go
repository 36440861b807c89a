package record

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Acts reports whether a terminal or a viewer of logs may act on a character instead
// of showing it: control characters, C1 among them, what ends a line, and what turns
// the direction of writing.
func Acts(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return r == 0x061c || r == 0x200e || r == 0x200f
}

// Visible shows U+FFFD for every character a terminal acts on, save those of kept.
func Visible(text, kept string) string {
	return strings.Map(func(r rune) rune {
		if Acts(r) && !strings.ContainsRune(kept, r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// AppendVisibleJSON appends JSON in which those characters are escaped: encoders let
// most of them through, and bytes that are no UTF-8 in JSON they did not make. Line
// breaks and tabs stay, for they stand between values only.
func AppendVisibleJSON(dst, json []byte) []byte {
	for i := 0; i < len(json); {
		r, size := utf8.DecodeRune(json[i:])
		if raw := r == utf8.RuneError && size == 1; raw || Acts(r) && r != '\n' && r != '\t' {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		} else {
			dst = append(dst, json[i:i+size]...)
		}
		i += size
	}
	return dst
}
