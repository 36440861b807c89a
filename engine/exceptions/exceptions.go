// Package exceptions is the exception log: JSON Lines, append-only, on disk before
// the state names an exception (promise 4). A later line with the same id changes
// or closes it.
package exceptions

import (
	"fmt"

	_ "embed"

	"headgate/engine"
	"headgate/engine/lines"
)

// logName names the files of the log.
const logName = "exceptions"

// FileName is the name of the file that is appended to.
const FileName = logName + ".jsonl"

// Schema is the published JSON Schema of a line.
//
//go:embed schema.json
var Schema []byte

// Log appends to the exception log of one directory. It is safe for use by many goroutines.
type Log struct {
	*lines.Log
	dir string
}

// Open opens the log in dir, making it when it is new. A last line that was torn
// by a crash is moved into a file beside the log.
func Open(dir string) (*Log, error) {
	l, err := lines.Open(dir, logName)
	if err != nil {
		return nil, err
	}
	return &Log{l, dir}, nil
}

// Append writes the exceptions and returns when they are on disk. After an error
// nobody knows which are, and the log takes no more: it wraps ErrStateUncertain (R4).
func (l *Log) Append(all []engine.Exception) error {
	values := make([]any, len(all))
	for i := range all {
		values[i] = &all[i]
	}
	if err := l.Log.Append(values...); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrStateUncertain, err)
	}
	return nil
}

var _ engine.ExceptionLog = (*Log)(nil)
