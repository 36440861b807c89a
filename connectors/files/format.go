package files

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"

	"headgate/engine/record"
)

// format writes rows as CSV or JSON Lines by appending bytes.
type format struct {
	csv     *CSV
	codec   encoding.Encoding
	columns []record.Column
	members []member // jsonl: what stands where in a line
	buf     []byte
}

// member is one name of an object: a column, or an object within.
type member struct {
	name   string
	column int // -1: inner
	inner  []member
}

func newFormat(settings *Resource, columns []record.Column) (*format, error) {
	f := &format{csv: settings.CSV, columns: columns}
	if f.csv == nil {
		for i, c := range columns {
			f.members = place(f.members, strings.Split(c.Name, "."), i)
		}
		return f, nil
	}
	var err error
	f.codec, err = encodingNamed(f.csv.Encoding)
	return f, err
}

// place puts a column under its path.
func place(members []member, path []string, column int) []member {
	if len(path) == 1 {
		return append(members, member{name: path[0], column: column})
	}
	i := slices.IndexFunc(members, func(m member) bool { return m.name == path[0] && m.column < 0 })
	if i < 0 {
		members = append(members, member{name: path[0], column: -1})
		i = len(members) - 1
	}
	members[i].inner = place(members[i].inner, path[1:], column)
	return members
}

// header is the line that names the columns, nil where there is none.
func (f *format) header() []byte {
	if f.csv == nil || !f.csv.Header {
		return nil
	}
	var line []byte
	for i, c := range f.columns {
		if i > 0 {
			line = append(line, f.csv.Delimiter[0])
		}
		line = f.appendCell(line, []byte(c.Name))
	}
	out, err := encoded(f.codec, append(line, '\n'))
	if err != nil {
		return line
	}
	return out
}

// append appends one row.
func (f *format) append(dst []byte, values []record.Value) ([]byte, error) {
	if f.csv == nil {
		dst, _ = f.appendObject(dst, f.members, values)
		return append(dst, '\n'), nil
	}
	var cell [64]byte
	for i, v := range values {
		if i > 0 {
			dst = append(dst, f.csv.Delimiter[0])
		}
		if v.Missing() {
			dst = append(dst, f.csv.Null...)
			continue
		}
		text := v.Append(cell[:0])
		if v.Kind() == record.Decimal && f.csv.Decimal == "," {
			text = bytes.Replace(text, []byte("."), []byte(","), 1)
		}
		dst = f.appendCell(dst, text)
	}
	return encoded(f.codec, append(dst, '\n'))
}

// appendCell quotes a cell where it must be.
func (f *format) appendCell(dst, text []byte) []byte {
	if f.csv.Quote == "" || bytes.IndexByte(text, f.csv.Delimiter[0]) < 0 && bytes.IndexByte(text, f.csv.Quote[0]) < 0 && !bytes.ContainsAny(text, "\r\n") {
		return append(dst, text...)
	}
	quote := f.csv.Quote[0]
	dst = append(dst, quote)
	for _, c := range text {
		if c == quote {
			dst = append(dst, quote)
		}
		dst = append(dst, c)
	}
	return append(dst, quote)
}

// appendObject appends an object of what is carried, and whether it has anything.
func (f *format) appendObject(dst []byte, members []member, values []record.Value) ([]byte, bool) {
	dst = append(dst, '{')
	first := true
	for i := range members {
		m := &members[i]
		before := len(dst)
		if m.column >= 0 && values[m.column].IsAbsent() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = appendText(dst, m.name)
		dst = append(dst, ':')
		if m.column >= 0 {
			dst = appendValue(dst, values[m.column], f.columns[m.column].Lines)
		} else {
			var any bool
			if dst, any = f.appendObject(dst, m.inner, values); !any {
				dst = dst[:before]
				continue
			}
		}
		first = false
	}
	return append(dst, '}'), !first
}

func appendValue(dst []byte, v record.Value, lines []record.Column) []byte {
	switch v.Kind() {
	case record.Absent, record.Null:
		return append(dst, "null"...)
	case record.Int, record.Decimal, record.Bool:
		return v.Append(dst)
	case record.String:
		return appendText(dst, v.Str())
	case record.List:
		return appendLines(dst, v.Lines(), lines)
	}
	dst = append(dst, '"')
	dst = v.Append(dst)
	return append(dst, '"')
}

func appendLines(dst []byte, lines *record.Lines, columns []record.Column) []byte {
	dst = append(dst, '[')
	for i, row := range lines.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		first := true
		for j, v := range row {
			if v.IsAbsent() || j >= len(columns) {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendText(dst, columns[j].Name)
			dst = append(dst, ':')
			dst = appendValue(dst, v, nil)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

const hex = "0123456789abcdef"

// appendText appends a JSON string. What is not UTF-8 becomes the replacement character.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
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
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
