package rules

import (
	"slices"
	"strings"

	"headgate/engine/record"
)

// Ownership says which columns of its destination a flow may write, and when.
type Ownership struct {
	Columns []record.Column // every column the flow can fill, in the order of To.Write
	Writes  []*Writing      // beside Columns
	// Update says of each column whether an update may write it: it belongs to
	// another owner than the destination. Keys, constants and lookups belong to
	// nobody and are written on create only.
	Update       []bool
	KeepOnNull   []bool     // an update leaves the column when its value is null
	Key          []int      // positions in Columns of To.WriteKey
	Returning    []string   // the columns To.ID reads
	NeedsCurrent bool       // transitions or a rule of the flow need the record as the destination has it
	Fields       [][]string // the names of the fields each column comes from
	Sensitive    []bool     // the column comes from a sensitive field
	lines        [][]bool   // the columns of the lines of a list column that do
	NeedsID      bool       // a column uses the destination's id of the record
	NeedsName    bool       // a column uses headgate's reference of the record
	Reference    int        // the column that carries the reference, or -1
	Match        []int      // the column that holds each field of the entity's match, or -1
}

// Content says of each column whether it tells what a record is: its key, and what an
// update would write.
func (own *Ownership) Content() []bool {
	content := slices.Clone(own.Update)
	for c, w := range own.Writes {
		content[c] = content[c] || w.Key
	}
	return content
}

// NewOwnership works out the ownership of a flow.
func NewOwnership(f *Flow) *Ownership {
	own := &Ownership{}
	for i := range f.To.Write {
		w := &f.To.Write[i]
		if !carried(f.From, w) {
			continue
		}
		own.add(f, w)
	}
	for _, field := range f.From.Entity.Match {
		own.Match = append(own.Match, slices.IndexFunc(own.Writes, func(w *Writing) bool { return slices.Equal(w.Uses, []int{field}) && !w.ID }))
	}
	for _, key := range f.To.WriteKey {
		if f.From.Entity.Match != nil {
			break // it is the id, which the destination makes
		}
		own.Key = append(own.Key, slices.IndexFunc(own.Columns, func(c record.Column) bool { return c.Name == key }))
	}
	if f.To.ID != nil {
		for _, c := range f.To.ID.Columns() {
			own.Returning = append(own.Returning, f.To.Columns.Names[c])
		}
	}
	own.NeedsCurrent = needsCurrent(f)
	own.Reference = -1
	if f.To.Reference != "" {
		own.Reference = slices.IndexFunc(own.Columns, func(c record.Column) bool { return c.Name == f.To.Reference })
	}
	return own
}

// carried reports whether the source has every field the column comes from.
func carried(from *Resource, w *Writing) bool {
	return !slices.ContainsFunc(w.Uses, func(field int) bool { return !from.Has[field] })
}

func (own *Ownership) add(f *Flow, w *Writing) {
	column := record.Column{Name: w.Column, Kind: w.Kind}
	if w.List != nil {
		column.Kind = record.List
		for _, line := range w.List.Write {
			column.Lines = append(column.Lines, record.Column{Name: line.Column, Kind: line.Kind})
		}
	}
	var names []string
	sensitive, keep := false, len(w.Uses) > 0
	for _, field := range w.Uses {
		names = append(names, f.From.Entity.Schema.Fields[field].Name)
		sensitive = sensitive || isSensitive(f.From.Entity.Schema.Fields[field])
		keep = keep && f.From.Entity.Fields[field].KeepOnNull
	}
	own.Columns = append(own.Columns, column)
	own.Writes = append(own.Writes, w)
	own.Update = append(own.Update, w.Owner != nil && w.Owner != f.To.Connector && !w.Key)
	own.KeepOnNull = append(own.KeepOnNull, keep)
	own.Fields = append(own.Fields, names)
	own.Sensitive = append(own.Sensitive, sensitive)
	own.lines = append(own.lines, sensitiveLines(f, w))
	own.NeedsID = own.NeedsID || w.ID
	own.NeedsName = own.NeedsName || w.Reference
}

// sensitiveLines says which columns of a line of a list are sensitive.
func sensitiveLines(f *Flow, w *Writing) (all []bool) {
	field := &f.From.Entity.Schema.Fields[w.Field]
	if w.List == nil || field.Lines == nil {
		return nil
	}
	for i := range field.Lines.Fields {
		all = append(all, field.Lines.Fields[i].Sensitive)
	}
	if len(w.List.Write) == 0 {
		return all
	}
	columns := make([]bool, len(w.List.Write))
	for c, line := range w.List.Write {
		uses := []int{line.Field}
		if line.Program != nil {
			uses = line.Program.Fields()
		}
		columns[c] = slices.ContainsFunc(uses, func(i int) bool { return all[i] })
	}
	return columns
}

// AppendSensitive appends the texts that a value of a column holds and people may not
// be shown.
func (own *Ownership) AppendSensitive(texts []string, column int, v record.Value) []string {
	switch {
	case !own.Sensitive[column] || v.Missing():
		return texts
	case v.Kind() != record.List:
		return append(texts, v.Text())
	}
	for _, line := range v.Lines().Rows {
		for i, value := range line {
			if i < len(own.lines[column]) && own.lines[column][i] && !value.Missing() {
				texts = append(texts, value.Text())
			}
		}
	}
	return texts
}

// FieldsText returns the fields a column comes from, joined by ", ".
func (own *Ownership) FieldsText(column int) string { return strings.Join(own.Fields[column], ", ") }

func needsCurrent(f *Flow) bool {
	for i := range f.From.Entity.Fields {
		if len(f.From.Entity.Fields[i].Transitions) > 0 && f.From.Has[i] && f.To.Has[i] {
			return true
		}
	}
	return slices.ContainsFunc(f.Rules, func(r *Rule) bool {
		return r.Check.UsesCurrent() || r.When != nil && r.When.UsesCurrent()
	})
}
