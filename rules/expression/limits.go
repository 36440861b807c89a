package expression

import (
	"fmt"
	"strings"
)

// The limits of an expression and of what it may make.
const (
	maxText     = 4 << 10  // bytes of an expression
	maxNesting  = 32       // brackets, and chained prefixes
	maxNodes    = 1000     // nodes of its tree
	maxClosures = 2        // predicates within predicates
	maxMade     = 64 << 10 // bytes of one text it makes
	maxLines    = 10_000   // lines of a list it walks
	maxSteps    = 250_000  // lines it walks in all: 500 within 500
	maxMadeEach = 8 << 20  // bytes of all texts it makes of lines
	maxElements = 100_000  // elements it makes in all
)

// scan refuses a text that the parser must not see: it recurses, and a stack
// that overflows cannot be recovered.
func scan(text string) *Mistake {
	if len(text) > maxText {
		return whole(text, fmt.Sprintf("the expression is longer than %d bytes", maxText), "split it into several rules")
	}
	depth, prefixes, at := 0, 0, 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '\'', '"', '`':
			i, prefixes = skipQuoted(text, i), 0
		case '(', '[', '{':
			if depth++; depth > maxNesting {
				return place(text, i, i+1, fmt.Sprintf("nested deeper than %d", maxNesting), "split it into several rules")
			}
		case ')', ']', '}':
			depth--
		case '!', '-', '+', '?', ':':
			prefixes++
		case ' ', '\t', '\n', '\r':
		default:
			if c == 'n' && hasWord(text[i:], "not") {
				prefixes, i = prefixes+1, i+2
			} else if c != '.' && (i == 0 || !isWordByte(text[i-1]) || !isWordByte(c)) {
				prefixes = at
			}
		}
		if prefixes > maxNesting {
			return place(text, i, i+1, fmt.Sprintf("more than %d operators in a row", maxNesting), "")
		}
	}
	return nil
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func hasWord(text, word string) bool {
	return len(text) >= len(word) && text[:len(word)] == word && (len(text) == len(word) || !isWordByte(text[len(word)]))
}

func skipQuoted(text string, i int) int {
	quote := text[i]
	for i++; i < len(text) && text[i] != quote; i++ {
		if text[i] == '\\' && quote != '`' {
			i++
		}
	}
	return i
}

// whole is a mistake that concerns the whole text.
func whole(text, message, hint string) *Mistake {
	return &Mistake{To: len([]rune(text)), Message: message, Hint: hint, Whole: true}
}

// place is a mistake in the bytes from..to of text.
func place(text string, from, to int, message, hint string) *Mistake {
	from, to = min(from, len(text)), min(to, len(text))
	return &Mistake{From: len([]rune(text[:from])), To: len([]rune(text[:to])), Message: message, Hint: hint}
}

func contains(s, part string) bool { return strings.Contains(s, part) }
