package connectors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Class says what an error of a system means for what is to be done.
type Class uint8

// The classes. An error without a class is Unclear: nothing is known, so nothing is assumed.
const (
	Unclear Class = iota // the answer is unknown: timeout, reset, end of stream
	Down                 // definitely not done, worth trying again: refused, no such host, locked, too many
	Denied               // definitely not done, and nothing else would be, until a person acts: login, certificate, token
	Broken               // definitely not done, this resource is not as declared: no such table, column, directory, no right to it
)

var classNames = [...]string{"unclear", "down", "denied", "broken"}

// ClassNames returns the names of all classes, as the language has them.
func ClassNames() []string { return classNames[:] }

// ClassNamed returns the class of that name.
func ClassNamed(name string) (Class, bool) {
	i := slices.Index(classNames[:], name)
	return Class(max(i, 0)), i >= 0
}

// String returns the name of c in messages.
func (c Class) String() string { return classNames[c] }

// Error is a failure of a system, never of a record.
type Error struct {
	Class Class
	Code  string        // the system's own: "503", "40001", "SQLITE_BUSY", or "timeout" and the like; "": none
	Op    string        // what was tried: "read orders-1.csv", "find in sales.orders"
	Hint  string        // what to do about it, or ""
	After time.Duration // Down: how long the system asks to be left alone (Retry-After); 0: it said nothing
	Err   error
}

// Error says what was tried and what failed; the hint is for those who print it.
func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err, Unclear when it has none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Unclear
}

// AfterOf returns how long the system that failed asks to be left alone.
func AfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.After
	}
	return 0
}

// OfCode returns what a table of codes says of one: of the code itself, else of the
// longest pattern that fits, whose last characters are an x each: "5xx", "53xxx".
func OfCode[T any](table map[string]T, code string) (found T, ok bool) {
	if code == "" {
		return found, false
	}
	for pattern := code; ; {
		if found, ok = table[pattern]; ok {
			return found, true
		}
		known := strings.TrimRight(pattern, "x")
		if len(known) <= 1 {
			return found, false
		}
		pattern = known[:len(known)-1] + strings.Repeat("x", len(code)-len(known)+1)
	}
}

// HintOf returns what to do about err, or "".
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// MissingColumn says that a system has no column that the ruleset reads or writes.
func MissingColumn(op, column string, have []string) *Error {
	hint := "it has no columns"
	if len(have) > 0 {
		hint = "it has: " + strings.Join(have, ", ")
	}
	return &Error{Class: Broken, Op: op, Hint: hint, Err: fmt.Errorf("no column %q", column)}
}

// PartlyFound is the error of a look-up that was answered for some of its keys: they
// need not be asked for again.
type PartlyFound struct {
	Answered []bool  // one for each of Query.Keys
	Found    []Found // what answers those
	Err      error
}

// Error says why the others were not answered.
func (e *PartlyFound) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *PartlyFound) Unwrap() error { return e.Err }

// RowError says that one row is broken in itself; the rows around it are not.
type RowError struct {
	Code    string // stable: "csv_quote", "csv_columns", "too_long", "encoding", "json"
	Message string // for people, without values of the row
}

// Error returns the message.
func (e *RowError) Error() string { return e.Message }

// FieldError is a mistake in one field of a connector's settings.
type FieldError struct {
	Field string // its name in HCL; a path "csv.delimiter" in a block
	Err   error
}

// Error names the field and the mistake.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *FieldError) Unwrap() error { return e.Err }
