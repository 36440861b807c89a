package lines

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
)

// LineError says which line of the log cannot be read. The lines around it can.
type LineError struct {
	File string
	Line int
	Err  error
}

// Error names the line.
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d is damaged: %v", e.File, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Read returns all lines of the log called name in dir, in the order written. A line
// that is too long is a *LineError, and reading goes on behind it; any other error
// ends it. A directory that is not there is an empty log.
func Read(dir, name string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		files, err := names{dir, name}.files()
		if err != nil {
			yield(Line{}, err)
			return
		}
		for _, file := range files {
			if !readFile(file, yield) {
				return
			}
		}
	}
}

// Line is one line of a log, and where it stands.
type Line struct {
	File   string
	Number int
	Text   []byte
}

// Damaged is the error of a line that does not say what it must.
func (l *Line) Damaged(err error) *LineError { return &LineError{l.File, l.Number, err} }

func readFile(name string, yield func(Line, error) bool) bool {
	f, err := os.Open(name)
	if err != nil {
		return yield(Line{}, fmt.Errorf("read a log: %w", err))
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 64<<10)
	for number := 1; ; number++ {
		text, err := readLine(r)
		line := Line{filepath.Base(name), number, text}
		switch {
		case err == io.EOF:
			return true // what stands there is being written, or was torn: it has no end yet
		case err != nil:
			if !yield(line, line.Damaged(err)) || !errors.Is(err, errLong) {
				return false
			}
		case !yield(line, nil):
			return false
		}
	}
}

var errLong = errors.New("the line is longer than 16 MiB")

// readLine reads one line without its end. A longer one than maxLine is passed over.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return line, err
		case long:
			return nil, errLong
		default:
			return line[:len(line)-1], nil
		}
	}
}
