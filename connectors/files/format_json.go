package files

import (
	"headgate/connectors/document"
	"headgate/engine/record"
)

// jsonFormat writes rows as one object a line.
type jsonFormat struct {
	rows *document.Writer
}

func newJSONFormat(resource string, columns []record.Column) (*jsonFormat, error) {
	rows, err := document.NewWriter(columns)
	if err != nil {
		return nil, unwritable(resource, "name it otherwise", err)
	}
	return &jsonFormat{rows}, nil
}

func (f *jsonFormat) preamble() ([]byte, error) { return nil, nil }

func (f *jsonFormat) append(dst []byte, values []record.Value) ([]byte, error) {
	start := len(dst)
	dst, ok := f.rows.Append(dst, values)
	if !ok {
		return dst[:start], &refusal{"encoding", errEncoding}
	}
	return append(dst, '\n'), nil
}
