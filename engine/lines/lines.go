// Package lines keeps logs of JSON Lines in a directory: append-only, on disk when
// Append returns, rotated by size, and whole again after a crash. It knows nothing
// of what the lines say.
package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"headgate/engine/durable"
	"headgate/engine/record"
)

// The sizes of a log's files and lines, in bytes.
const (
	maxSize = 64 << 20
	maxLine = 16 << 20
)

// Log appends to one log. It is safe for use by many goroutines.
type Log struct {
	MaxSize int64 // of the active file before it is rotated

	mu     sync.Mutex
	names  names
	file   *os.File
	size   int64
	failed error
}

// names says how the files of a log are called.
type names struct{ dir, log string }

func (n names) active() string  { return filepath.Join(n.dir, n.log+".jsonl") }
func (n names) rotated() string { return n.log + "-%06d.jsonl" }
func (n names) torn() string    { return n.log + "-%06d.torn" }

// Open opens the log called name in dir, making it when it is new. A last line that
// was torn by a crash is moved into a file beside the log.
func Open(dir, name string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the log of %s: %w", name, err)
	}
	l := &Log{names: names{dir, name}, MaxSize: maxSize}
	if err := l.repair(); err != nil {
		return nil, fmt.Errorf("repair the log of %s: %w", name, err)
	}
	return l, l.open()
}

func (l *Log) open() error {
	path := l.names.active()
	_, statErr := os.Stat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", l.names.log, err)
	}
	info, err := f.Stat()
	if err == nil && statErr != nil {
		err = durable.SyncDir(l.names.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the log of %s: %w", l.names.log, err), f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// repair cuts a last line without its end, and keeps it beside the log.
func (l *Log) repair() error {
	f, err := os.OpenFile(l.names.active(), os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	end, torn, err := lastLine(f)
	if err != nil || len(torn) == 0 {
		return err
	}
	n, err := l.next(l.names.torn())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.names.dir, fmt.Sprintf(l.names.torn(), n)), torn, 0o600); err != nil {
		return err
	}
	return errors.Join(f.Truncate(end), f.Sync(), durable.SyncDir(l.names.dir))
}

// lastLine returns where the last whole line ends, and what stands behind it.
func lastLine(f *os.File) (end int64, torn []byte, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	size := info.Size()
	for window := int64(64 << 10); ; window *= 4 {
		start := max(size-window, 0)
		buf := make([]byte, size-start)
		if _, err := f.ReadAt(buf, start); err != nil {
			return 0, nil, err
		}
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			return start + int64(i) + 1, buf[i+1:], nil
		}
		if start == 0 {
			return 0, buf, nil
		}
	}
}

// next returns the number the next file of a form takes: behind every one there
// is, since older files may have been taken away.
func (l *Log) next(form string) (int, error) {
	names, err := numbered(l.names.dir, form)
	if err != nil || len(names) == 0 {
		return 1, err
	}
	return numberOf(names[len(names)-1], form) + 1, nil
}

// numbered returns the names of the files of a form, by number.
func numbered(dir, form string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if numberOf(e.Name(), form) > 0 {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return numberOf(a, form) - numberOf(b, form) })
	return names, nil
}

// numberOf returns the number in a name of a form, 0 for any other name.
func numberOf(name, form string) int {
	before, after, _ := strings.Cut(form, "%06d")
	digits, ok := strings.CutPrefix(name, before)
	if !ok {
		return 0
	}
	if digits, ok = strings.CutSuffix(digits, after); !ok {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// Append writes values, a line each, and returns when they are on disk. After an
// error nobody knows which are, and the log takes no more.
func (l *Log) Append(values ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil && len(values) > 0 {
		if err := l.append(values); err != nil {
			l.failed = fmt.Errorf("write the log of %s: %w", l.names.log, err)
		}
	}
	return l.failed
}

func (l *Log) append(values []any) error {
	var lines []byte
	for _, v := range values {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		lines = append(record.AppendVisibleJSON(lines, line), '\n')
	}
	if l.size > 0 && l.size+int64(len(lines)) > l.MaxSize {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(lines)
	l.size += int64(n)
	if err != nil {
		return err
	}
	return l.file.Sync()
}

func (l *Log) rotate() error {
	n, err := l.next(l.names.rotated())
	if err != nil {
		return err
	}
	if err := l.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(l.names.active(), filepath.Join(l.names.dir, fmt.Sprintf(l.names.rotated(), n))); err != nil {
		return err
	}
	return l.open()
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// files returns the log's files in the order written.
func (n names) files() ([]string, error) {
	all, err := numbered(n.dir, n.rotated())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, name := range all {
		all[i] = filepath.Join(n.dir, name)
	}
	if _, err := os.Stat(n.active()); err == nil {
		all = append(all, n.active())
	}
	return all, nil
}
