package exceptions

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"headgate/engine"
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

// Read returns all lines of the log in dir, in the order written. A damaged line is
// a *LineError, and reading goes on behind it; any other error ends it. A directory
// that is not there is an empty log.
func Read(dir string) iter.Seq2[engine.Exception, error] {
	return func(yield func(engine.Exception, error) bool) {
		names, err := files(dir)
		if err != nil {
			yield(engine.Exception{}, err)
			return
		}
		for _, name := range names {
			if !readFile(name, yield) {
				return
			}
		}
	}
}

func readFile(name string, yield func(engine.Exception, error) bool) bool {
	f, err := os.Open(name)
	if err != nil {
		return yield(engine.Exception{}, fmt.Errorf("read the exception log: %w", err))
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(r)
		switch {
		case err == io.EOF && len(line) == 0:
			return true
		case err == io.EOF:
			return true // a line that is being written, or was torn: it has no end yet
		case err != nil:
			if !yield(engine.Exception{}, &LineError{filepath.Base(name), number, err}) || !errors.Is(err, errLong) {
				return false
			}
			continue
		}
		var x engine.Exception
		if err := json.Unmarshal(line, &x); err != nil || x.ID == "" {
			if !yield(engine.Exception{}, &LineError{filepath.Base(name), number, errors.Join(err, errNotException(x))}) {
				return false
			}
			continue
		}
		if !yield(x, nil) {
			return false
		}
	}
}

var errLong = errors.New("the line is longer than 16 MiB")

func errNotException(x engine.Exception) error {
	if x.ID == "" {
		return errors.New("it has no id")
	}
	return nil
}

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

// State is one exception as all its lines together tell it.
type State struct {
	engine.Exception
	First  int // its place among the exceptions, by first line
	Closed string
}

// Open reports whether the exception still waits for a person.
func (s *State) Open() bool { return s.Closed == "" }

// Current folds the log in dir: what each open exception says now, in the order
// they were first written. Memory grows with open exceptions only. Damaged lines
// are returned beside.
func Current(dir string) (open []State, damaged []error, err error) {
	byID := make(map[string]*State)
	first := 0
	for x, e := range Read(dir) {
		if _, line := errors.AsType[*LineError](e); line {
			damaged = append(damaged, e)
			continue
		}
		if e != nil {
			return nil, damaged, e
		}
		if x.Closed != "" {
			delete(byID, x.ID)
			continue
		}
		if s := byID[x.ID]; s != nil {
			x.Time = s.Time // since when it waits
			s.Exception = x
			continue
		}
		first++
		byID[x.ID] = &State{Exception: x, First: first}
	}
	open = make([]State, 0, len(byID))
	for _, s := range byID {
		open = append(open, *s)
	}
	sortStates(open)
	return open, damaged, nil
}

// History returns all lines of the exceptions whose id begins with prefix, by id,
// in the order written.
func History(dir, prefix string) (map[string][]engine.Exception, error) {
	all := make(map[string][]engine.Exception)
	for x, err := range Read(dir) {
		if _, line := errors.AsType[*LineError](err); line {
			continue
		}
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(x.ID, prefix) {
			all[x.ID] = append(all[x.ID], x)
		}
	}
	return all, nil
}

func sortStates(all []State) {
	slices.SortFunc(all, func(a, b State) int { return a.First - b.First })
}
