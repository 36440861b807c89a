package files

import (
	"bytes"
	"fmt"

	"headgate/engine/record"
)

// csvFormat writes rows as lines of cells.
type csvFormat struct {
	settings *CSV
	codec    codec
	columns  []record.Column
	special  [256]bool // bytes for which a cell is quoted
	line     []byte    // in UTF-8
	cell     []byte
}

func newCSVFormat(name string, settings *CSV, columns []record.Column) (*csvFormat, error) {
	f := &csvFormat{settings: settings, columns: columns}
	for _, c := range columns {
		if c.Kind == record.List {
			return nil, unwritable(name, "write it as jsonl", fmt.Errorf("a cell cannot hold the list %q", c.Name))
		}
	}
	for _, c := range []byte("\r\n" + settings.Delimiter + settings.Quote) {
		f.special[c] = true
	}
	var err error
	f.codec, err = encodingNamed(settings.Encoding)
	return f, err
}

// preamble is the byte order mark and the line that names the columns.
func (f *csvFormat) preamble() ([]byte, error) {
	mark := bytes.Clone(f.codec.mark())
	if !f.settings.Header {
		return mark, nil
	}
	names := make([]record.Value, len(f.columns))
	for i, c := range f.columns {
		names[i] = record.StringValue(c.Name)
	}
	return f.append(mark, names)
}

func (f *csvFormat) append(dst []byte, values []record.Value) ([]byte, error) {
	line := f.line[:0]
	for i, v := range values {
		if i > 0 {
			line = append(line, f.settings.Delimiter[0])
		}
		var err error
		if line, err = f.appendCell(line, v); err != nil {
			return dst, err
		}
	}
	if len(line) == 0 { // a blank line is no row, but one with a quoted empty cell is
		if f.settings.Quote == "" {
			return dst, refuse("encoding", "a row of one empty cell cannot be told from a blank line without quotes")
		}
		line = append(line, f.settings.Quote[0], f.settings.Quote[0])
	}
	f.line = append(line, '\n')
	if f.codec == (codec{}) && plainASCII(f.line) {
		return append(dst, f.line...), nil
	}
	encoded, err := f.codec.encode(f.cell[:0], f.line)
	if err != nil {
		return dst, &refusal{"encoding", err}
	}
	if f.codec != (codec{}) {
		f.cell = encoded
	}
	return append(dst, encoded...), nil
}

func plainASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func (f *csvFormat) appendCell(line []byte, v record.Value) ([]byte, error) {
	if v.Missing() {
		return append(line, f.settings.Null...), nil
	}
	start := len(line)
	line = v.Append(line)
	text := line[start:]
	if v.Kind() == record.Decimal && f.settings.Decimal == "," {
		if point := bytes.IndexByte(text, '.'); point >= 0 {
			text[point] = ','
		}
	}
	if !f.quotable(v, text) {
		return line, nil
	}
	if f.settings.Quote == "" {
		if len(text) == 0 {
			return line, nil
		}
		return nil, refuse("encoding", "a cell without quotes cannot hold the delimiter, a line break or the text for null")
	}
	return f.quote(line, start), nil
}

// quotable reports whether a cell means something else without quotes: an empty
// text is not null for those who tell them apart.
func (f *csvFormat) quotable(v record.Value, text []byte) bool {
	for _, c := range text {
		if f.special[c] {
			return true
		}
	}
	return v.Kind() == record.String && string(text) == f.settings.Null || len(text) == 0
}

// quote puts what stands from start on between quotes.
func (f *csvFormat) quote(line []byte, start int) []byte {
	quote := f.settings.Quote[0]
	f.cell = append(f.cell[:0], line[start:]...)
	line = append(line[:start], quote)
	for _, c := range f.cell {
		if c == quote {
			line = append(line, quote)
		}
		line = append(line, c)
	}
	return append(line, quote)
}
