package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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
	s.closed(s)
	return f.Close()
}

// Watch implements connectors.Watched.
func (s *source) Watch() (dir string, settle time.Duration) {
	fixed := path.Clean(s.settings.Glob)
	if i := strings.IndexAny(fixed, `*?[\`); i >= 0 {
		fixed = fixed[:i] + "x"
	}
	return filepath.Join(s.dir, path.Dir(fixed)), s.settings.Settle
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

// Read implements connectors.Source.
func (s *source) Read(ctx context.Context, part connectors.Part, after record.Position, limit int) (connectors.Page, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	if s.file == nil || s.file.name != part.Name || s.file.next != after || after == "" {
		p, err := parsePosition(after)
		if err != nil {
			return nil, err
		}
		open, err := s.openAt(part.Name, p)
		if err != nil {
			return nil, err
		}
		if !open {
			return &page{end: true, last: after}, nil
		}
	}
	page, err := s.file.page(max(limit, 1))
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

func (s *source) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil || s.tools.Wait == nil {
		return err
	}
	return s.tools.Wait(ctx)
}

// openAt makes a file the one being read, behind a position. It does not where
// there is nothing to read: its end was seen before and it has not changed since,
// or it is being written again.
func (s *source) openAt(name string, p position) (open bool, err error) {
	if err := s.Close(); err != nil {
		return false, classify("close a file", err)
	}
	root, err := s.root()
	if err != nil {
		return false, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(name)
	if err == nil && (p.ended(info) || !s.settled(info)) {
		return false, nil
	}
	if err != nil {
		return false, vanished(name, err)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return false, vanished(name, err)
	}
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		_ = f.Close()
		return false, &connectors.Error{Class: connectors.Broken, Op: "read " + name, Hint: "somebody put something else in its place: take it away", Err: errors.New("it is no file")}
	}
	r, err := s.start(f, name, p)
	if err != nil {
		_ = f.Close()
		return false, classify("read "+name, err)
	}
	s.file = r
	s.opened(s)
	return true, nil
}

// vanished says what it means that a file cannot be opened that was there when
// files were listed.
func vanished(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &connectors.Error{Class: connectors.Down, Op: "read " + name, Hint: "another program took it away: let it take only files that headgate has read", Err: err}
	}
	return classify("open "+name, err)
}

// Envelope implements connectors.Enveloped.
func (s *source) Envelope(ctx context.Context, part connectors.Part) (head, tail record.Row, err error) {
	csv := s.settings.CSV
	if csv == nil || len(csv.Head)+len(csv.Tail) == 0 {
		return nil, nil, nil
	}
	if err := s.wait(ctx); err != nil {
		return nil, nil, err
	}
	open, err := s.openAt(part.Name, position{})
	if err != nil {
		return nil, nil, err
	}
	if !open {
		return nil, nil, &connectors.Error{Class: connectors.Down, Op: "read " + part.Name, Hint: "it is read when it is whole", Err: fmt.Errorf("it is being written")}
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	head = s.file.head
	if len(csv.Tail) == 0 {
		return head, nil, nil
	}
	tail, err = s.file.tail(ctx)
	return head, tail, classify("read the tail of "+part.Name, err)
}
