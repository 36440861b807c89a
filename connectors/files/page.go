package files

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/engine/record"
)

// page implements connectors.Page over one block of text: values are slices of it.
type page struct {
	block  string
	width  int            // values of a row
	values []record.Value // of all rows
	spans  []span         // one a row
	broken map[int]*connectors.RowError
	start  position
	prefix xxh3.Hasher // of all text before the block
	behind position    // where reading stood behind the page
	end    bool
	last   record.Position
}

// pages are pages that nobody uses any more.
var pages sync.Pool

// takePage returns an empty page for rows of so many values.
func takePage(width int) *page {
	if p, ok := pages.Get().(*page); ok {
		p.width = width
		return p
	}
	return &page{width: width}
}

// Release implements connectors.Releaser.
func (p *page) Release() {
	clear(p.values)
	*p = page{values: p.values[:0], spans: p.spans[:0]}
	pages.Put(p)
}

// grow makes room for n more rows.
func (p *page) grow(n int) {
	p.values, p.spans = slices.Grow(p.values, n*p.width), slices.Grow(p.spans, n)
}

// add adds a row of absent values.
func (p *page) add(at span) record.Row {
	p.spans = append(p.spans, at)
	p.values = p.values[:len(p.spans)*p.width]
	return p.row(len(p.spans) - 1)
}

func (p *page) row(i int) record.Row {
	return record.Row(p.values[i*p.width : (i+1)*p.width : (i+1)*p.width])
}

// span is where a row stands in the block and in the file.
type span struct {
	from, to int // bytes of the block, without the end of the line
	after    int // bytes of the block behind it
	line     int64
	next     int64 // the line behind it
}

// back is how many bytes reading has to go back if more of the line comes: those
// of a record that had no line break behind it.
func (s span) back(block string) int64 {
	if s.after <= len(block) && block[s.after-1] != '\n' {
		return int64(s.after - s.from)
	}
	return 0
}

// Len returns the number of rows.
func (p *page) Len() int { return len(p.spans) }

// Row returns the i-th row, and why it is broken.
func (p *page) Row(i int) (record.Row, error) {
	if e := p.broken[i]; e != nil {
		return p.row(i), e
	}
	return p.row(i), nil
}

// Raw returns the text of the i-th row.
func (p *page) Raw(i int) string {
	raw := p.block[p.spans[i].from:p.spans[i].to]
	if len(raw) > rawSize {
		raw = raw[:rawSize]
		for cut := 0; cut < utf8.UTFMax-1 && !utf8.ValidString(raw[max(0, len(raw)-utf8.UTFMax):]); cut++ {
			raw = raw[:len(raw)-1]
		}
	}
	return strings.ToValidUTF8(raw, "\uFFFD")
}

// Where names the line the i-th row begins in.
func (p *page) Where(i int) string { return "line " + strconv.FormatInt(p.spans[i].line, 10) }

// After sums the text up to the row: it is asked for few rows, so that no row pays for it.
func (p *page) After(i int) record.Position {
	if i == len(p.spans)-1 {
		return p.behind.text()
	}
	sum := p.prefix
	_, _ = sum.WriteString(p.block[:p.spans[i].after])
	return position{Offset: p.start.Offset + int64(p.spans[i].after), Line: p.spans[i].next, Sum: sum.Sum64()}.text()
}

// End reports whether the file ends behind the page.
func (p *page) End() bool { return p.end }

// EndPosition is behind the last row, and knows of the end of the file.
func (p *page) EndPosition() record.Position { return p.last }

// fail makes the i-th row a broken one.
func (p *page) fail(i int, e *connectors.RowError) {
	if p.broken == nil {
		p.broken = make(map[int]*connectors.RowError)
	}
	p.broken[i] = e
}

// take makes a string of the first n bytes of the buffer and consumes them.
func (p *page) take(r *reading, n int, lines int64) {
	p.start, p.prefix = r.position(), *r.hash
	p.block = string(r.buf[:n])
	r.consume(n, lines)
}

var (
	_ connectors.Page     = (*page)(nil)
	_ connectors.Releaser = (*page)(nil)
)
