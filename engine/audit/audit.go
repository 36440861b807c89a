// Package audit keeps what operators did: who, when, why, what, and what came of
// it. An act is on disk before it takes effect, and its result when it has; one
// without a result was cut short by the end of the process.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"headgate/engine"
	"headgate/engine/lines"
)

// logName names the files of the log in the state directory.
const logName = "audit"

// Act is one line: an act that begins, or, with Ended, what came of it. Where it named
// many records, lines with nothing else stand before the last.
type Act struct {
	ID      string          `json:"id"`
	Time    time.Time       `json:"time"`
	Actor   engine.Actor    `json:"actor,omitzero"`
	Act     string          `json:"act,omitempty"` // the verb
	Flow    string          `json:"flow,omitempty"`
	Why     string          `json:"why,omitempty"`
	Request json.RawMessage `json:"request,omitempty"` // what was asked, whole
	Ended   bool            `json:"ended,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Records []Record        `json:"records,omitempty"` // those the act named
	Error   string          `json:"error,omitempty"`   // why nothing, or not all, was done
}

// Record is a record that an act named.
type Record struct {
	Flow      string `json:"flow"`
	Entity    string `json:"entity"`
	Key       string `json:"key,omitempty"` // as people write it
	Exception string `json:"exception"`
	Became    string `json:"became"` // its outcome, or why its exception closed
}

// Log appends acts. It is safe for use by many goroutines.
type Log struct {
	Now func() time.Time

	mu    sync.Mutex
	last  int64 // the id given last
	lines *lines.Log
}

// Open opens the log in dir, the state directory, making it when it is new. A last
// line that was torn by a crash is moved into a file beside the log.
func Open(dir string, now func() time.Time) (*Log, error) {
	l, err := lines.Open(dir, logName)
	if err != nil {
		return nil, err
	}
	return &Log{Now: now, lines: l}, nil
}

// Begin writes an act and returns when it is on disk. It gives the act its id and time.
func (l *Log) Begin(a *Act) error {
	a.Time, a.ID = l.Now().UTC(), l.id()
	return l.append(a)
}

// mostRecords is how many records one line names: an act may name all that wait, and
// a line must stay one that can be read.
const mostRecords = 10_000

// End writes what came of an act.
func (l *Log) End(a *Act, result json.RawMessage, records []Record, failed error) error {
	end := Act{ID: a.ID, Time: l.Now().UTC(), Ended: true, Result: result}
	if failed != nil {
		end.Error = failed.Error()
	}
	for len(records) > mostRecords {
		if err := l.append(&Act{ID: a.ID, Time: end.Time, Records: records[:mostRecords]}); err != nil {
			return err
		}
		records = records[mostRecords:]
	}
	end.Records = records
	return l.append(&end)
}

func (l *Log) append(a *Act) error {
	if err := l.lines.Append(a); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrStateUncertain, err)
	}
	return nil
}

// id is the time, so that ids are in order and no two are the same.
func (l *Log) id() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = max(l.last+1, l.Now().UnixMicro())
	return strconv.FormatInt(l.last, 36)
}

// Close closes the log.
func (l *Log) Close() error { return l.lines.Close() }

// Read returns all acts in dir in the order they began, each with what came of it.
// A damaged line is a *lines.LineError, and reading goes on behind it.
func Read(dir string) iter.Seq2[Act, error] {
	return func(yield func(Act, error) bool) {
		var begun []Act
		for line, err := range lines.Read(dir, logName) {
			var a Act
			if err == nil {
				if wrong := json.Unmarshal(line.Text, &a); wrong != nil {
					err = line.Damaged(wrong)
				}
			}
			if err != nil {
				if !yield(Act{}, err) {
					return
				}
				continue
			}
			begun = fold(begun, &a)
		}
		for _, a := range begun {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// fold adds a line to the acts before it. Acts go on side by side, so a result may
// stand some lines behind its act.
func fold(begun []Act, a *Act) []Act {
	if !a.Ended && a.Act != "" {
		return append(begun, *a)
	}
	for i, before := range slices.Backward(begun) {
		if before.ID == a.ID {
			begun[i].Ended, begun[i].Result, begun[i].Error = a.Ended, a.Result, a.Error
			begun[i].Records = append(begun[i].Records, a.Records...)
			break
		}
	}
	return begun
}

// Naming returns the acts in dir that named one of these exceptions, in the order
// they began.
func Naming(dir string, exceptions map[string]bool) ([]Act, error) {
	var acts []Act
	for a, err := range Read(dir) {
		if _, damaged := errors.AsType[*lines.LineError](err); damaged {
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(a.Records, func(r Record) bool { return exceptions[r.Exception] }) {
			acts = append(acts, a)
		}
	}
	return acts, nil
}
