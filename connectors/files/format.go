package files

import (
	"errors"

	"headgate/connectors"
	"headgate/engine/record"
)

// format writes rows by appending bytes.
type format interface {
	// preamble is what stands before the first row.
	preamble() ([]byte, error)
	// append appends one row. An error refuses this row alone.
	append(dst []byte, values []record.Value) ([]byte, error)
}

func newFormat(name string, settings *Resource, columns []record.Column) (format, error) {
	if settings.CSV == nil {
		return newJSONFormat(name, columns)
	}
	return newCSVFormat(name, settings.CSV, columns)
}

// refusal is why one row cannot be written.
type refusal struct {
	code string
	err  error
}

// Error says why.
func (r *refusal) Error() string { return r.err.Error() }

func refuse(code, words string) error { return &refusal{code, errors.New(words)} }

func unwritable(resource, hint string, err error) error {
	return &connectors.Error{Class: connectors.Broken, Op: "write " + resource, Hint: hint, Err: err}
}
