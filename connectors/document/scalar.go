package document

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func (s *scanner) word(word string) error {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return s.unexpected("a value")
	}
	s.at += len(word)
	return nil
}

// digits passes digits and reports whether there was any.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// number reads a number as JSON writes it; whole is one without point and exponent.
func (s *scanner) number() (text string, whole bool, err error) {
	start := s.at
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return "", false, s.unexpected("a value")
	}
	whole = true
	if s.peek() == '.' {
		s.at++
		if whole = false; !s.digits() {
			return "", false, s.unexpected("a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if whole = false; !s.digits() {
			return "", false, s.unexpected("a digit")
		}
	}
	return s.text[start:s.at], whole, nil
}

var errText = errors.New("a text is not closed")

// quoted reads a text; without escapes it is a slice of the line.
func (s *scanner) quoted() (string, error) {
	s.at++
	start := s.at
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return "", errors.New("a control character stands in a text unescaped")
		}
		s.at++
	}
	return "", errText
}

// escaped reads on a text that began at start, from its first escape.
func (s *scanner) escaped(start int) (string, error) {
	text := []byte(s.text[start:s.at])
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return string(text), nil
		case c < ' ':
			return "", errors.New("a control character stands in a text unescaped")
		case c != '\\':
			text = append(text, c)
			continue
		}
		var err error
		if text, err = s.escape(text); err != nil {
			return "", err
		}
	}
	return "", errText
}

// plainEscapes are the characters that a single one behind a backslash means.
var plainEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape appends what the escape behind a backslash means.
func (s *scanner) escape(text []byte) ([]byte, error) {
	c := s.peek()
	if plain, ok := plainEscapes[c]; ok {
		s.at++
		return append(text, plain), nil
	}
	if c != 'u' {
		return text, errors.New("there is no such escape")
	}
	unit, ok := s.unit()
	if !ok {
		return text, errors.New(`four hexadecimal digits are expected behind \u`)
	}
	if !utf16.IsSurrogate(unit) {
		return utf8.AppendRune(text, unit), nil
	}
	if strings.HasPrefix(s.text[s.at:], `\u`) {
		s.at++
		if low, ok := s.unit(); ok {
			if r := utf16.DecodeRune(unit, low); r != utf8.RuneError {
				return utf8.AppendRune(text, r), nil
			}
		}
	}
	return text, errors.New("half of a surrogate pair is no character")
}

// unit reads u and four hexadecimal digits.
func (s *scanner) unit() (rune, bool) {
	if len(s.text) < s.at+5 {
		return 0, false
	}
	var unit rune
	for _, c := range []byte(s.text[s.at+1 : s.at+5]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	s.at += 5
	return unit, true
}
