package files

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"headgate/connectors"
)

// cell is one cell of a record: a range of the text.
type cell struct {
	from, to int
	quoted   bool
	doubled  bool // it has doubled quotes
}

// text is the text of a cell of b.
func (p splitter) text(b string, c cell) string {
	if c.doubled {
		quote := string(p.quote)
		return strings.ReplaceAll(b[c.from:c.to], quote+quote, quote)
	}
	return b[c.from:c.to]
}

// splitter splits text into records and cells, as RFC 4180 says: a quote counts
// at the beginning of a cell only, and is doubled within; elsewhere it is data, and
// so is a carriage return that no line feed follows.
type splitter struct {
	delimiter, quote byte
	quoted           bool
	max              int // bytes of a record
	width            int // cells of a record; 0: not known
}

// spareCells is how many cells too many a record of several lines may have before
// it is taken for one with a quote that was never closed.
const spareCells = 16

func (c *CSV) splitter() splitter {
	p := splitter{delimiter: c.Delimiter[0], quoted: c.Quote != "", max: c.MaxRecord}
	if p.quoted {
		p.quote = c.Quote[0]
	}
	return p
}

// errMore says that the record does not end in the text there is.
var errMore = errors.New("more text is needed")

// line returns the end of the first line of b without and with its line break.
// It needs no more text than a line of max bytes has; after is 0 for a longer one.
func line(b []byte, eof bool, max int) (end, after int, err error) {
	longest := max + len("\r\n")
	window := b[:min(len(b), longest)]
	i := bytes.IndexByte(window, '\n')
	switch {
	case i < 0 && len(b) > longest:
		return 0, 0, tooLong(max)
	case i < 0 && !eof:
		return 0, 0, errMore
	case i < 0:
		i, after = len(b), len(b)
	default:
		after = i + 1
	}
	if end = i; end > 0 && b[end-1] == '\r' {
		end--
	}
	if end > max {
		return end, after, tooLong(max)
	}
	return end, after, nil
}

// record splits the first record of b into cells, which it appends. A record that
// is broken is a *connectors.RowError, and ends then with its first line: what
// stands behind an unclosed quote is not swallowed. What it answers does not
// depend on how much of the text is there, but for errMore.
func (p splitter) record(b []byte, eof bool, cells []cell) (_ []cell, end, after int, err error) {
	if end, after, err = line(b, eof, p.max); err != nil {
		return cells, end, after, err
	}
	if !p.quoted || bytes.IndexByte(b[:end], p.quote) < 0 {
		return p.plain(b[:end], cells), end, after, nil
	}
	known := len(cells)
	window, full := b, eof
	if longest := p.max + len("\r\n"); len(b) >= longest {
		window, full = b[:longest], true
	}
	cells, quotedEnd, quotedAfter, err := p.quotes(window, full, after, cells)
	switch {
	case err == errMore:
		return cells[:known], 0, 0, err
	case err != nil:
		return cells[:known], end, after, err
	case quotedEnd > p.max:
		return cells[:known], end, after, tooLong(p.max)
	}
	return cells, quotedEnd, quotedAfter, nil
}

// plain splits a line without quotes.
func (p splitter) plain(b []byte, cells []cell) []cell {
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

func badQuote(format string, args ...any) *connectors.RowError {
	return &connectors.RowError{Code: "csv_quote", Message: fmt.Sprintf(format, args...)}
}

// quotes splits a record some of whose cells are quoted; it may have several
// lines. full says that no more text will come, or may.
func (p splitter) quotes(b []byte, full bool, firstLine int, cells []cell) (_ []cell, end, after int, err error) {
	first := len(cells)
	for i := 0; ; i++ {
		c, next, ok := p.cell(b, i)
		if !ok && full && len(b) > p.max {
			return cells, 0, 0, badQuote("a quote is opened and not closed within %d bytes", p.max)
		}
		if !ok && full {
			return cells, 0, 0, badQuote("a quote is opened and not closed")
		}
		if !ok {
			return cells, 0, 0, errMore
		}
		cells, i = append(cells, c), next
		if p.width > 0 && i > firstLine && len(cells)-first > p.width+spareCells {
			return cells, 0, 0, badQuote("a quote is opened and closed in a later record")
		}
		end, after, err = lineBreak(b, i, full)
		if err == nil || err == errMore {
			return cells, end, after, err
		}
		if b[i] != p.delimiter {
			return cells, 0, 0, badQuote("text stands behind a closing quote")
		}
	}
}

var errNoBreak = errors.New("no line break")

// lineBreak reports whether the line ends at i, and what stands behind it.
func lineBreak(b []byte, i int, full bool) (end, after int, err error) {
	switch {
	case i >= len(b) && !full:
		return 0, 0, errMore
	case i >= len(b):
		return i, i, nil
	case b[i] == '\n':
		return i, i + 1, nil
	case b[i] != '\r':
		return 0, 0, errNoBreak
	case i+1 < len(b) && b[i+1] == '\n':
		return i, i + 2, nil
	case i+1 < len(b):
		return 0, 0, errNoBreak
	case full:
		return i, i + 1, nil
	}
	return 0, 0, errMore
}

// cell reads the cell that begins at i; ok is false when it does not end.
func (p splitter) cell(b []byte, i int) (c cell, next int, ok bool) {
	if i < len(b) && b[i] == p.quote {
		return p.quotedCell(b, i+1)
	}
	c.from, next = i, i
	for next < len(b) && b[next] != p.delimiter && b[next] != '\n' {
		next++
	}
	c.to = next
	if next > i && b[next-1] == '\r' && (next == len(b) || b[next] == '\n') {
		c.to, next = next-1, next-1
	}
	return c, next, true
}

func (p splitter) quotedCell(b []byte, from int) (c cell, next int, ok bool) {
	c.from, c.quoted = from, true
	for k := from; ; {
		n := bytes.IndexByte(b[k:], p.quote)
		if n < 0 {
			return c, 0, false
		}
		if k += n; k+1 < len(b) && b[k+1] == p.quote {
			c.doubled, k = true, k+2
			continue
		}
		c.to = k
		return c, k + 1, true
	}
}
