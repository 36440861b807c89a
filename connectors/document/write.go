package document

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"headgate/engine/record"
)

// Writer writes rows of some columns as objects.
type Writer struct {
	members []member
}

// member is one name of an object: a column, or an object within.
type member struct {
	name   string // quoted, with its colon
	plain  string
	column int      // -1: an object within
	inner  []member // of that, or of a line of a list
}

// NewWriter arranges columns, which are paths, as an object.
func NewWriter(columns []record.Column) (*Writer, error) {
	members, err := membersOf(columns)
	return &Writer{members}, err
}

// Append appends the object of one value a column. What is absent is left out, and
// an object of nothing but absent values with it; null is written. It reports false
// where a text is not UTF-8, which is no JSON.
func (w *Writer) Append(dst []byte, values []record.Value) (_ []byte, ok bool) {
	dst, _, ok = appendObject(dst, w.members, values)
	return dst, ok
}

func membersOf(columns []record.Column) (members []member, err error) {
	for i, c := range columns {
		var inner []member
		if c.Kind == record.List {
			if inner, err = membersOf(c.Lines); err != nil {
				return nil, err
			}
		}
		if members, err = place(members, strings.Split(c.Name, "."), member{column: i, inner: inner}); err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	return members, nil
}

// place puts a column under its path.
func place(members []member, path []string, m member) ([]member, error) {
	i := slices.IndexFunc(members, func(m member) bool { return m.plain == path[0] })
	if i >= 0 && (len(path) == 1 || members[i].column >= 0) {
		return nil, fmt.Errorf("%q is a value already, or an object", path[0])
	}
	if i < 0 {
		name, ok := AppendText(nil, path[0])
		if !ok {
			return nil, fmt.Errorf("%q is not valid UTF-8", path[0])
		}
		members = append(members, member{name: string(name) + ":", plain: path[0], column: -1})
		i = len(members) - 1
	}
	if len(path) == 1 {
		members[i].column, members[i].inner = m.column, m.inner
		return members, nil
	}
	var err error
	members[i].inner, err = place(members[i].inner, path[1:], m)
	return members, err
}

// appendObject appends an object of what is carried, and whether that is anything.
func appendObject(dst []byte, members []member, values []record.Value) (_ []byte, any, ok bool) {
	dst = append(dst, '{')
	for i := range members {
		m := &members[i]
		if m.column >= 0 && values[m.column].IsAbsent() {
			continue
		}
		before := len(dst)
		if any {
			dst = append(dst, ',')
		}
		dst = append(dst, m.name...)
		some, valid := true, true
		if m.column >= 0 {
			dst, valid = appendValue(dst, values[m.column], m.inner)
		} else {
			dst, some, valid = appendObject(dst, m.inner, values)
		}
		if !valid {
			return dst, false, false
		}
		if !some {
			dst = dst[:before]
		}
		any = any || some
	}
	return append(dst, '}'), any, true
}

func appendValue(dst []byte, v record.Value, line []member) (_ []byte, ok bool) {
	switch v.Kind() {
	case record.Absent, record.Null:
		return append(dst, "null"...), true
	case record.Int, record.Decimal, record.Bool:
		return v.Append(dst), true
	case record.String:
		return AppendText(dst, v.Str())
	case record.List:
		return appendLines(dst, v.Lines(), line)
	}
	dst = append(dst, '"')
	return append(v.Append(dst), '"'), true
}

func appendLines(dst []byte, lines *record.Lines, line []member) (_ []byte, ok bool) {
	dst = append(dst, '[')
	for i, row := range lines.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, _, ok = appendObject(dst, line, row); !ok {
			return dst, false
		}
	}
	return append(dst, ']'), true
}

const hex = "0123456789abcdef"

// AppendText appends a JSON text. What is not UTF-8 is no JSON: ok is then false.
func AppendText(dst []byte, s string) (_ []byte, ok bool) {
	dst = append(dst, '"')
	start, ascii := 0, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			ascii = false
		}
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	if !ascii && !utf8.ValidString(s) {
		return dst, false
	}
	return append(append(dst, s[start:]...), '"'), true
}
