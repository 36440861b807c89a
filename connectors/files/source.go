package files

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"headgate/connectors"
	"headgate/engine/record"
)

// source reads the files of a directory.
type source struct {
	*connector
	resource connectors.Resource
	settings *Resource
	file     *reading // the file read last, where it was left
}

// Place implements connectors.Source.
func (s *source) Place() (string, error) { return "files:" + s.dir + "/" + s.settings.Glob, nil }

// Close lets go of the file read last.
func (s *source) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file.closer
	s.file = nil
	return f.Close()
}

// Parts implements connectors.Source: the files that match, by name. One that is
// being written is left for later.
func (s *source) Parts(ctx context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) {
		names, err := s.list()
		if err != nil {
			yield(connectors.Part{}, err)
			return
		}
		for _, name := range names {
			if ctx.Err() != nil || !yield(connectors.Part{Name: name}, nil) {
				return
			}
		}
	}
}

func (s *source) list() ([]string, error) {
	root, err := s.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	names, err := fs.Glob(root.FS(), s.settings.Glob)
	if err != nil {
		return nil, classify("list "+s.dir, err)
	}
	slices.Sort(names)
	now := time.Now
	if s.tools.Now != nil {
		now = s.tools.Now
	}
	return slices.DeleteFunc(names, func(name string) bool {
		base := name[strings.LastIndexByte(name, '/')+1:]
		if base[0] == '.' || strings.HasSuffix(base, ".part") || strings.HasSuffix(base, ".tmp") {
			return true
		}
		info, err := root.Stat(name)
		return err != nil || !info.Mode().IsRegular() || now().Sub(info.ModTime()) < s.settings.Settle
	}), nil
}

// position is where a file was read to. Sum is of everything before Offset, so that
// a file that grew is told from one that was replaced.
type position struct {
	Offset, Line int64
	Sum          uint64
	Size, Time   int64 // of the file when its end was seen; 0 before
	Records      bool  // the header was read
}

func (p position) text() record.Position {
	text := fmt.Sprintf("offset=%d line=%d sum=%016x", p.Offset, p.Line, p.Sum)
	if p.Time != 0 {
		text += fmt.Sprintf(" end size=%d time=%d", p.Size, p.Time)
	}
	return record.Position(text)
}

func parsePosition(text record.Position) (p position, err error) {
	if text == "" {
		return p, nil
	}
	for _, word := range strings.Fields(string(text)) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "offset":
			p.Offset, err = strconv.ParseInt(value, 10, 64)
		case "line":
			p.Line, err = strconv.ParseInt(value, 10, 64)
		case "sum":
			p.Sum, err = strconv.ParseUint(value, 16, 64)
		case "size":
			p.Size, err = strconv.ParseInt(value, 10, 64)
		case "time":
			p.Time, err = strconv.ParseInt(value, 10, 64)
		}
		if err != nil || p.Offset < 0 {
			return p, &connectors.Error{Class: connectors.Broken, Op: "go on reading", Hint: "`headgate checkpoint rewind` reads the file from its beginning", Err: fmt.Errorf("%q is not a position in a file", text)}
		}
	}
	return p, nil
}

// Read implements connectors.Source.
func (s *source) Read(ctx context.Context, part connectors.Part, after record.Position, limit int) (connectors.Page, error) {
	if s.tools.Wait != nil {
		if err := s.tools.Wait(ctx); err != nil {
			return nil, err
		}
	}
	p, err := parsePosition(after)
	if err != nil {
		return nil, err
	}
	if s.file == nil || s.file.name != part.Name || s.file.next != after || after == "" {
		if err := s.Close(); err != nil {
			return nil, classify("close a file", err)
		}
		ended, err := s.openAt(part.Name, p)
		if err != nil {
			return nil, err
		}
		if ended {
			return &page{end: true, last: after}, nil
		}
	}
	page, err := s.file.page(limit)
	if err != nil {
		_ = s.Close()
		return nil, classify("read "+part.Name, err)
	}
	s.file.next = page.last
	if page.end {
		return page, s.Close()
	}
	return page, nil
}

// openAt opens a file behind a position. It reports an end that was seen before
// without reading, where the file has not changed since.
func (s *source) openAt(name string, p position) (ended bool, err error) {
	root, err := s.root()
	if err != nil {
		return false, err
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(name)
	if err != nil {
		return false, classify("open "+name, err)
	}
	info, err := f.Stat()
	if err == nil && p.Time != 0 && info.Size() == p.Size && info.ModTime().UnixNano() == p.Time {
		return true, f.Close()
	}
	var r *reading
	if err == nil {
		r, err = s.start(f, name, info, p)
	}
	if err != nil {
		_ = f.Close()
		return false, classify("read "+name, err)
	}
	s.file = r
	return false, nil
}

// start makes a reading that stands behind p, or at the beginning when the file is
// not the one p was made of.
func (s *source) start(f *os.File, name string, info os.FileInfo, p position) (*reading, error) {
	r, err := s.newReading(f, name, info)
	if err != nil {
		return nil, err
	}
	same, err := r.skipTo(p)
	if err != nil || same {
		return r, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if r, err = s.newReading(f, name, info); err != nil {
		return nil, err
	}
	return r, r.begin()
}

// reading is a file while it is read: text that was decoded to UTF-8, and where
// in it reading stands.
type reading struct {
	source *source
	name   string
	closer io.Closer
	input  io.Reader
	info   os.FileInfo
	buf    []byte // decoded and not consumed
	eof    bool
	offset int64 // of buf, in the decoded text
	line   int64 // of buf, from 1
	hash   *xxh3.Hasher
	next   record.Position // of the page read last
	cells  *cells          // csv
	head   record.Row
}

func (s *source) newReading(f *os.File, name string, info os.FileInfo) (*reading, error) {
	var mark [3]byte
	n, err := f.ReadAt(mark[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	r := &reading{source: s, name: name, closer: f, input: f, info: info, line: 1, hash: xxh3.New()}
	codec, err := encodingNamed(s.encoding())
	switch {
	case err != nil:
		return nil, err
	case codec != nil:
		r.input = transform.NewReader(f, codec.NewDecoder())
	case n >= 2 && (mark[0] == 0xFF && mark[1] == 0xFE || mark[0] == 0xFE && mark[1] == 0xFF):
		r.input = transform.NewReader(f, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	case n == 3 && bytes.Equal(mark[:], []byte("\xEF\xBB\xBF")):
		if _, err := f.Seek(3, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (s *source) encoding() string {
	if s.settings.CSV != nil {
		return s.settings.CSV.Encoding
	}
	return "utf-8"
}

// skipTo reads up to p and reports whether what stands there is what was read.
func (r *reading) skipTo(p position) (same bool, err error) {
	if err := r.begin(); err != nil || p.Offset == 0 {
		return true, err
	}
	for r.offset < p.Offset {
		if len(r.buf) == 0 {
			if r.eof {
				return false, nil
			}
			if err := r.fill(); err != nil {
				return false, err
			}
			continue
		}
		r.consume(int(min(int64(len(r.buf)), p.Offset-r.offset)), 0)
	}
	r.line = p.Line
	return r.hash.Sum64() == p.Sum, nil
}

// begin reads what stands before the records: the head and the header.
func (r *reading) begin() error {
	if r.source.settings.CSV == nil {
		return nil
	}
	return r.beginCSV()
}

// readSize is how much is read at a time.
const readSize = 256 << 10

// fill reads more text.
func (r *reading) fill() error {
	if cap(r.buf)-len(r.buf) < readSize {
		grown := make([]byte, len(r.buf), 2*len(r.buf)+2*readSize)
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.input.Read(r.buf[len(r.buf) : len(r.buf)+readSize])
	r.buf = r.buf[:len(r.buf)+n]
	if err == io.EOF {
		r.eof, err = true, nil
	}
	return err
}

// consume passes n bytes with so many lines.
func (r *reading) consume(n int, lines int64) {
	_, _ = r.hash.Write(r.buf[:n])
	r.buf = r.buf[n:]
	r.offset += int64(n)
	r.line += lines
}

func (r *reading) position() position {
	return position{Offset: r.offset, Line: r.line, Sum: r.hash.Sum64()}
}

// page reads at most limit records.
func (r *reading) page(limit int) (*page, error) {
	p := &page{reading: r}
	if err := r.parse(p, limit); err != nil {
		return nil, err
	}
	p.last = r.position().text()
	if p.end {
		end := r.position()
		end.Size, end.Time = r.info.Size(), r.info.ModTime().UnixNano()
		p.last = end.text()
	}
	return p, nil
}

func (r *reading) parse(p *page, limit int) error {
	if r.source.settings.CSV != nil {
		return r.parseCSV(p, limit)
	}
	return r.parseJSONL(p, limit)
}

// page implements connectors.Page over one block of text: values are slices of it.
type page struct {
	reading *reading
	block   string
	rows    []record.Row
	spans   []span
	broken  map[int]*connectors.RowError
	start   position
	prefix  *xxh3.Hasher
	end     bool
	last    record.Position
}

// span is where a row stands in the block and in the file.
type span struct {
	from, to int // bytes of the block, without the end of the line
	after    int // bytes of the block behind it
	line     int64
	next     int64 // the line behind it
}

func (p *page) Len() int { return len(p.rows) }

func (p *page) Row(i int) (record.Row, error) {
	if e := p.broken[i]; e != nil {
		return p.rows[i], e
	}
	return p.rows[i], nil
}

func (p *page) Raw(i int) string {
	raw := p.block[p.spans[i].from:p.spans[i].to]
	return raw[:min(len(raw), 64<<10)]
}

func (p *page) Where(i int) string { return "line " + strconv.FormatInt(p.spans[i].line, 10) }

// After sums the text up to the row: it is asked for few rows, so that no row pays for it.
func (p *page) After(i int) record.Position {
	if i == len(p.rows)-1 && !p.end {
		return p.last
	}
	h := p.prefix
	copied := *h
	_, _ = copied.WriteString(p.block[:p.spans[i].after])
	return position{Offset: p.start.Offset + int64(p.spans[i].after), Line: p.spans[i].next, Sum: copied.Sum64()}.text()
}

func (p *page) End() bool                    { return p.end }
func (p *page) EndPosition() record.Position { return p.last }

func (p *page) fail(code, message string) {
	if p.broken == nil {
		p.broken = make(map[int]*connectors.RowError)
	}
	p.broken[len(p.rows)] = &connectors.RowError{Code: code, Message: message}
}

// takeBlock makes a string of the first n bytes of the buffer and consumes them.
func (p *page) takeBlock(r *reading, n int, lines int64) {
	p.start = r.position()
	copied := *r.hash
	p.prefix = &copied
	p.block = string(r.buf[:n])
	r.consume(n, lines)
}
