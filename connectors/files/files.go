// Package files is the connector to directories of files: CSV and JSON Lines, read
// and written.
//
// As a source, each file that matches is a part with its own position. As a
// destination, rows are appended to a hidden part file, which gets its name at the
// end of a pass: a reader sees a file whole or not at all.
package files

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"headgate/connectors"
)

// Kind is the connector type "files".
func Kind() connectors.Kind {
	return connectors.Kind{
		Name: "files", Summary: "a directory of files: csv, jsonl",
		Settings: func() any { return &Settings{} },
		Resource: func() any { return &Resource{Settle: defaultSettle} },
		Open: func(settings any, tools connectors.Tools) (connectors.Connector, error) {
			dir := settings.(*Settings).Dir
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(tools.Dir, dir)
			}
			dir, err := filepath.Abs(dir)
			return &connector{dir: dir, tools: tools}, err
		},
	}
}

type connector struct {
	dir   string
	tools connectors.Tools
	mu    sync.Mutex         // flows that run side by side open their resources at once
	open  map[io.Closer]bool // the ends that have a file open
}

func (c *connector) opened(x io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[io.Closer]bool)
	}
	c.open[x] = true
}

func (c *connector) closed(x io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, x)
}

// Source implements connectors.Connector.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	settings := r.Settings.(*Resource)
	if settings.Glob == "" {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "read " + r.Name, Hint: `write glob = "*.csv", for example`, Err: errors.New("it has no glob")}
	}
	return &source{connector: c, resource: r, settings: settings}, nil
}

// Destination implements connectors.Connector.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	settings := r.Settings.(*Resource)
	if settings.File == "" {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "write " + r.Name, Hint: `write file = "orders-%Y%m%d.csv", for example`, Err: errors.New("it has no file")}
	}
	return &destination{connector: c, resource: r, settings: settings}, nil
}

// Close implements connectors.Connector.
func (c *connector) Close() error {
	c.mu.Lock()
	open := slices.Collect(maps.Keys(c.open))
	c.mu.Unlock()
	var errs []error
	for _, x := range open {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

func (c *connector) root() (*os.Root, error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return nil, classify("open directory "+c.dir, err)
	}
	return root, nil
}

// classify says what an error of the file system means for what is to be done.
func classify(op string, err error) error {
	if _, told := errors.AsType[*connectors.Error](err); told || err == nil {
		return err
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &connectors.Error{Class: connectors.Broken, Op: op, Hint: "is the path right, and the share mounted?", Err: err}
	case errors.Is(err, os.ErrPermission):
		return &connectors.Error{Class: connectors.Broken, Op: op, Hint: "may the user headgate runs as read and write there?", Err: err}
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &connectors.Error{Class: connectors.Down, Op: op, Hint: "make room there: nothing is lost, and the flow goes on by itself then", Err: err}
	case errors.Is(err, unix.EROFS):
		return &connectors.Error{Class: connectors.Down, Op: op, Hint: "mount it to be written: nothing is lost, and the flow goes on by itself then", Err: err}
	}
	return &connectors.Error{Class: connectors.Down, Op: op, Err: err}
}
