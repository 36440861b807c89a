package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"headgate/connectors"
	"headgate/engine/durable"
)

// sumSuffix ends the name of what says how many rows a published file has.
const sumSuffix = ".sum.json"

// sidecar is what stands beside a published file.
type sidecar struct {
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	XXH3  string `json:"xxh3"`
}

// Finish implements connectors.Appender: the file appears whole, and never in
// place of another; what says how many rows it has is there before it.
func (d *destination) Finish(ctx context.Context) error {
	if d.file == nil {
		return nil
	}
	if _, err := d.Mark(ctx); err != nil {
		return err
	}
	if err := d.Sync(ctx); err != nil {
		return err
	}
	for n := 1; n <= mostNames; n++ {
		err := d.publish(numbered(d.mark.Name, n))
		if errors.Is(err, os.ErrExist) && ctx.Err() == nil {
			continue // somebody made a file of this name meanwhile
		}
		if err != nil {
			return classify("publish "+d.mark.Name, err)
		}
		return classify("close "+d.mark.Name, d.Close())
	}
	return classify("publish "+d.mark.Name, fmt.Errorf("there are too many files called %s", d.mark.Name))
}

// publish gives the part file its name, unless that is taken.
func (d *destination) publish(name string) error {
	for _, path := range []string{d.path(name), d.partPath(name)} {
		if path == d.partPath(d.mark.Name) {
			continue
		}
		taken, err := exists(path)
		if err != nil {
			return err
		}
		if taken {
			return os.ErrExist
		}
	}
	note, err := json.Marshal(sidecar{name, d.mark.Rows, d.mark.Length, d.mark.Sum})
	if err != nil {
		return err
	}
	if err := d.writeSum(name, append(note, '\n')); err != nil {
		return err
	}
	if err := durable.SyncDir(d.dir); err != nil {
		return err
	}
	if err := rename(d.partPath(d.mark.Name), d.path(name)); err != nil {
		return err
	}
	return durable.SyncDir(d.dir)
}

// rename moves a file to a name that is free. Where the file system cannot tell
// in one step, a second name is given and the first taken away.
func rename(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS && err != unix.EOPNOTSUPP {
		if err != nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		return nil
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}

// published accepts that the part was given its name before the state knew: there
// is a file with just what was settled, or the sum of one that was taken since.
func (d *destination) published(m mark) error {
	for n := 1; n <= mostNames; n++ {
		name := numbered(m.Name, n)
		same, there, err := d.holds(name, m)
		if err != nil {
			return classify("look at "+name, err)
		}
		if same {
			return nil
		}
		if !there && n > 1 {
			break
		}
	}
	return &connectors.Error{Class: connectors.Broken, Op: "go on with " + m.Name, Hint: "somebody moved or changed it: put it back, or rewind the flow", Err: fmt.Errorf("neither .%s%s nor a published file has the %d bytes that were settled", m.Name, partSuffix, m.Length)}
}

// holds reports whether the file called name is what was settled, and whether it
// or its sum is there.
func (d *destination) holds(name string, m mark) (same, there bool, err error) {
	f, err := openOwn(d.path(name), os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return d.wasTaken(name, m)
	}
	if errors.Is(err, errNoFile) {
		return false, true, nil
	}
	if err != nil {
		return false, false, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || info.Size() != m.Length {
		return false, true, err
	}
	_, same, err = begins(f, m)
	return same, true, err
}

// wasTaken reads the sum beside a file that is not there any more.
func (d *destination) wasTaken(name string, m mark) (same, there bool, err error) {
	f, err := openOwn(d.path(name+sumSuffix), os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return false, false, nil
	}
	if errors.Is(err, errNoFile) {
		return false, true, nil
	}
	if err != nil {
		return false, false, err
	}
	defer func() { _ = f.Close() }()
	var note sidecar
	if err := json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&note); err != nil {
		return false, true, nil // torn, or not ours
	}
	return note.Bytes == m.Length && note.Rows == m.Rows && note.XXH3 == m.Sum, true, nil
}

// writeSum writes the sum beside a file that is about to be published. It is made
// under another name and moved: what stands under its own, a link for example, is
// replaced and never written through.
func (d *destination) writeSum(name string, content []byte) error {
	part := d.partPath(name + sumSuffix)
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, d.path(name+sumSuffix))
}

var errNoFile = errors.New("it is no file")

// openOwn opens a file that this destination made. It follows no link and waits for no
// pipe: others may write in the directory too.
func openOwn(path string, mode int) (*os.File, error) {
	f, err := os.OpenFile(path, mode|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, &os.PathError{Op: "open", Path: path, Err: errNoFile}
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(&os.PathError{Op: "open", Path: path, Err: errNoFile}, f.Close())
	}
	return f, nil
}
