package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"headgate/connectors"
	"headgate/engine/record"
)

// maxDepth is how deep a document may nest.
const maxDepth = 64

// wanted is what is taken of an object: by key, a slot, an object to look into, or lines.
type wanted struct {
	slot  int // -1: none
	lines *wanted
	width int // of a line
	inner map[string]*wanted
}

func wantedOf(columns []record.Column) *wanted {
	top := &wanted{slot: -1, inner: make(map[string]*wanted)}
	for i, c := range columns {
		at := top
		for _, name := range strings.Split(c.Name, ".") {
			if at.inner == nil {
				at.inner = make(map[string]*wanted)
			}
			if at.inner[name] == nil {
				at.inner[name] = &wanted{slot: -1}
			}
			at = at.inner[name]
		}
		at.slot = i
		if c.Lines != nil {
			at.lines, at.width = wantedOf(c.Lines), len(c.Lines)
		}
	}
	return top
}

// parseJSONL finds limit lines in the buffer, makes one block of them, and rows of that.
func (r *reading) parseJSONL(p *page, limit int) error {
	at, number := 0, r.line
	var found []pending
	for len(found) < limit && !(at == len(r.buf) && r.eof) {
		end, after, err := line(r.buf[at:], r.eof)
		if err == errMore {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		if strings.TrimSpace(string(r.buf[at:at+min(end, 64)])) != "" || end > 64 {
			found = append(found, pending{span: span{at, at + end, at + after, number, number + 1}})
		}
		at, number = at+after, number+1
	}
	p.end = r.eof && at == len(r.buf)
	p.takeBlock(r, at, number-r.line)
	top := wantedOf(r.source.resource.Read)
	width := len(r.source.resource.Read)
	slab := make([]record.Value, len(found)*width)
	for _, f := range found {
		row := record.Row(slab[:width:width])
		slab = slab[width:]
		text := p.block[f.span.from:f.span.to]
		if err := parseLine(text, r.source.settings.JSONL.MaxRecord, top, row); err != nil {
			p.fail(err.Code, err.Message)
		}
		p.rows, p.spans = append(p.rows, row), append(p.spans, f.span)
	}
	return nil
}

// parseLine takes what is wanted of one object. Whatever is no JSON object is the
// line's own error.
func parseLine(text string, max int, top *wanted, row record.Row) *connectors.RowError {
	switch {
	case len(text) > max:
		return &connectors.RowError{Code: "too_long", Message: fmt.Sprintf("the line is longer than %d bytes", max)}
	case !utf8.ValidString(text):
		return &connectors.RowError{Code: "encoding", Message: "the line is not valid UTF-8"}
	case !json.Valid([]byte(text)):
		return &connectors.RowError{Code: "json", Message: "the line is not JSON: " + jsonMistake(text)}
	}
	s := scanner{text: text}
	s.space()
	if s.peek() != '{' {
		return &connectors.RowError{Code: "json", Message: "the line is not a JSON object"}
	}
	if err := s.object(top, row, 0); err != nil {
		return &connectors.RowError{Code: "json", Message: err.Error()}
	}
	return nil
}

func jsonMistake(text string) string {
	var v any
	err := json.Unmarshal([]byte(text), &v)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("%v at byte %d", e, e.Offset)
	}
	return fmt.Sprint(err)
}

// scanner walks JSON that is known to be valid.
type scanner struct {
	text string
	at   int
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\r' || s.text[s.at] == '\n') {
		s.at++
	}
}

// next passes one structural character and the blanks behind it.
func (s *scanner) next() {
	s.at++
	s.space()
}

func (s *scanner) object(w *wanted, row record.Row, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	var seen map[string]bool
	for s.next(); s.peek() != '}'; {
		key, err := s.quoted()
		if err != nil {
			return err
		}
		if seen == nil {
			seen = make(map[string]bool)
		}
		if seen[key] {
			return fmt.Errorf("the name %q stands twice in an object", key)
		}
		seen[key] = true
		s.space()
		s.next() // the colon
		if err := s.member(w.inner[key], row, depth); err != nil {
			return err
		}
		if s.space(); s.peek() == ',' {
			s.next()
		}
	}
	s.at++
	return nil
}

func (s *scanner) member(w *wanted, row record.Row, depth int) error {
	switch {
	case w == nil:
		return s.skip(depth + 1)
	case w.lines != nil && s.peek() == '[':
		lines, err := s.lines(w, depth+1)
		row[w.slot] = record.ListValue(lines)
		return err
	case w.inner != nil && s.peek() == '{':
		start := s.at
		if err := s.object(w, row, depth+1); err != nil || w.slot < 0 {
			return err
		}
		row[w.slot] = record.StringValue(s.text[start:s.at])
		return nil
	case w.slot < 0:
		return s.skip(depth + 1)
	}
	v, err := s.value(depth + 1)
	row[w.slot] = v
	return err
}

func (s *scanner) lines(w *wanted, depth int) (*record.Lines, error) {
	lines := &record.Lines{}
	for s.next(); s.peek() != ']'; {
		if s.peek() != '{' {
			return lines, errors.New("a line of a list is not an object")
		}
		line := make(record.Row, w.width)
		if err := s.object(w.lines, line, depth+1); err != nil {
			return lines, err
		}
		lines.Rows = append(lines.Rows, line)
		if s.space(); s.peek() == ',' {
			s.next()
		}
	}
	s.at++
	return lines, nil
}

// value takes one value: a scalar as it is, anything else as its own text.
func (s *scanner) value(depth int) (record.Value, error) {
	switch c := s.peek(); {
	case c == '"':
		text, err := s.quoted()
		return record.StringValue(text), err
	case c == 't':
		s.at += 4
		return record.BoolValue(true), nil
	case c == 'f':
		s.at += 5
		return record.BoolValue(false), nil
	case c == 'n':
		s.at += 4
		return record.NullValue(), nil
	case c == '{' || c == '[':
		start := s.at
		err := s.skip(depth)
		return record.StringValue(s.text[start:s.at]), err
	}
	text := s.number()
	n, err := record.ParseNumber(text, false)
	if err != nil {
		return record.StringValue(text), nil // what it is wanted as will tell
	}
	return record.DecimalValue(n), nil
}

func (s *scanner) number() string {
	start := s.at
	for s.at < len(s.text) && strings.IndexByte("+-.eE0123456789", s.text[s.at]) >= 0 {
		s.at++
	}
	return s.text[start:s.at]
}

// quoted takes a string; without escapes it is a slice of the line.
func (s *scanner) quoted() (string, error) {
	start := s.at
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	raw := s.text[start:s.at]
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	var text string
	err := json.Unmarshal([]byte(raw), &text)
	return text, err
}

func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	switch c := s.peek(); c {
	case '{':
		return s.object(&wanted{slot: -1}, nil, depth)
	case '[':
		for s.next(); s.peek() != ']'; {
			if err := s.skip(depth + 1); err != nil {
				return err
			}
			if s.space(); s.peek() == ',' {
				s.next()
			}
		}
		s.at++
		return nil
	}
	_, err := s.value(depth)
	return err
}
