package exceptions

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"

	"headgate/engine"
	"headgate/engine/lines"
)

// LineError says which line of the log cannot be read. The lines around it can.
type LineError = lines.LineError

// Read returns all lines of the log in dir, in the order written. A damaged line is
// a *LineError, and reading goes on behind it; any other error ends it. A directory
// that is not there is an empty log.
func Read(dir string) iter.Seq2[engine.Exception, error] {
	return func(yield func(engine.Exception, error) bool) {
		for line, err := range lines.Read(dir, logName) {
			var x engine.Exception
			if err == nil {
				x, err = parse(&line)
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

func parse(line *lines.Line) (engine.Exception, error) {
	var x engine.Exception
	if err := json.Unmarshal(line.Text, &x); err != nil {
		return engine.Exception{}, line.Damaged(err)
	}
	if x.ID == "" {
		return engine.Exception{}, line.Damaged(errNoID)
	}
	return x, nil
}

var errNoID = errors.New("it has no id")

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
