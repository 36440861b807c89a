package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/engine/durable"
)

const partSuffix = ".part"

// mark is what was appended and settled.
type mark struct {
	Name   string `json:"name"`
	Length int64  `json:"length"`
	Rows   int64  `json:"rows"`
	Sum    string `json:"sum"`
}

func sumText(h *xxh3.Hasher) string { return fmt.Sprintf("%016x", h.Sum64()) }

// Mark implements connectors.Appender.
func (d *destination) Mark(context.Context) (string, error) {
	if d.file == nil {
		return "", nil
	}
	if err := d.out.Flush(); err != nil {
		return "", classify("append to "+d.mark.Name, err)
	}
	d.mark.Sum, d.unsynced = sumText(d.hash), true
	text, err := json.Marshal(d.mark)
	return string(text), err
}

// Sync implements connectors.Appender. It makes durable the name, too, under which it
// is found.
func (d *destination) Sync(context.Context) error {
	if !d.unsynced {
		return nil
	}
	if err := d.sync(); err != nil {
		return classify("sync "+d.mark.Name, err)
	}
	d.unsynced = false
	return nil
}

func (d *destination) sync() error {
	if d.file == nil {
		return os.ErrClosed // it could not go back to a mark since
	}
	if err := d.file.Sync(); err != nil || d.named {
		return err
	}
	d.named = true
	return durable.SyncDir(d.dir)
}

// Restore implements connectors.Appender.
func (d *destination) Restore(_ context.Context, text string) error {
	if err := d.Close(); err != nil {
		return classify("close a file", err)
	}
	if text == "" {
		d.unsynced = false
		return d.sweepParts()
	}
	var m mark
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.Name == "" || m.Length < 0 || strings.ContainsAny(m.Name, "/\\") {
		return &connectors.Error{Class: connectors.Broken, Op: "go back to what was settled", Err: fmt.Errorf("%q is not a mark", text)}
	}
	f, err := openOwn(d.partPath(m.Name), os.O_RDWR)
	if errors.Is(err, os.ErrNotExist) {
		return d.published(m)
	}
	if err != nil {
		return classify("open "+d.partPath(m.Name), err)
	}
	kept, err := d.cut(f, m)
	if err != nil || !kept {
		return errors.Join(err, f.Close())
	}
	return nil
}

// cut makes the part file what was settled, and goes on behind it. It does not
// where that file has another name already: publishing was cut short behind it.
func (d *destination) cut(f *os.File, m mark) (kept bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, classify("look at "+f.Name(), err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		if err := d.published(m); err != nil {
			return false, err
		}
		return false, classify("remove "+f.Name(), os.Remove(f.Name()))
	}
	h, same, err := begins(f, m)
	if err != nil {
		return false, classify("read "+f.Name(), err)
	}
	if !same {
		return false, &connectors.Error{Class: connectors.Broken, Op: "go on with " + f.Name(), Hint: "somebody changed it: put it back, or rewind the flow", Err: fmt.Errorf("it has %d bytes, and does not begin with the %d that were settled", info.Size(), m.Length)}
	}
	if err := f.Truncate(m.Length); err != nil {
		return false, classify("cut "+f.Name(), err)
	}
	if _, err := f.Seek(m.Length, io.SeekStart); err != nil {
		return false, classify("cut "+f.Name(), err)
	}
	d.take(f, m, h)
	d.named = true
	return true, nil
}

// begins reports whether a file begins with what was settled.
func begins(f io.Reader, m mark) (h *xxh3.Hasher, same bool, err error) {
	h = xxh3.New()
	n, err := io.Copy(h, io.LimitReader(f, m.Length))
	return h, n == m.Length && sumText(h) == m.Sum, err
}

// sweepParts removes what was appended and never settled: nothing names it. Only
// names that this resource can have made are looked at.
func (d *destination) sweepParts() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return classify("list "+d.dir, err)
	}
	ours := partNames(d.settings.File)
	for _, e := range entries {
		if !e.Type().IsRegular() || !ours.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(d.path(e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return classify("remove "+e.Name(), err)
		}
	}
	return nil
}

// directives are what strftime replaces in a file's name.
var directives = regexp.MustCompile(`%[-_0^#]*[A-Za-z%]`)

// digitsOf are the directives that give nothing but digits and signs.
const digitsOf = "CdDeFgGHIjklmMNsSTuUVwWyYLfzRQ"

// partNames matches the names of the part files of a resource, not those of
// another whose name begins alike.
func partNames(file string) *regexp.Regexp {
	extension := ""
	if i := strings.LastIndexByte(file, '.'); i >= 0 && !strings.ContainsAny(file[i:], "%") {
		file, extension = file[:i], file[i:]
	}
	var pattern strings.Builder
	pattern.WriteString(`^\.`)
	rest := file
	for _, at := range directives.FindAllStringIndex(file, -1) {
		behind := len(rest) - len(file)
		pattern.WriteString(regexp.QuoteMeta(rest[:at[0]+behind]))
		rest = file[at[1]:]
		switch letter := file[at[1]-1]; {
		case letter == '%':
			pattern.WriteString("%")
		case strings.IndexByte(digitsOf, letter) >= 0:
			pattern.WriteString(`[-+:. \d]+`)
		default:
			pattern.WriteString(`[^/]+`)
		}
	}
	pattern.WriteString(regexp.QuoteMeta(rest) + `(-\d+)?` + regexp.QuoteMeta(extension) + `(` + regexp.QuoteMeta(sumSuffix) + `)?` + regexp.QuoteMeta(partSuffix) + `$`)
	return regexp.MustCompile(pattern.String())
}
