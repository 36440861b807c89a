package files

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

const (
	// readSize is how much is read at a time.
	readSize = 256 << 10
	// pageSize is how much text a page may hold: with long records it has fewer rows.
	pageSize = 8 << 20
	// rawSize is how much of a row is shown as its system wrote it.
	rawSize = 64 << 10
)

// reading is a file while it is read: text that was decoded to UTF-8, and where
// in it reading stands. It sees the file as long as it was when it was opened.
type reading struct {
	source *source
	name   string
	closer io.Closer
	input  io.Reader
	info   fs.FileInfo
	store  []byte // buf is the end of it
	buf    []byte // decoded and not consumed
	eof    bool
	offset int64 // of buf, in the decoded text
	line   int64 // of buf, from 1
	hash   *xxh3.Hasher
	next   record.Position // of the page read last

	scan   scan
	cells  *cells // csv
	head   record.Row
	wanted *document.Reader // jsonl
}

// sized reads a file to the size it had: what is appended meanwhile is for later,
// and a file that is shorter by now is an error and no end.
type sized struct {
	file io.Reader
	left int64
}

// Read gives the next bytes of the file.
func (s *sized) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.file.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if err == io.EOF && s.left > 0 {
		return n, &connectors.Error{Class: connectors.Down, Op: "read", Hint: "another program writes it: let it write another name and rename it", Err: io.ErrUnexpectedEOF}
	}
	return n, err
}

// start makes a reading that stands behind p, or at the beginning when the file is
// not the one p was made of.
func (s *source) start(f *os.File, name string, p position) (*reading, error) {
	r, err := s.newReading(f, name)
	if err != nil {
		return nil, err
	}
	if p.Offset == 0 {
		return r, r.begin()
	}
	same, err := r.skipTo(p)
	if err != nil || same {
		return r, err
	}
	if r, err = s.newReading(f, name); err != nil {
		return nil, err
	}
	return r, r.begin()
}

// newReading stands at the beginning of the text of f.
func (s *source) newReading(f *os.File, name string) (*reading, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var start [3]byte
	n, err := f.ReadAt(start[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var codec codec
	if s.settings.CSV != nil {
		if codec, err = encodingNamed(s.settings.CSV.Encoding); err != nil {
			return nil, err
		}
	}
	input := &sized{f, info.Size()}
	r := &reading{source: s, name: name, closer: f, info: info, line: 1, hash: xxh3.New()}
	text, mark, err := codec.decoder(input, start[:n])
	if err != nil {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "read " + name, Err: err}
	}
	r.input = text
	input.left -= int64(mark)
	_, err = f.Seek(int64(mark), io.SeekStart)
	return r, err
}

// begin reads what stands before the records: the head and the header.
func (r *reading) begin() error {
	if r.source.settings.CSV != nil {
		return r.beginCSV()
	}
	r.wanted = document.NewReader(r.source.resource.Read)
	return nil
}

// skipTo reads up to p and reports whether what stands there is what was read.
// The header is read on the way, and may be that of another file.
func (r *reading) skipTo(p position) (same bool, err error) {
	if err := r.begin(); err != nil {
		return false, r.otherFile(err)
	}
	for r.offset < p.Offset-p.Back {
		if len(r.buf) == 0 {
			if r.eof {
				return false, nil
			}
			if err := r.fill(); err != nil {
				return false, err
			}
			continue
		}
		r.consume(int(min(int64(len(r.buf)), p.Offset-p.Back-r.offset)), 0)
	}
	if err := r.want(int(p.Back) + len("\r\n")); err != nil {
		return false, err
	}
	back := r.buf[:min(int64(len(r.buf)), p.Offset-r.offset)]
	sum := *r.hash
	_, _ = sum.Write(back)
	if r.offset+int64(len(back)) != p.Offset || sum.Sum64() != p.Sum {
		return false, nil
	}
	r.line = p.Line
	if more := r.buf[len(back):]; len(more) == 0 || len(back) == 0 || breaksLine(more) {
		r.consume(len(back), 0)
		return true, nil
	}
	// The file ended in the middle of a line, which is whole now: once more.
	r.line -= int64(bytes.Count(back, []byte("\n")))
	return true, nil
}

func breaksLine(b []byte) bool { return b[0] == '\n' || bytes.HasPrefix(b, []byte("\r\n")) }

// otherFile lets the file be read from its beginning, where the same mistake is
// found again if it is one.
func (r *reading) otherFile(err error) error {
	if connectors.ClassOf(err) == connectors.Broken {
		return nil
	}
	return err
}

// want reads until n bytes of text are there, or the end.
func (r *reading) want(n int) error {
	for len(r.buf) < n && !r.eof {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads more text: as much again as there is, so that a long record is not
// looked at too often.
func (r *reading) fill() error {
	n := max(readSize, len(r.buf))
	if cap(r.buf)-len(r.buf) < n {
		if cap(r.store) < len(r.buf)+n {
			r.store = make([]byte, len(r.buf)+2*n)
		}
		r.store = r.store[:cap(r.store)]
		r.buf = r.store[:copy(r.store, r.buf)]
	}
	got, err := r.input.Read(r.buf[len(r.buf) : len(r.buf)+n])
	r.buf = r.buf[:len(r.buf)+got]
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

// done reports whether all text from at on is read.
func (r *reading) done(at int) bool { return r.eof && at == len(r.buf) }

// page reads at most limit records.
func (r *reading) page(limit int) (*page, error) {
	p := takePage(len(r.source.resource.Read))
	parse := r.parseJSONL
	if r.source.settings.CSV != nil {
		parse = r.parseCSV
	}
	if err := parse(p, limit); err != nil {
		return nil, err
	}
	p.behind = r.position()
	if n := len(p.spans); n > 0 {
		p.behind.Back = p.spans[n-1].back(p.block)
	}
	p.last = p.behind.text()
	if p.end {
		p.last = p.behind.at(r.info).text()
	}
	return p, nil
}

// skipLong consumes a line that is longer than a record may be, of which only the
// beginning is kept, as a page of one broken row.
func (r *reading) skipLong(p *page, broken *connectors.RowError) error {
	from := r.line
	p.take(r, 0, 0)
	p.block = string(r.buf[:min(len(r.buf), rawSize)])
	for {
		if i := bytes.IndexByte(r.buf, '\n'); i >= 0 {
			r.consume(i+1, 1)
			break
		}
		if r.consume(len(r.buf), 0); r.eof {
			break
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	p.end = r.done(0)
	p.fail(0, broken)
	p.grow(1)
	p.add(span{to: len(p.block), after: len(p.block) + 1, line: from, next: r.line})
	return nil
}

func tooLong(max int) *connectors.RowError {
	return &connectors.RowError{Code: "too_long", Message: fmt.Sprintf("the record is longer than %d bytes", max)}
}
