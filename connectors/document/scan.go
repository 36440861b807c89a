package document

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"headgate/engine/record"
)

const (
	// maxDepth is how deep a document may nest.
	maxDepth = 64
	// fewNames is up to how many names an object is searched for doubles one by one.
	fewNames = 24
)

// scanner reads one JSON document, checking all of it and keeping what is wanted.
// It is stricter than encoding/json: a name that stands twice in an object and half
// a surrogate pair are mistakes, since keeping either would be a guess.
type scanner struct {
	text  string
	at    int
	names []string // of the objects that are open
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

// expect passes one structural character with the blanks around it.
func (s *scanner) expect(c byte) error {
	s.space()
	if s.peek() != c {
		return s.unexpected(fmt.Sprintf("a %q", c))
	}
	s.at++
	s.space()
	return nil
}

// unexpected says what stands there instead, without showing values.
func (s *scanner) unexpected(wanted string) error {
	if s.at >= len(s.text) {
		return fmt.Errorf("it ends where %s is expected", wanted)
	}
	return fmt.Errorf("%s is expected", wanted)
}

// document reads the one object of a line.
func (s *scanner) document(top *wanted, row record.Row) error {
	s.space()
	if s.peek() != '{' {
		return s.unexpected("an object")
	}
	if err := s.object(top, row, 1); err != nil {
		return err
	}
	if s.space(); s.at < len(s.text) {
		return errors.New("something stands behind the object")
	}
	return nil
}

var errDepth = fmt.Errorf("it nests deeper than %d", maxDepth)

// object reads an object; what w wants of it goes to row. A nil w wants nothing.
func (s *scanner) object(w *wanted, row record.Row, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	first := len(s.names)
	var many map[string]bool
	s.at++
	s.space()
	for s.peek() != '}' {
		if len(s.names) > first {
			if err := s.expect(','); err != nil {
				return err
			}
		}
		if s.peek() != '"' {
			return s.unexpected("a name")
		}
		name, err := s.quoted()
		if err != nil {
			return err
		}
		if many, err = s.name(name, first, many); err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		var inner *wanted
		if w != nil {
			inner = w.inner[name]
		}
		if err := s.member(inner, row, depth); err != nil {
			return err
		}
		s.space()
	}
	s.at++
	s.names = s.names[:first]
	return nil
}

// name keeps the name of a member of the object whose names begin at first, and
// refuses one it has: which of the two counts nobody can know.
func (s *scanner) name(name string, first int, many map[string]bool) (map[string]bool, error) {
	known := s.names[first:]
	if len(known) == fewNames {
		many = make(map[string]bool, 2*fewNames)
		for _, n := range known {
			many[n] = true
		}
	}
	if many[name] || many == nil && slices.Contains(known, name) {
		return nil, errors.New("a name stands twice in one object")
	}
	if many != nil {
		many[name] = true
	}
	s.names = append(s.names, name)
	return many, nil
}

// member reads the value of a member into the slots that want it.
func (s *scanner) member(w *wanted, row record.Row, depth int) error {
	c := s.peek()
	switch {
	case w == nil:
		return s.skip(depth + 1)
	case w.lines != nil && c == '[':
		lines, err := s.lines(w, depth+1)
		if err == nil {
			row[w.slot] = record.ListValue(lines)
		}
		return err
	case w.inner != nil && c == '{':
		start := s.at
		if err := s.object(w, row, depth+1); err != nil || w.slot < 0 {
			return err
		}
		row[w.slot] = record.StringValue(s.text[start:s.at])
		return nil
	case w.inner != nil && c != 'n':
		return errors.New("an object is expected, since a column is looked for in it")
	}
	w.nothing(row)
	if w.slot < 0 {
		return s.skip(depth + 1)
	}
	v, err := s.value(w.text, depth+1)
	if err == nil {
		row[w.slot] = v
	}
	return err
}

// nothing makes everything that is looked for in an object null: it is null itself.
func (w *wanted) nothing(row record.Row) {
	for _, inner := range w.inner {
		inner.nothing(row)
		if inner.slot >= 0 {
			row[inner.slot] = record.NullValue()
		}
	}
}

// lines reads a list of objects.
func (s *scanner) lines(w *wanted, depth int) (*record.Lines, error) {
	lines := &record.Lines{}
	return lines, s.array(depth, func() error {
		if s.peek() != '{' {
			return s.unexpected("an object, as each line of a list is,")
		}
		line := make(record.Row, w.width)
		lines.Rows = append(lines.Rows, line)
		return s.object(w.lines, line, depth+1)
	})
}

// array calls element at the beginning of each element of an array.
func (s *scanner) array(depth int, element func() error) error {
	if depth > maxDepth {
		return errDepth
	}
	s.at++
	s.space()
	for first := true; s.peek() != ']'; first = false {
		if !first {
			if err := s.expect(','); err != nil {
				return err
			}
		}
		if err := element(); err != nil {
			return err
		}
		s.space()
	}
	s.at++
	return nil
}

// skip reads a value that nobody wants.
func (s *scanner) skip(depth int) error {
	switch s.peek() {
	case '{':
		return s.object(nil, nil, depth)
	case '[':
		return s.array(depth, func() error { return s.skip(depth + 1) })
	}
	_, err := s.scalar(true)
	return err
}

// value reads one value: a scalar as it is, anything else as its own text.
func (s *scanner) value(text bool, depth int) (record.Value, error) {
	if c := s.peek(); c != '{' && c != '[' {
		return s.scalar(text)
	}
	start := s.at
	err := s.skip(depth)
	return record.StringValue(s.text[start:s.at]), err
}

// scalar reads a value without parts. A number is exact; with text, or where it
// has more digits than a number may have, it is its own text.
func (s *scanner) scalar(text bool) (record.Value, error) {
	switch s.peek() {
	case '"':
		quoted, err := s.quoted()
		return record.StringValue(quoted), err
	case 't':
		return record.BoolValue(true), s.word("true")
	case 'f':
		return record.BoolValue(false), s.word("false")
	case 'n':
		return record.NullValue(), s.word("null")
	}
	digits, whole, err := s.number()
	if err != nil || text {
		return record.StringValue(digits), err
	}
	if whole {
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
			return record.IntValue(n), nil
		}
	}
	n, err := record.ParseNumber(digits, false)
	if err != nil {
		return record.StringValue(digits), nil // what it is wanted as will tell
	}
	return record.DecimalValue(n), nil
}
