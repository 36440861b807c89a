package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/itchyny/timefmt-go"
	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"headgate/connectors"
)

// destination appends rows to .NAME.part and gives it its name at the end of a pass.
type destination struct {
	*connector
	resource connectors.Resource
	settings *Resource
	format   format
	buf      []byte
	file     *os.File // the part file; nil before the first row of a pass
	out      *bufio.Writer
	mark     mark
	hash     *xxh3.Hasher
	named    bool // the directory is known to hold the part file after a power cut
	unsynced bool // there is a mark that a power cut may take away
}

// writeSize is how much is kept in memory before it is written.
const writeSize = 256 << 10

// Place implements connectors.Destination.
func (d *destination) Place() (string, error) { return "files:" + d.dir + "/" + d.settings.File, nil }

// Probe implements connectors.Prober: the directory is there, and may be written.
func (d *destination) Probe(context.Context) (bool, error) {
	op := "write in " + d.dir
	if info, err := os.Stat(d.dir); err != nil {
		return false, classify(op, err)
	} else if !info.IsDir() {
		return false, classify(op, &os.PathError{Op: "open", Path: d.dir, Err: unix.ENOTDIR})
	}
	return true, classify(op, unix.Access(d.dir, unix.W_OK|unix.X_OK))
}

// Close lets go of the part file; what was not marked is cut off at the next Restore.
func (d *destination) Close() error {
	if d.file == nil {
		return nil
	}
	f := d.file
	d.file, d.mark = nil, mark{}
	d.closed(d)
	return f.Close()
}

func (d *destination) path(name string) string     { return filepath.Join(d.dir, name) }
func (d *destination) partPath(name string) string { return d.path("." + name + partSuffix) }

// Apply implements connectors.Destination: a row a change, appended. What an error
// leaves half written is cut off when the engine goes back to its mark.
func (d *destination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	if err := ctx.Err(); err != nil || len(lot.Changes) == 0 {
		return receipts, err
	}
	if d.tools.Wait != nil {
		if err := d.tools.Wait(ctx); err != nil {
			return receipts, err
		}
	}
	for i := range lot.Changes {
		refused, err := d.apply(&lot.Changes[i])
		switch {
		case err != nil:
			return doubtful(receipts), classify("append to "+d.settings.File, err)
		case refused != nil:
			receipts[i] = connectors.Receipt{Status: connectors.Refused, Code: refused.code, Words: refused.Error()}
		default:
			receipts[i].Status = connectors.Applied
		}
	}
	return receipts, nil
}

// doubtful takes back what was answered: what was written before an error may be
// lost with what was not.
func doubtful(receipts []connectors.Receipt) []connectors.Receipt {
	for i := range receipts {
		if receipts[i].Status != connectors.Refused {
			receipts[i].Status = connectors.Unknown
		}
	}
	return receipts
}

func (d *destination) apply(c *connectors.Change) (*refusal, error) {
	if c.Op == connectors.Delete {
		return &refusal{"unsupported", errors.New("a file cannot say that a record is gone")}, nil
	}
	if d.format == nil {
		f, err := newFormat(d.resource.Name, d.settings, d.resource.Write)
		if err != nil {
			return nil, err
		}
		d.format = f
	}
	row, err := d.format.append(d.buf[:0], c.Values)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused, nil
	}
	if err != nil {
		return nil, err
	}
	d.buf = row
	if err := d.start(); err != nil {
		return nil, err
	}
	d.mark.Rows++
	return nil, d.write(row)
}

func (d *destination) write(b []byte) error {
	n, err := d.out.Write(b)
	d.mark.Length += int64(n)
	_, _ = d.hash.Write(b[:n])
	return err
}

// start opens the part file of a new pass.
func (d *destination) start() error {
	if d.file != nil {
		return nil
	}
	preamble, err := d.format.preamble()
	if err != nil {
		return unwritable(d.resource.Name, "name the columns otherwise, or choose another encoding", err)
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
	d.named = false
	return d.write(preamble)
}

func (d *destination) take(f *os.File, m mark, h *xxh3.Hasher) {
	d.file, d.mark, d.hash = f, m, h
	d.out = bufio.NewWriterSize(f, writeSize)
	d.opened(d)
}

// mostNames is how many files of one name are looked past for a free one.
const mostNames = 10_000

// freeName returns a name that no published file and no other part has.
func (d *destination) freeName(name string) (string, error) {
	for n := 1; n <= mostNames; n++ {
		try := numbered(name, n)
		taken, err := exists(d.path(try))
		if err == nil && !taken {
			taken, err = exists(d.partPath(try))
		}
		if err != nil || !taken {
			return try, err
		}
	}
	return "", fmt.Errorf("there are too many files called %s", name)
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// numbered returns the n-th name: orders.csv, orders-2.csv, orders-3.csv.
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	extension := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", name[:len(name)-len(extension)], n, extension)
}

var (
	_ connectors.Destination = (*destination)(nil)
	_ connectors.Appender    = (*destination)(nil)
	_ connectors.Source      = (*source)(nil)
	_ connectors.Enveloped   = (*source)(nil)
	_ connectors.Watched     = (*source)(nil)
	_ connectors.Prober      = (*destination)(nil)
	_ connectors.Placed      = (*Settings)(nil)
)
