package rules

import (
	"slices"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// An error of an expression quotes the value it fell over. Where that may be a value
// of a sensitive field, people are told only that there is an error (promise 10).
const hiddenWhy = "why is not shown, for it reads what is sensitive"

// why is what people are told of an error of expressions over records of the flow.
func (f *Flow) why(err error, programs ...*expression.Program) string {
	if slices.ContainsFunc(programs, f.readsSensitive) {
		return hiddenWhy
	}
	return err.Error()
}

func (f *Flow) readsSensitive(p *expression.Program) bool {
	if p == nil {
		return false
	}
	schema := f.From.Entity.Schema
	if p.UsesCurrent() && anySensitive(schema) {
		return true
	}
	asks := func(u *Lookup) bool { return slices.Contains(p.Lookups(), u.Name) && anySensitive(u.Schema) }
	return slices.ContainsFunc(f.Lookups, asks) ||
		slices.ContainsFunc(p.Fields(), func(i int) bool { return isSensitive(schema.Fields[i]) })
}

func isSensitive(f record.Field) bool { return f.Sensitive || f.Lines != nil && anySensitive(f.Lines) }

func anySensitive(s *record.Schema) bool { return slices.ContainsFunc(s.Fields, isSensitive) }

// hiddenColumns are the columns that feed a sensitive field of the schema.
func hiddenColumns(s *record.Schema, read []Reading) map[int]bool {
	hidden := make(map[int]bool)
	for i := range read {
		if !isSensitive(s.Fields[i]) {
			continue
		}
		for _, c := range read[i].columns() {
			hidden[c] = true
		}
	}
	return hidden
}

// columns are those a field is made of.
func (r *Reading) columns() []int {
	if r.Program != nil {
		return r.Program.Columns()
	}
	if r.Column >= 0 {
		return []int{r.Column}
	}
	return nil
}

// whyOf is what people are told of an error of an expression over a row.
func whyOf(err error, columns []int, hidden map[int]bool) string {
	if slices.ContainsFunc(columns, func(c int) bool { return hidden[c] }) {
		return hiddenWhy
	}
	return err.Error()
}
