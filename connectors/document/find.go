package document

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// At returns the text of the value under a path of names, "data.items", after it
// has checked all of the document. An empty path is the document itself; ok is false
// where there is nothing, or a null on the way.
func At(text, path string) (value string, ok bool, err error) {
	if !utf8.ValidString(text) {
		return "", false, errors.New("it is not valid UTF-8")
	}
	s := scanner{text: text}
	s.space()
	start := s.at
	if err := s.skip(1); err != nil {
		return "", false, fmt.Errorf("at byte %d %w", s.at+1, err)
	}
	end := s.at
	if s.space(); s.at < len(text) {
		return "", false, fmt.Errorf("at byte %d something stands behind it", s.at+1)
	}
	value, ok = text[start:end], true
	if path == "" {
		return value, true, nil
	}
	for _, name := range strings.Split(path, ".") {
		if value, ok = memberOf(value, name); !ok {
			return "", false, nil
		}
	}
	return value, true, nil
}

// memberOf is a member of what is known to be JSON, if it is an object.
func memberOf(object, name string) (value string, ok bool) {
	s := scanner{text: object}
	if s.peek() != '{' {
		return "", false
	}
	for s.at++; ; s.at++ {
		if s.space(); s.peek() == '}' {
			return "", false
		}
		key, _ := s.quoted()
		_ = s.expect(':')
		start := s.at
		_ = s.skip(1)
		if key == name {
			return s.text[start:s.at], true
		}
		if s.space(); s.peek() == '}' {
			return "", false
		}
	}
}

// Elements returns the texts of the elements of an array.
func Elements(array string) (elements []string, err error) {
	s := scanner{text: array}
	if s.space(); s.peek() != '[' {
		return nil, s.unexpected("an array")
	}
	err = s.array(1, func() error {
		start := s.at
		err := s.skip(2)
		elements = append(elements, s.text[start:s.at])
		return err
	})
	return elements, err
}

// Plain is a text of a document as people read it: without its quotes.
func Plain(value string) string {
	s := scanner{text: value}
	if s.peek() != '"' {
		return value
	}
	if text, err := s.quoted(); err == nil {
		return text
	}
	return value
}
