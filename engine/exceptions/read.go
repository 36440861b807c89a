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

// Current folds the log in dir: what each exception that no line closes says now, in
// the order they were first written. Memory grows with those only. Damaged lines are
// returned beside.
//
// A crash between the log and the state leaves lines that the state does not know of,
// so this is not what waits for a person: Waiting is.
func Current(dir string) (open []State, damaged []error, err error) {
	return fold(dir, func(byID map[string]*State, x *engine.Exception) bool {
		if x.Closed != "" {
			delete(byID, x.ID)
		}
		return x.Closed == ""
	})
}

// Waiting folds the log in dir: what each of the exceptions called ids, which the
// state says wait, says now, in the order they were first written.
func Waiting(dir string, ids map[string]bool) (waiting []State, damaged []error, err error) {
	closed := make(map[string]bool)
	return fold(dir, func(byID map[string]*State, x *engine.Exception) bool {
		if !ids[x.ID] {
			return false
		}
		if x.Closed != "" {
			closed[x.ID] = true
			return false
		}
		if closed[x.ID] && byID[x.ID] != nil { // it was opened anew: it waits since then
			byID[x.ID].Time = x.Time
		}
		delete(closed, x.ID)
		return true
	})
}

// Opens are the exceptions of a flow that a ledger says are open, by id.
type Opens struct {
	Flow string
	IDs  map[string]bool
}

// Told says for each ledger which exceptions of its flow the log in dir tells of, true
// where no line closes them, of those that are open there or wait in the ledger. It
// reads the log once.
func Told(dir string, ledgers []Opens) (told []map[string]bool, damaged []error, err error) {
	told = make([]map[string]bool, len(ledgers))
	byFlow := make(map[string][]int)
	for i, l := range ledgers {
		told[i] = make(map[string]bool)
		byFlow[l.Flow] = append(byFlow[l.Flow], i)
	}
	for x, e := range Read(dir) {
		if _, line := errors.AsType[*LineError](e); line {
			damaged = append(damaged, e)
			continue
		}
		if e != nil {
			return nil, damaged, e
		}
		for _, i := range byFlow[x.Flow] {
			switch {
			case x.Closed == "":
				told[i][x.ID] = true
			case !ledgers[i].IDs[x.ID]:
				delete(told[i], x.ID)
			case told[i][x.ID]:
				told[i][x.ID] = false
			}
		}
	}
	return told, damaged, nil
}

// fold puts the lines of each exception together that take does not refuse.
func fold(dir string, take func(map[string]*State, *engine.Exception) bool) (all []State, damaged []error, err error) {
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
		if !take(byID, &x) {
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
	all = make([]State, 0, len(byID))
	for _, s := range byID {
		all = append(all, *s)
	}
	sortStates(all)
	return all, damaged, nil
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
