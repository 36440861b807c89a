package files

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/itchyny/timefmt-go"
	"github.com/zeebo/xxh3"
	"golang.org/x/text/encoding"

	"headgate/connectors"
)

// destination appends rows to .NAME.part and gives it its name at the end of a pass.
type destination struct {
	*connector
	resource connectors.Resource
	settings *Resource
	format   *format
	file     *os.File // the part file; nil before the first row of a pass
	out      *bufio.Writer
	mark     mark
	hash     *xxh3.Hasher
}

// mark is what was appended and settled.
type mark struct {
	Name   string `json:"name"`
	Length int64  `json:"length"`
	Rows   int64  `json:"rows"`
	Sum    string `json:"sum"`
}

// writeSize is how much is kept in memory before it is written.
const writeSize = 256 << 10

// Place implements connectors.Destination.
func (d *destination) Place() (string, error) { return "files:" + d.dir + "/" + d.settings.File, nil }

// Close lets go of the part file; what was not marked is cut off at the next Restore.
func (d *destination) Close() error {
	if d.file == nil {
		return nil
	}
	f := d.file
	d.file = nil
	return f.Close()
}

func (d *destination) partPath(name string) string { return filepath.Join(d.dir, "."+name+".part") }

// Apply implements connectors.Destination: a row a change, appended.
func (d *destination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	if err := ctx.Err(); err != nil {
		return receipts, err
	}
	if err := d.start(); err != nil {
		return receipts, classify("append to "+d.settings.File, err)
	}
	for i, c := range lot.Changes {
		if c.Op == connectors.Delete {
			receipts[i] = connectors.Receipt{Status: connectors.Refused, Code: "unsupported", Words: "a file cannot say that a record is gone"}
			continue
		}
		row, err := d.format.append(d.format.buf[:0], c.Values)
		d.format.buf = row
		if err != nil {
			receipts[i] = connectors.Receipt{Status: connectors.Refused, Code: "encoding", Words: err.Error()}
			continue
		}
		if err := d.write(row); err != nil {
			clear(receipts)
			return receipts, classify("append to "+d.mark.Name, err)
		}
		d.mark.Rows++
		receipts[i].Status = connectors.Applied
	}
	return receipts, nil
}

func (d *destination) write(b []byte) error {
	n, err := d.out.Write(b)
	d.mark.Length += int64(n)
	_, _ = d.hash.Write(b[:n])
	return err
}

// start opens the part file of a new pass.
func (d *destination) start() error {
	if d.format == nil {
		f, err := newFormat(d.settings, d.resource.Write)
		if err != nil {
			return err
		}
		d.format = f
	}
	if d.file != nil {
		return nil
	}
	now := time.Now
	if d.tools.Now != nil {
		now = d.tools.Now
	}
	name, err := d.freeName(timefmt.Format(now().UTC(), d.settings.File))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.partPath(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	d.take(f, mark{Name: name}, xxh3.New())
	return d.write(d.format.header())
}

func (d *destination) take(f *os.File, m mark, h *xxh3.Hasher) {
	d.file, d.mark, d.hash = f, m, h
	d.out = bufio.NewWriterSize(f, writeSize)
}

// freeName returns a name that no published file and no other part has.
func (d *destination) freeName(name string) (string, error) {
	extension := filepath.Ext(name)
	for n := 1; n < 10_000; n++ {
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, extension), n, extension)
		}
		_, err := os.Lstat(filepath.Join(d.dir, try))
		_, errPart := os.Lstat(d.partPath(try))
		if errors.Is(err, os.ErrNotExist) && errors.Is(errPart, os.ErrNotExist) {
			return try, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("there are too many files called %s", name)
}

// Mark implements connectors.Appender.
func (d *destination) Mark(context.Context) (string, error) {
	if d.file == nil {
		return "", nil
	}
	if err := d.sync(); err != nil {
		return "", classify("sync "+d.mark.Name, err)
	}
	d.mark.Sum = fmt.Sprintf("%016x", d.hash.Sum64())
	text, err := json.Marshal(d.mark)
	return string(text), err
}

func (d *destination) sync() error {
	if err := d.out.Flush(); err != nil {
		return err
	}
	return d.file.Sync()
}

// Restore implements connectors.Appender.
func (d *destination) Restore(_ context.Context, text string) error {
	if err := d.Close(); err != nil {
		return err
	}
	d.mark = mark{}
	if text == "" {
		return d.sweepParts()
	}
	var m mark
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.Name == "" || strings.ContainsAny(m.Name, "/\\") {
		return &connectors.Error{Class: connectors.Broken, Op: "go back to what was settled", Err: fmt.Errorf("%q is not a mark", text)}
	}
	f, err := os.OpenFile(d.partPath(m.Name), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return d.published(m)
	}
	if err != nil {
		return classify("open "+d.partPath(m.Name), err)
	}
	if err := d.cut(f, m); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// directives are what strftime replaces in a file's name.
var directives = regexp.MustCompile(`%[-_0^#]?[A-Za-z%]`)

// sweepParts removes what was appended and never settled: nothing names it.
func (d *destination) sweepParts() error {
	parts, err := filepath.Glob(d.partPath(directives.ReplaceAllString(d.settings.File, "*")))
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := os.Remove(part); err != nil {
			return classify("remove "+part, err)
		}
	}
	return nil
}

// published accepts that the part was given its name before the state knew.
func (d *destination) published(m mark) error {
	info, err := os.Stat(filepath.Join(d.dir, m.Name))
	if err == nil && info.Size() == m.Length {
		return nil
	}
	return &connectors.Error{Class: connectors.Broken, Op: "go on with " + m.Name, Hint: "somebody moved or changed it: put it back, or rewind the flow", Err: fmt.Errorf("neither .%s.part nor %s with %d bytes is there", m.Name, m.Name, m.Length)}
}

// cut makes the part file what was settled, and goes on behind it.
func (d *destination) cut(f *os.File, m mark) error {
	h := xxh3.New()
	n, err := io.Copy(h, io.LimitReader(f, m.Length))
	if err != nil {
		return classify("read "+f.Name(), err)
	}
	if n < m.Length || fmt.Sprintf("%016x", h.Sum64()) != m.Sum {
		return &connectors.Error{Class: connectors.Broken, Op: "go on with " + f.Name(), Hint: "somebody changed it: put it back, or rewind the flow", Err: fmt.Errorf("it no longer begins with the %d bytes that were settled", m.Length)}
	}
	if err := f.Truncate(m.Length); err != nil {
		return classify("cut "+f.Name(), err)
	}
	if _, err := f.Seek(m.Length, io.SeekStart); err != nil {
		return classify("cut "+f.Name(), err)
	}
	d.take(f, m, h)
	if d.format == nil {
		d.format, err = newFormat(d.settings, d.resource.Write)
	}
	return err
}

// sidecar is what stands beside a published file.
type sidecar struct {
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	XXH3  string `json:"xxh3"`
}

// Finish implements connectors.Appender: the file appears whole, and never in
// place of another; what says how many rows it has is there before it.
func (d *destination) Finish(context.Context) error {
	if d.file == nil {
		return nil
	}
	if err := d.sync(); err != nil {
		return classify("sync "+d.mark.Name, err)
	}
	note, err := json.Marshal(sidecar{d.mark.Name, d.mark.Rows, d.mark.Length, fmt.Sprintf("%016x", d.hash.Sum64())})
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(d.dir, d.mark.Name+".sum.json"), append(note, '\n')); err != nil {
		return classify("write the sum of "+d.mark.Name, err)
	}
	if err := os.Link(d.partPath(d.mark.Name), filepath.Join(d.dir, d.mark.Name)); err != nil {
		return classify("publish "+d.mark.Name, err)
	}
	if err := os.Remove(d.partPath(d.mark.Name)); err != nil {
		return classify("publish "+d.mark.Name, err)
	}
	if err := syncDir(d.dir); err != nil {
		return classify("publish "+d.mark.Name, err)
	}
	d.mark = mark{}
	return d.Close()
}

func writeSynced(path string, content []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// encoded returns text in an encoding, or an error for what it cannot say.
func encoded(codec encoding.Encoding, text []byte) ([]byte, error) {
	if codec == nil {
		return text, nil
	}
	out, err := codec.NewEncoder().Bytes(text)
	if err != nil {
		return nil, errors.New("a character cannot be written in the encoding of the file")
	}
	return bytes.Clone(out), nil
}

var (
	_ connectors.Destination = (*destination)(nil)
	_ connectors.Appender    = (*destination)(nil)
	_ connectors.Source      = (*source)(nil)
	_ connectors.Enveloped   = (*source)(nil)
)
