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
	width  int   // cells of a record; 0: an empty file has none
	wanted []int // by position of Resource.Read: the cell
}

// beginCSV reads the head and the header, and finds the wanted columns.
func (r *reading) beginCSV() error {
	csv := r.source.settings.CSV
	if len(csv.Head) > 0 {
		texts, err := r.lineBefore("head")
		if err != nil {
			return err
		}
		r.head = textRow(texts, len(csv.Head))
	}
	if len(csv.Columns) > 0 {
		return r.columns(csv.Columns)
	}
	if !csv.Header {
		return r.broken("header", "name the columns: columns = [...]", errors.New("no line names the columns"))
	}
	names, err := r.lineBefore("header")
	if err != nil {
		return err
	}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return r.columns(names)
}

func (r *reading) broken(what, hint string, err error) error {
	return &connectors.Error{Class: connectors.Broken, Op: "read the " + what + " of " + r.name, Hint: hint, Err: err}
}

// lineBefore reads a record that stands before the rows; nil at the end of the file.
func (r *reading) lineBefore(what string) ([]string, error) {
	texts, err := r.oneRecord()
	if e, ok := errors.AsType[*connectors.RowError](err); ok {
		return nil, r.broken(what, "is this file one of this resource?", e)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return nil, r.broken(what, "is the encoding of the resource right?", errors.New("it is no text in the encoding of the resource"))
		}
	}
	return texts, err
}

// oneRecord reads one record as texts; nil at the end of the file. Blank lines are
// passed over. Of a broken one only the first line is passed.
func (r *reading) oneRecord() ([]string, error) {
	p := r.source.settings.CSV.splitter()
	for !r.done(0) {
		cells, end, after, err := p.record(r.buf, r.eof, nil)
		if err == errMore {
			if err := r.fill(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil && after == 0 {
			if skip := r.skipLong(&page{}, tooLong(p.max)); skip != nil {
				return nil, skip
			}
			return nil, err
		}
		texts, text := make([]string, len(cells)), string(r.buf[:after])
		for i, c := range cells {
			texts[i] = p.text(text, c)
		}
		r.consume(after, int64(bytes.Count(r.buf[:after], newline)))
		if err != nil || end > 0 {
			return texts, err
		}
	}
	return nil, nil
}

var newline = []byte("\n")

// columns finds the wanted columns among those of the file.
func (r *reading) columns(names []string) error {
	r.cells = &cells{width: len(names)}
	if names == nil { // an empty file has no rows
		return nil
	}
	for i, name := range names {
		if name != "" && slices.Contains(names[:i], name) {
			return r.broken("header", "every column needs a name of its own", fmt.Errorf("column %q stands twice", name))
		}
	}
	for _, column := range r.source.resource.Read {
		at := slices.Index(names, column.Name)
		if at < 0 {
			return connectors.MissingColumn("read the header of "+r.name, column.Name, shown(names))
		}
		r.cells.wanted = append(r.cells.wanted, at)
	}
	return nil
}

// shown keeps what a message shows of a header short.
func shown(names []string) []string {
	const most, longest = 100, 100
	var short []string
	for _, name := range names[:min(len(names), most)] {
		if len(name) > longest {
			name = strings.ToValidUTF8(name[:longest], "") + "…"
		}
		short = append(short, name)
	}
	return short
}

// pending is a record that was found in the buffer and is not a row yet.
type pending struct {
	span  span
	first int // of its cells
	count int
	err   *connectors.RowError
}

// scan is what was found of a page in the buffer so far. A reading has one, whose
// memory each page uses again.
type scan struct {
	found []pending
	all   []cell
	at    int   // behind what was found
	line  int64 // there
	more  int   // records to find
}

// newScan begins to look for so many records.
func (r *reading) newScan(limit int) *scan {
	r.scan = scan{line: r.line, more: limit, found: r.scan.found[:0], all: r.scan.all[:0]}
	return &r.scan
}

// parseCSV finds limit records in the buffer, makes one block of them, and rows of that.
func (r *reading) parseCSV(p *page, limit int) error {
	if r.cells.width == 0 {
		p.end = true
		p.take(r, 0, 0)
		return nil
	}
	s := r.newScan(limit)
	hasTail := len(r.source.settings.CSV.Tail) > 0
	if hasTail {
		s.more++ // the last record is no row: one more shows whether there is one behind
	}
	long, err := r.scanCSV(s, hasTail)
	if err != nil {
		return err
	}
	if long != nil && len(s.found) == 0 {
		return r.skipLong(p, long)
	}
	p.end = r.done(s.at)
	if n := len(s.found); hasTail && long == nil && n > 0 && (p.end || n > 1) {
		// The tail stays in front: if the file grows, it was a record.
		last := s.found[n-1]
		s.found = s.found[:n-1]
		s.at, s.line = last.span.from, last.span.line
	}
	p.take(r, s.at, s.line-r.line)
	r.rows(p, s)
	return nil
}

// scanCSV finds records until there are enough, or enough text. A line that is
// longer than a record may be ends it: that one has a page of its own.
func (r *reading) scanCSV(s *scan, hasTail bool) (long *connectors.RowError, err error) {
	split := r.source.settings.CSV.splitter()
	split.width = r.cells.width
	for len(s.found) < s.more && !r.done(s.at) {
		if s.at >= pageSize && len(s.found) > 1 {
			return nil, nil
		}
		first := len(s.all)
		cells, end, after, err := split.record(r.buf[s.at:], r.eof, s.all)
		if err == errMore {
			if err := r.fill(); err != nil {
				return nil, err
			}
			continue
		}
		broken, _ := errors.AsType[*connectors.RowError](err)
		if broken != nil && after == 0 {
			return broken, nil
		}
		s.all = shifted(cells, first, s.at)
		if broken == nil && end == 0 { // a blank line
			s.all = s.all[:first]
			if full := r.blank(s, after); full {
				return nil, nil
			}
			continue
		}
		lines := int64(bytes.Count(r.buf[s.at:s.at+after], newline))
		at := span{s.at, s.at + end, s.at + after, s.line, s.line + lines}
		s.found = append(s.found, pending{at, first, len(s.all) - first, broken})
		s.at, s.line = at.after, at.next
	}
	return nil, nil
}

// blank passes a blank line; full says that they are so many that the page ends
// here. In front of a page they are consumed, however many there are.
func (r *reading) blank(s *scan, after int) (full bool) {
	s.at, s.line = s.at+after, s.line+1
	if len(s.found) > 0 {
		return s.at-s.found[len(s.found)-1].span.after > readSize
	}
	if s.at > readSize {
		r.consume(s.at, s.line-r.line)
		s.at = 0
	}
	return false
}

func shifted(cells []cell, first, by int) []cell {
	for i := first; i < len(cells); i++ {
		cells[i].from += by
		cells[i].to += by
	}
	return cells
}

// rows makes the rows of the records found.
func (r *reading) rows(p *page, s *scan) {
	split := r.source.settings.CSV.splitter()
	p.grow(len(s.found))
	valid := utf8.ValidString(p.block)
	for i := range s.found {
		f := &s.found[i]
		switch {
		case f.err != nil:
			p.fail(i, f.err)
		case f.count != r.cells.width:
			p.fail(i, &connectors.RowError{Code: "csv_columns", Message: fmt.Sprintf("it has %d cells, and the header has %d", f.count, r.cells.width)})
		case !valid && !utf8.ValidString(p.block[f.span.from:f.span.to]):
			p.fail(i, &connectors.RowError{Code: "encoding", Message: "it is no text in the encoding of the resource: is that right?"})
		}
		r.row(p.add(f.span), p.block, split, s.all[f.first:f.first+f.count])
	}
}

func (r *reading) row(row record.Row, block string, split splitter, cells []cell) {
	null := r.source.settings.CSV.Null
	for i, at := range r.cells.wanted {
		if at >= len(cells) {
			continue
		}
		c := &cells[at]
		switch {
		case c.from == c.to && (null == "" || !c.quoted):
			row[i] = record.NullValue()
		case null != "" && !c.quoted && block[c.from:c.to] == null:
			row[i] = record.NullValue()
		default:
			row[i] = record.StringValue(split.text(block, *c))
		}
	}
}

// tail reads the last record of the file.
func (r *reading) tail(ctx context.Context) (record.Row, error) {
	var last []string
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		texts, err := r.oneRecord()
		if _, broken := errors.AsType[*connectors.RowError](err); err != nil && !broken {
			return nil, err
		}
		if texts == nil && err == nil {
			return textRow(last, len(r.source.settings.CSV.Tail)), nil
		}
		last = texts
	}
}

// textRow returns the cells of a head or a tail; those that are not there are null.
func textRow(texts []string, width int) record.Row {
	row := make(record.Row, width)
	for i := range row {
		row[i] = record.NullValue()
		if i < len(texts) && strings.TrimSpace(texts[i]) != "" {
			row[i] = record.StringValue(strings.TrimSpace(texts[i]))
		}
	}
	return row
}
