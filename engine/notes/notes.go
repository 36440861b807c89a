// Package notes keeps what a process was handling, for the process that comes after
// it if it dies of that: one small file a flow, and the trace of a crash.
//
// What was handled is not fsynced: what a process wrote is there when that process
// dies. After a power cut nobody asks, since no record is to blame for it. How long a
// system wants to be left alone is kept there too, and outlives a power cut.
package notes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"headgate/engine"
	"headgate/engine/durable"
)

// The files beside the notes.
const (
	traceFile = "crash.txt"      // of this process; empty while it lives
	lastTrace = "crash-last.txt" // of the last process that crashed
)

// Notes are the notes in one directory.
type Notes struct {
	dir     string
	crashed bool
	trace   *os.File
}

// Open takes over the notes of the process before this one, and has the trace of a
// crash of this one written beside them. Only who holds the state may open them.
func Open(dir string) (*Notes, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of notes: %w", err)
	}
	n := &Notes{dir: dir}
	trace := filepath.Join(dir, traceFile)
	if text, err := os.ReadFile(trace); err == nil && len(text) > 0 {
		n.crashed = !asked(text)
		if err := os.Rename(trace, n.Trace()); err != nil {
			return nil, fmt.Errorf("keep the trace of a crash: %w", err)
		}
	}
	var err error
	if n.trace, err = os.OpenFile(trace, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
		return nil, fmt.Errorf("make room for the trace of a crash: %w", err)
	}
	if err := debug.SetCrashOutput(n.trace, debug.CrashOptions{}); err != nil {
		return nil, errors.Join(fmt.Errorf("have the trace of a crash written: %w", err), n.trace.Close())
	}
	return n, nil
}

// asked reports whether a trace is there because somebody asked for it: a person, or
// the watchdog of systemd. Nothing that was handled is to blame then.
func asked(trace []byte) bool {
	return bytes.HasPrefix(trace, []byte("SIGQUIT")) || bytes.HasPrefix(trace, []byte("SIGABRT"))
}

// Close ends the writing of a trace. The process leaves in order.
func (n *Notes) Close() error {
	return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), n.trace.Close())
}

// Crashed reports whether the process before this one died of itself: not of a kill.
func (n *Notes) Crashed() bool { return n.crashed }

// Trace is where the trace of the last crash is.
func (n *Notes) Trace() string { return filepath.Join(n.dir, lastTrace) }

// Read implements engine.Notes. A note that cannot be read says only that there is one.
func (n *Notes) Read(ledger string) (note engine.Note, found bool) {
	text, err := os.ReadFile(n.path(ledger))
	if errors.Is(err, fs.ErrNotExist) {
		return note, false
	}
	if json.Unmarshal(text, &note) != nil {
		return engine.Note{}, true
	}
	return note, true
}

// Write implements engine.Notes: a process that dies meanwhile leaves the note whole,
// this one or the one before.
func (n *Notes) Write(ledger string, note engine.Note) error {
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	return replace(n.path(ledger), text)
}

// replace replaces a note as a whole.
func replace(path string, text []byte) error {
	if err := os.WriteFile(path+".tmp", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// Clear implements engine.Notes.
func (n *Notes) Clear(ledger string) error {
	if err := os.Remove(n.path(ledger)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Quiet implements engine.Notes. What cannot be read says nothing.
func (n *Notes) Quiet(system string) (until time.Time) {
	text, err := os.ReadFile(n.quietPath(system))
	if err != nil || until.UnmarshalText(text) != nil {
		return time.Time{}
	}
	return until
}

// KeepQuiet implements engine.Notes.
func (n *Notes) KeepQuiet(system string, until time.Time) error {
	text, err := until.MarshalText()
	if err != nil {
		return err
	}
	return durable.Replace(n.quietPath(system), text)
}

func (n *Notes) quietPath(system string) string {
	return filepath.Join(n.dir, "quiet-"+url.PathEscape(system))
}

func (n *Notes) path(ledger string) string {
	return filepath.Join(n.dir, url.PathEscape(ledger)+".json")
}

var _ engine.Notes = (*Notes)(nil)
