package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// Worker maps and judges records of one flow, for one goroutine; it reuses its scratch.
type Worker struct {
	flow   *Flow
	own    *Ownership
	mapper *Mapper
	to     *Mapper
	input  expression.Input
	judged []*Rule // the entity's rules this flow judges
	bare   []bool  // by field: nothing but its presence is checked
	plain  []int   // by column of Ownership: the field it is, or -1
	names  [2]record.Value
	found  record.Row
	// released are the identities of rules that do not hold what is judged.
	released []record.Hash
}

// NewWorker returns a worker of the flow.
func NewWorker(f *Flow) *Worker {
	w := &Worker{flow: f, own: NewOwnership(f), mapper: NewMapper(f.From), to: NewMapper(f.To), judged: f.Judged()}
	entity := f.From.Entity
	for i := range entity.Fields {
		w.bare = append(w.bare, entity.Schema.Fields[i].Kind != record.List && entity.Fields[i].bare())
	}
	for _, writing := range w.own.Writes {
		field := -1
		if writing.Program == nil && writing.List == nil {
			field = writing.Field
		}
		w.plain = append(w.plain, field)
	}
	return w
}

// Judged returns the entity's rules that the flow judges: those whose fields its
// source has. Rules are judged only on what the source carries.
func (f *Flow) Judged() []*Rule {
	var judged []*Rule
	for _, rule := range f.From.Entity.Rules {
		if f.From.carries(rule.Check) && (rule.When == nil || f.From.carries(rule.When)) {
			judged = append(judged, rule)
		}
	}
	return judged
}

func (r *Resource) carries(p *expression.Program) bool {
	return !slices.ContainsFunc(p.Fields(), func(f int) bool { return !r.Has[f] })
}

// Wanted reports whether the source's filter wants the row, or why nobody can tell.
func (w *Worker) Wanted(row record.Row, now time.Time) (bool, *record.Reason) {
	if w.flow.From.Filter == nil {
		return true, nil
	}
	keep, err := w.mapper.machine.Check(w.flow.From.Filter, &expression.Input{Row: row, Now: now})
	if err != nil {
		return false, &record.Reason{Stage: record.StageSource, Code: "unevaluable", Message: "the filter of " + w.flow.From.Name + " cannot be evaluated: " + whyOf(err, w.flow.From.Filter.Columns(), w.mapper.hidden)}
	}
	return keep, nil
}

// Map makes a record of a row, as Mapper.Map does.
func (w *Worker) Map(dst record.Record, row record.Row, now time.Time) (record.Record, []record.Reason) {
	return w.mapper.Map(dst, row, now)
}

// SourceID returns the id the source gave the row, absent where it has none.
func (w *Worker) SourceID(row record.Row) record.Value { return w.mapper.ID(row) }

// DestinationID returns the id the destination gave a row, of which it returned
// the columns of Ownership.Returning.
func (w *Worker) DestinationID(returning record.Row) record.Value {
	if w.flow.To.ID == nil {
		return record.Value{}
	}
	if len(w.found) < len(w.flow.To.Columns.Names) {
		w.found = make(record.Row, len(w.flow.To.Columns.Names))
	}
	for i, c := range w.flow.To.ID.Columns() {
		if i < len(returning) {
			w.found[c] = returning[i]
		}
	}
	return w.to.ID(w.found)
}

// Current returns the destination's row as a record, leniently: a field that
// cannot be mapped is absent.
func (w *Worker) Current(read record.Row) record.Record {
	r, _ := w.to.Map(nil, read, w.input.Now)
	return r
}

// Filter reports whether the flow wants the record. A filter that cannot be
// evaluated rejects it (promise 6).
func (w *Worker) Filter(r record.Record, facts expression.Facts, now time.Time) (keep bool, v Verdict) {
	if w.flow.Filter == nil {
		return true, v
	}
	w.input = expression.Input{Record: r, Facts: facts, Now: now}
	keep, err := w.mapper.machine.Check(w.flow.Filter, &w.input)
	switch {
	case errors.Is(err, expression.ErrLacking):
		v.Lacking = true
	case err != nil:
		v.fail(Reject, record.Reason{Stage: record.StageRule, Code: "unevaluable", Message: "the filter cannot be evaluated: " + w.flow.why(err, w.flow.Filter)}, nil)
	}
	return keep, v
}

// Write returns what the record gives each column of Ownership.Columns, in dst:
// absent where the record carries nothing, or where the id is needed and not known.
// An expression without a result rejects.
func (w *Worker) Write(dst []record.Value, r record.Record, id record.Value, reference string, facts expression.Facts, now time.Time) ([]record.Value, Verdict) {
	var v Verdict
	w.names = [...]record.Value{id, record.StringValue(reference)}
	w.input = expression.Input{Record: r, Facts: facts, Now: now, Names: w.names[:]}
	for i, writing := range w.own.Writes {
		if field := w.plain[i]; field >= 0 {
			dst = append(dst, r[field])
			continue
		}
		if writing.Program == nil {
			lines, err := w.list(writing, r)
			if err != nil {
				v.fail(Reject, record.Reason{Stage: record.StageMapping, Code: "write", Message: "column " + writing.Column + " cannot be made: " + err.Error()}, nil)
			}
			dst = append(dst, lines)
			continue
		}
		if w.nothingCarried(writing, r) || writing.ID && id.Missing() {
			dst = append(dst, record.Value{})
			continue
		}
		value, err := w.mapper.machine.Run(writing.Program, &w.input)
		if errors.Is(err, expression.ErrLacking) {
			v.Lacking = true
			return dst, v
		}
		if err != nil {
			v.fail(Reject, record.Reason{Stage: record.StageMapping, Code: "write", Message: "column " + writing.Column + " cannot be made: " + w.flow.why(err, writing.Program)}, nil)
		}
		dst = append(dst, value)
	}
	return dst, v
}

// KeepsReference reports whether the destination has a column for headgate's reference.
func (w *Worker) KeepsReference() bool { return w.own.Reference >= 0 }

// ShowsReference reports whether the reference may be shown: it is made of nothing sensitive.
func (w *Worker) ShowsReference() bool {
	return w.KeepsReference() && !w.own.Sensitive[w.own.Reference]
}

// Reference returns what the reference column holds of the record with these key
// fields, whose name by headgate is name; "" where that cannot be made.
func (w *Worker) Reference(key record.Record, name string) string {
	writing := w.own.Writes[w.own.Reference]
	if writing.Program == nil {
		return key[writing.Field].Text()
	}
	input := &expression.Input{Record: key, Names: []record.Value{{}, record.StringValue(name)}}
	v, err := w.mapper.machine.Run(writing.Program, input)
	if err != nil {
		return ""
	}
	return v.Text()
}

// WriteKey fills the columns that hold the key, from a record that has its key only.
func (w *Worker) WriteKey(values []record.Value, r record.Record) error {
	w.input = expression.Input{Record: r}
	for _, c := range w.own.Key {
		writing := w.own.Writes[c]
		if writing.Program == nil {
			values[c] = r[writing.Field]
			continue
		}
		v, err := w.mapper.machine.Run(writing.Program, &w.input)
		if err != nil {
			return fmt.Errorf("make column %s of a key: %w", writing.Column, err)
		}
		values[c] = v
	}
	return nil
}

// list returns the lines of a list field as its column wants them.
func (w *Worker) list(writing *Writing, r record.Record) (record.Value, error) {
	v := r[writing.Field]
	if v.Kind() != record.List || len(writing.List.Write) == 0 {
		return v, nil
	}
	lines := &record.Lines{Rows: make([][]record.Value, len(v.Lines().Rows))}
	for k, line := range v.Lines().Rows {
		row := make([]record.Value, len(writing.List.Write))
		for c, lw := range writing.List.Write {
			if lw.Program == nil {
				row[c] = line[lw.Field]
				continue
			}
			value, err := w.mapper.machine.Run(lw.Program, &expression.Input{Record: line, Now: w.input.Now})
			if err != nil {
				return record.Value{}, fmt.Errorf("%s of line %d: %s", lw.Column, k+1, w.lineWhy(err, writing))
			}
			row[c] = value
		}
		lines.Rows[k] = row
	}
	return record.ListValue(lines), nil
}

func (w *Worker) lineWhy(err error, writing *Writing) string {
	if isSensitive(w.flow.From.Entity.Schema.Fields[writing.Field]) {
		return hiddenWhy
	}
	return err.Error()
}

// nothingCarried reports whether a column's fields are all absent: then it is not touched.
func (w *Worker) nothingCarried(writing *Writing, r record.Record) bool {
	if len(writing.Uses) == 0 {
		return false
	}
	return !slices.ContainsFunc(writing.Uses, func(f int) bool { return !r[f].IsAbsent() })
}

// fail adds a failure. The first of the worst stands first.
func (v *Verdict) fail(severity Severity, reason record.Reason, rule *Rule) {
	if severity > v.Severity {
		v.Severity, v.Rule = severity, rule
		v.Failures = append([]record.Reason{reason}, v.Failures...)
		return
	}
	v.Failures = append(v.Failures, reason)
}
