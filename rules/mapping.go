package rules

import (
	"fmt"
	"strings"
	"time"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// Mapper makes records of the rows of one resource, for one goroutine.
type Mapper struct {
	resource *Resource
	machine  *expression.Machine
	input    expression.Input
	copied   []int        // by field: the column whose texts are its values as they are, or -1
	direct   []int        // by field: the column whose values are converted and no more, or -1
	hidden   map[int]bool // columns that feed sensitive fields
}

// NewMapper returns a mapper of the resource's rows.
func NewMapper(r *Resource) *Mapper {
	m := &Mapper{resource: r, machine: expression.NewMachine(), copied: make([]int, len(r.Read)), direct: make([]int, len(r.Read)), hidden: hiddenColumns(r.Entity.Schema, r.Read)}
	for f := range r.Read {
		m.copied[f], m.direct[f] = -1, -1
		kind := r.Entity.Schema.Fields[f].Kind
		if !r.Has[f] || r.Read[f].Program != nil || kind == record.List || r.Entity.Fields[f].Trim {
			continue
		}
		if m.direct[f] = r.Read[f].Column; kind == record.String {
			m.copied[f] = r.Read[f].Column
		}
	}
	return m
}

// Map makes a record of row in dst, which it reuses when it is long enough: one
// value a field of the entity, absent where the resource lacks the field. The
// reasons name every field that could not be made, which is then absent.
func (m *Mapper) Map(dst record.Record, row record.Row, now time.Time) (record.Record, []record.Reason) {
	fields := m.resource.Entity.Schema.Fields
	if len(dst) < len(fields) {
		dst = make(record.Record, len(fields))
	}
	m.input = expression.Input{Row: row, Now: now}
	var reasons []record.Reason
	for f := range fields {
		if c := m.copied[f]; c >= 0 && c < len(row) && row[c].Kind() == record.String {
			dst[f] = row[c]
			continue
		}
		if c := m.direct[f]; c >= 0 && c < len(row) {
			if v, err := record.Convert(row[c], fields[f].Kind, m.resource.Locale); err == nil {
				dst[f] = v
				continue
			}
		}
		if dst[f] = (record.Value{}); !m.resource.Has[f] {
			continue
		}
		v, reason := m.field(f, row)
		if reason != nil {
			reasons = append(reasons, *reason)
			continue
		}
		dst[f] = v
	}
	return dst, reasons
}

func (m *Mapper) field(f int, row record.Row) (record.Value, *record.Reason) {
	field := &m.resource.Entity.Schema.Fields[f]
	reading := &m.resource.Read[f]
	var v record.Value
	switch {
	case reading.Program != nil:
		var err error
		if v, err = m.machine.Run(reading.Program, &m.input); err != nil {
			return v, mappingReason(field, "unevaluable", "cannot be read: "+whyOf(err, reading.columns(), m.hidden))
		}
	case reading.Column >= 0 && reading.Column < len(row):
		v = row[reading.Column]
	}
	if field.Kind == record.List {
		return m.list(f, v)
	}
	if m.resource.Entity.Fields[f].Trim && v.Kind() == record.String {
		v = record.StringValue(strings.TrimSpace(v.Str()))
	}
	converted, err := record.Convert(v, field.Kind, m.resource.Locale)
	if err != nil {
		return converted, mappingReason(field, "type", "is not "+articled(field.Kind)+": "+whyOf(err, reading.columns(), m.hidden))
	}
	return converted, nil
}

func mappingReason(field *record.Field, code, message string) *record.Reason {
	return &record.Reason{Stage: record.StageMapping, Code: code, Field: field.Name, Message: field.Name + " " + message}
}

// articled is a kind with its article.
func articled(k record.Kind) string {
	if k == record.Int {
		return "an int"
	}
	return "a " + k.String()
}

// list maps the lines of a list field.
func (m *Mapper) list(f int, v record.Value) (record.Value, *record.Reason) {
	field := &m.resource.Entity.Schema.Fields[f]
	if v.Missing() {
		return v, nil
	}
	if v.Kind() != record.List {
		return record.Value{}, mappingReason(field, "type", "is not a list")
	}
	list := m.resource.list(f)
	if list == nil {
		return v, nil
	}
	lines := &record.Lines{Rows: make([][]record.Value, len(v.Lines().Rows))}
	for i, row := range v.Lines().Rows {
		line, reason := m.line(f, list, row, i)
		if reason != nil {
			return record.Value{}, reason
		}
		lines.Rows[i] = line
	}
	return record.ListValue(lines), nil
}

func (m *Mapper) line(f int, list *ResourceList, row []record.Value, i int) ([]record.Value, *record.Reason) {
	schema := m.resource.Entity.Schema.Fields[f].Lines
	in := expression.Input{Row: row, Parent: m.input.Row, Now: m.input.Now}
	line := make([]record.Value, len(schema.Fields))
	for j := range schema.Fields {
		field, reading := &schema.Fields[j], &list.Read[j]
		var v record.Value
		var err error
		switch {
		case reading.Program != nil:
			v, err = m.machine.Run(reading.Program, &in)
		case reading.Column >= 0 && reading.Column < len(row):
			v = row[reading.Column]
		}
		if m.resource.Entity.Fields[f].Lines[j].Trim && v.Kind() == record.String {
			v = record.StringValue(strings.TrimSpace(v.Str()))
		}
		if err == nil {
			v, err = record.Convert(v, field.Kind, m.resource.Locale)
		}
		if err != nil {
			return nil, m.lineReason(f, list, j, i+1, err)
		}
		line[j] = v
	}
	return line, nil
}

// lineReason says which field of which line could not be made.
func (m *Mapper) lineReason(f int, list *ResourceList, j, line int, err error) *record.Reason {
	whole, reading := &m.resource.Entity.Schema.Fields[f], &list.Read[j]
	why := whyOf(err, reading.columns(), hiddenColumns(whole.Lines, list.Read))
	if reading.Program != nil && why != hiddenWhy {
		why = whyOf(err, reading.Program.ParentColumns(), m.hidden)
	}
	field := &whole.Lines.Fields[j]
	return mappingReason(whole, "type", fmt.Sprintf("line %d: %s is not %s: %s", line, field.Name, articled(field.Kind), why))
}

func (r *Resource) list(field int) *ResourceList {
	for _, l := range r.Lists {
		if l.Field == field {
			return l
		}
	}
	return nil
}

// ID returns the id this system gave the row, absent where it has none.
func (m *Mapper) ID(row record.Row) record.Value {
	if m.resource.ID == nil {
		return record.Value{}
	}
	v, err := m.machine.Run(m.resource.ID, &expression.Input{Row: row})
	if err != nil || v.IsNull() {
		return record.Value{}
	}
	return v
}
