// Package exceptions is the exception log: JSON Lines, append-only, on disk before
// the state names an exception (promise 4). A later line with the same id changes
// or closes it.
package exceptions

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
	"unicode/utf8"

	_ "embed"

	"headgate/engine"
)

// The names and sizes of the log's files.
const (
	activeName  = "exceptions.jsonl"
	rotatedForm = "exceptions-%06d.jsonl"
	tornForm    = "exceptions-%06d.torn"
	maxSize     = 64 << 20
	maxLine     = 16 << 20
)

// Schema is the published JSON Schema of a line.
//
//go:embed schema.json
var Schema []byte

// Log appends to the exception log of one directory. It is safe for use by many goroutines.
type Log struct {
	MaxSize int64 // of the active file before it is rotated

	mu     sync.Mutex
	dir    string
	file   *os.File
	size   int64
	failed error
}

// Open opens the log in dir, making it when it is new. A last line that was torn
// by a crash is moved into a file beside the log.
func Open(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the exception log: %w", err)
	}
	l := &Log{dir: dir, MaxSize: maxSize}
	if err := l.repair(); err != nil {
		return nil, fmt.Errorf("repair the exception log: %w", err)
	}
	return l, l.open()
}

func (l *Log) open() error {
	path := filepath.Join(l.dir, activeName)
	_, statErr := os.Stat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the exception log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && statErr != nil {
		err = syncDir(l.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the exception log: %w", err), f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// repair cuts a last line without its end, and keeps it beside the log.
func (l *Log) repair() error {
	path := filepath.Join(l.dir, activeName)
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
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
	n, err := l.next(tornForm)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, fmt.Sprintf(tornForm, n)), torn, 0o600); err != nil {
		return err
	}
	return errors.Join(f.Truncate(end), f.Sync(), syncDir(l.dir))
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
	names, err := numbered(l.dir, form)
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

// Append writes the exceptions and returns when they are on disk. After an error
// nobody knows which are, and the log takes no more: it wraps ErrStateUncertain (R4).
func (l *Log) Append(all []engine.Exception) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if err := l.append(all); err != nil {
		l.failed = fmt.Errorf("write the exception log: %w: %w", engine.ErrStateUncertain, err)
	}
	return l.failed
}

func (l *Log) append(all []engine.Exception) error {
	var lines []byte
	for i := range all {
		line, err := json.Marshal(&all[i])
		if err != nil {
			return err
		}
		lines = append(appendEscaped(lines, line), '\n')
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
	n, err := l.next(rotatedForm)
	if err != nil {
		return err
	}
	if err := l.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(l.dir, activeName), filepath.Join(l.dir, fmt.Sprintf(rotatedForm, n))); err != nil {
		return err
	}
	return l.open()
}

// appendEscaped escapes what JSON lets through and a terminal would act on: C1
// controls and characters that turn the direction of writing.
func appendEscaped(dst, line []byte) []byte {
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		if r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		} else {
			dst = append(dst, line[i:i+size]...)
		}
		i += size
	}
	return dst
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

var _ engine.ExceptionLog = (*Log)(nil)

// files returns the log's files in the order written.
func files(dir string) ([]string, error) {
	names, err := numbered(dir, rotatedForm)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	active := filepath.Join(dir, activeName)
	if _, err := os.Stat(active); err == nil {
		names = append(names, active)
	}
	return names, nil
}
