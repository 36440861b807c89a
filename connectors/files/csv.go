package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"headgate/connectors"
	"headgate/engine/record"
)

// cells says how the cells of a line become the values of a row.
type cells struct {
	names  []string // of the columns of the file
	wanted []int    // by position of Resource.Read: the cell
	slot   []int    // by cell: the position of Resource.Read, or -1
}

// cell is one cell of a record, in the buffer or unescaped on its own.
type cell struct {
	from, to int
	text     []byte // when it had escaped quotes
}

// parser splits text into records, without knowing columns.
type parser struct {
	delimiter, quote byte
	quoted           bool
	max              int
}

func (c *CSV) parser() parser {
	p := parser{delimiter: c.Delimiter[0], quoted: c.Quote != "", max: c.MaxRecord}
	if p.quoted {
		p.quote = c.Quote[0]
	}
	return p
}

// errMore says that the record does not end in the text there is.
var errMore = errors.New("more text is needed")

// line returns the end of the first line of b without and with its line break.
func line(b []byte, eof bool) (end, after int, err error) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0 && !eof:
		return 0, 0, errMore
	case i < 0:
		return len(b), len(b), nil
	case i > 0 && b[i-1] == '\r':
		return i - 1, i + 1, nil
	}
	return i, i + 1, nil
}

// record splits the first record of b into cells. A record that is broken is a
// *connectors.RowError, and after is then behind its first line: what stands
// behind an unclosed quote is not swallowed.
func (p parser) record(b []byte, eof bool, cells []cell) (_ []cell, end, after int, err error) {
	end, after, err = line(b, eof)
	if err != nil {
		if len(b) > p.max {
			return cells, 0, 0, p.tooLong()
		}
		return cells, 0, 0, err
	}
	if end > p.max {
		return cells, end, after, p.tooLong()
	}
	if !p.quoted || bytes.IndexByte(b[:end], p.quote) < 0 {
		return p.plain(b[:end], cells), end, after, nil
	}
	return p.quotes(b, end, after, eof, cells)
}

func (p parser) tooLong() *connectors.RowError {
	return &connectors.RowError{Code: "too_long", Message: fmt.Sprintf("the record is longer than %d bytes", p.max)}
}

func (p parser) plain(b []byte, cells []cell) []cell {
	from := 0
	for {
		i := bytes.IndexByte(b[from:], p.delimiter)
		if i < 0 {
			return append(cells, cell{from: from, to: len(b)})
		}
		cells = append(cells, cell{from: from, to: from + i})
		from += i + 1
	}
}

// quotes splits a record some of whose cells are quoted; it may span lines.
func (p parser) quotes(b []byte, lineEnd, lineAfter int, eof bool, cells []cell) (_ []cell, end, after int, err error) {
	broken := func(message string) ([]cell, int, int, error) {
		return cells, lineEnd, lineAfter, &connectors.RowError{Code: "csv_quote", Message: message}
	}
	for i := 0; ; {
		var c cell
		if i < len(b) && b[i] == p.quote {
			var ok bool
			if c, i, ok = p.quotedCell(b, i); !ok {
				switch {
				case len(b) > p.max || eof:
					return broken("a quote is opened and not closed")
				default:
					return cells, 0, 0, errMore
				}
			}
		} else {
			c.from = i
			for i < len(b) && b[i] != p.delimiter && b[i] != '\n' {
				i++
			}
			c.to = i
			if i < len(b) && b[i] == '\n' && i > c.from && b[i-1] == '\r' {
				c.to--
			}
		}
		cells = append(cells, c)
		switch {
		case i >= len(b) && !eof:
			return cells, 0, 0, errMore
		case i >= len(b):
			return cells, i, i, nil
		case b[i] == p.delimiter:
			i++
		case b[i] == '\n':
			end = i
			if i > 0 && b[i-1] == '\r' {
				end--
			}
			return cells, end, i + 1, nil
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			return cells, i, i + 2, nil
		case b[i] == '\r' && i+1 == len(b) && eof:
			return cells, i, i + 1, nil
		case b[i] == '\r' && i+1 == len(b):
			return cells, 0, 0, errMore
		default:
			return broken("text stands behind a closing quote")
		}
	}
}

// quotedCell reads a quoted cell that begins at i; ok is false when it does not end.
func (p parser) quotedCell(b []byte, i int) (c cell, next int, ok bool) {
	c.from = i + 1
	escaped := false
	for k := c.from; ; {
		n := bytes.IndexByte(b[k:], p.quote)
		if n < 0 {
			return c, 0, false
		}
		k += n
		if k+1 < len(b) && b[k+1] == p.quote {
			escaped = true
			k += 2
			continue
		}
		c.to = k
		if escaped {
			double := []byte{p.quote, p.quote}
			c.text = bytes.ReplaceAll(b[c.from:c.to], double, double[:1])
		}
		return c, k + 1, true
	}
}

// beginCSV reads the head and the header, and finds the wanted columns.
func (r *reading) beginCSV() error {
	csv := r.source.settings.CSV
	if len(csv.Head) > 0 {
		cells, err := r.oneRecord(false)
		if err != nil {
			return err
		}
		r.head = textRow(cells, len(csv.Head))
	}
	names := csv.Columns
	if len(names) == 0 {
		var err error
		if names, err = r.oneRecord(false); err != nil {
			return err
		}
	}
	return r.columns(names)
}

// oneRecord reads one record as texts; nil at the end of the file. One that is
// broken is an error, or passed over where only the last record matters.
func (r *reading) oneRecord(passOver bool) ([]string, error) {
	p := r.source.settings.CSV.parser()
	for {
		cells, _, after, err := p.record(r.buf, r.eof, nil)
		if err == errMore {
			if err := r.fill(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil && !passOver {
			return nil, &connectors.Error{Class: connectors.Broken, Op: "read the header of " + r.name, Err: err}
		}
		if err != nil && after == 0 {
			if _, after, err = r.skipLong(0); err != nil {
				return nil, err
			}
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = string(c.bytes(r.buf))
		}
		if after == 0 {
			return nil, nil
		}
		r.consume(after, int64(bytes.Count(r.buf[:after], []byte("\n"))))
		if len(texts) == 0 || len(texts) == 1 && texts[0] == "" {
			continue // a blank line, or a broken one
		}
		return texts, nil
	}
}

func (c cell) bytes(b []byte) []byte {
	if c.text != nil {
		return c.text
	}
	return b[c.from:c.to]
}

func (r *reading) columns(names []string) error {
	if names == nil { // an empty file has no rows
		r.cells = &cells{}
		return nil
	}
	op := "read the header of " + r.name
	seen := make(map[string]bool)
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if seen[names[i]] {
			return &connectors.Error{Class: connectors.Broken, Op: op, Hint: "every column needs a name of its own", Err: fmt.Errorf("column %q stands twice", names[i])}
		}
		seen[names[i]] = true
	}
	c := &cells{names: names, slot: make([]int, len(names))}
	for i := range c.slot {
		c.slot[i] = -1
	}
	for i, column := range r.source.resource.Read {
		at := slices.Index(names, column.Name)
		if at < 0 {
			return connectors.MissingColumn(op, column.Name, names)
		}
		c.slot[at] = i
		c.wanted = append(c.wanted, at)
	}
	r.cells = c
	return nil
}

// pending is a record that was found in the buffer and is not a row yet.
type pending struct {
	span  span
	first int // of its cells
	count int
	err   *connectors.RowError
}

// parseCSV finds limit records in the buffer, makes one block of them, and rows of that.
func (r *reading) parseCSV(p *page, limit int) error {
	csv := r.source.settings.CSV
	parser := csv.parser()
	want := limit
	if len(csv.Tail) > 0 {
		want++ // the last record is no row: one more shows whether there is one behind
	}
	var found []pending
	all := make([]cell, 0, limit*len(r.cells.names))
	at, lineNumber := 0, r.line
	for len(found) < want {
		if at == len(r.buf) && r.eof {
			break
		}
		first := len(all)
		cells, end, after, err := parser.record(r.buf[at:], r.eof, all)
		if err == errMore {
			all = all[:first]
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		broken, _ := errors.AsType[*connectors.RowError](err)
		if broken != nil && after == 0 { // no line break within the greatest size
			if end, after, err = r.skipLong(at); err != nil {
				return err
			}
		}
		all = shifted(cells, first, at)
		lines := int64(bytes.Count(r.buf[at:at+after], []byte("\n")))
		if broken == nil && end == 0 { // a blank line
			all = all[:first]
			at, lineNumber = at+after, lineNumber+lines
			continue
		}
		found = append(found, pending{span{at, at + end, at + after, lineNumber, lineNumber + lines}, first, len(all) - first, broken})
		at, lineNumber = at+after, lineNumber+lines
	}
	p.end = r.eof && at == len(r.buf)
	if len(csv.Tail) > 0 && len(found) > 0 && (p.end || len(found) == want) {
		found = found[:len(found)-1]
		if !p.end {
			at = 0
			if len(found) > 0 {
				at, lineNumber = found[len(found)-1].span.after, found[len(found)-1].span.next
			}
		}
	}
	p.takeBlock(r, at, lineNumber-r.line)
	r.rows(p, found, all)
	return nil
}

// skipLong finds the end of a line that is longer than a record may be, keeping
// only its beginning in memory: the rest is consumed on the way.
func (r *reading) skipLong(at int) (end, after int, err error) {
	for {
		if i := bytes.IndexByte(r.buf[at:], '\n'); i >= 0 {
			return i, i + 1, nil
		}
		if r.eof {
			return len(r.buf) - at, len(r.buf) - at, nil
		}
		if err := r.fill(); err != nil {
			return 0, 0, err
		}
	}
}

func shifted(cells []cell, first, by int) []cell {
	for i := first; i < len(cells); i++ {
		cells[i].from += by
		cells[i].to += by
	}
	return cells
}

// rows makes the rows of the records found.
func (r *reading) rows(p *page, found []pending, all []cell) {
	width := len(r.source.resource.Read)
	slab := make([]record.Value, len(found)*width)
	p.rows = make([]record.Row, 0, len(found))
	for _, f := range found {
		row := record.Row(slab[:width:width])
		slab = slab[width:]
		if f.err != nil {
			p.fail(f.err.Code, f.err.Message)
		} else {
			r.row(p, row, all[f.first:f.first+f.count], f.span)
		}
		p.rows, p.spans = append(p.rows, row), append(p.spans, f.span)
	}
}

func (r *reading) row(p *page, row record.Row, cells []cell, s span) {
	if len(cells) != len(r.cells.names) {
		p.fail("csv_columns", fmt.Sprintf("it has %d cells, and the header has %d", len(cells), len(r.cells.names)))
	} else if !utf8.ValidString(p.block[s.from:s.to]) {
		p.fail("encoding", "it is not valid UTF-8: is the encoding of the resource right?")
	}
	null := r.source.settings.CSV.Null
	for i, at := range r.cells.wanted {
		if at >= len(cells) {
			continue
		}
		c := cells[at]
		text := ""
		if c.text != nil {
			text = string(c.text)
		} else {
			text = p.block[c.from:c.to]
		}
		if text == null || text == "" {
			row[i] = record.NullValue()
			continue
		}
		row[i] = record.StringValue(text)
	}
}

// Envelope implements connectors.Enveloped.
func (s *source) Envelope(ctx context.Context, part connectors.Part) (head, tail record.Row, err error) {
	csv := s.settings.CSV
	if csv == nil || len(csv.Head)+len(csv.Tail) == 0 {
		return nil, nil, nil
	}
	if err := s.Close(); err != nil {
		return nil, nil, err
	}
	if _, err := s.openAt(part.Name, position{}); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	head = s.file.head
	if len(csv.Tail) == 0 {
		return head, nil, nil
	}
	var last []string
	for ctx.Err() == nil {
		cells, err := s.file.oneRecord(true)
		if err != nil {
			return nil, nil, classify("read the tail of "+part.Name, err)
		}
		if cells == nil {
			break
		}
		last = cells
	}
	return head, textRow(last, len(csv.Tail)), ctx.Err()
}

func textRow(cells []string, width int) record.Row {
	row := make(record.Row, width)
	for i := range row {
		row[i] = record.NullValue()
		if i < len(cells) && strings.TrimSpace(cells[i]) != "" {
			row[i] = record.StringValue(strings.TrimSpace(cells[i]))
		}
	}
	return row
}
