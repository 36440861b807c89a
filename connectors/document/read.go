package document

import (
	"fmt"
	"strings"

	"headgate/engine/record"
)

// Reader reads objects as rows of some columns.
type Reader struct {
	top *wanted
}

// NewReader arranges columns, which are paths, as the objects they are found in.
func NewReader(columns []record.Column) *Reader { return &Reader{wantedOf(columns)} }

// Read checks all of an object, which must be UTF-8, and takes one value a column
// to row: absent where there is none. Its error says what is no JSON, without values.
func (r *Reader) Read(text string, row record.Row) error {
	s := scanner{text: text}
	if err := s.document(r.top, row); err != nil {
		return fmt.Errorf("at byte %d %w", s.at+1, err)
	}
	return nil
}

// wanted is what is taken of an object: by key, a slot, an object to look into, or lines.
type wanted struct {
	slot  int  // of the row; -1: none
	text  bool // the slot holds text: a number is kept as it is written
	lines *wanted
	width int // of a line
	inner map[string]*wanted
}

// wantedOf arranges columns, which are paths, as the objects they are found in.
func wantedOf(columns []record.Column) *wanted {
	top := &wanted{slot: -1}
	for i, c := range columns {
		at := top
		for _, name := range strings.Split(c.Name, ".") {
			if at.inner == nil {
				at.inner = make(map[string]*wanted)
			}
			if at.inner[name] == nil {
				at.inner[name] = &wanted{slot: -1}
			}
			at = at.inner[name]
		}
		at.slot, at.text = i, c.Kind == record.String
		if c.Kind == record.List {
			at.lines, at.width = wantedOf(c.Lines), len(c.Lines)
		}
	}
	return top
}
