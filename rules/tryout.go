package rules

import (
	"fmt"
	"slices"
	"time"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// TestResult is what became of a test's record, and how it differs from what was expected.
type TestResult struct {
	Outcome     string
	Failures    []record.Reason
	Write       map[string]record.Value // what would be sent, by column
	Kept        []string                // columns the destination keeps
	Differences []string                // empty: the test passed
}

// Run tries the test's record on its flow: connectors are replaced, the clock is fixed.
func (t *Test) Run() TestResult {
	tryout := &tryout{test: t, own: NewOwnership(t.Flow)}
	result := tryout.run()
	result.Differences = tryout.differences(&result)
	return result
}

type tryout struct {
	test *Test
	own  *Ownership
}

// literalFacts answers lookups from the test itself.
type literalFacts struct{ test *Test }

// Lookup implements expression.Facts.
func (f literalFacts) Lookup(name string, key []record.Value) (record.Record, record.Value, bool, error) {
	i := slices.IndexFunc(f.test.Flow.Lookups, func(l *Lookup) bool { return l.Name == name })
	if i < 0 {
		return nil, record.Value{}, false, nil
	}
	lookup := f.test.Flow.Lookups[i]
	records, given := f.test.Lookups[name]
	if !given {
		records = lookup.Values
	}
	for _, r := range records {
		if slices.EqualFunc(lookup.Key, key[:len(lookup.Key)], func(field int, v record.Value) bool { return r[field].Equal(v) }) {
			return r, record.Value{}, true, nil
		}
	}
	return nil, record.Value{}, false, nil
}

func (t *tryout) run() TestResult {
	test := t.test
	now := test.Now
	if now.IsZero() {
		now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	w, facts := NewWorker(test.Flow), literalFacts{test}
	r := test.Record
	if test.Row != nil {
		if wanted, reason := w.Wanted(test.Row, now); reason != nil {
			return TestResult{Outcome: "rejected", Failures: []record.Reason{*reason}}
		} else if !wanted {
			return TestResult{Outcome: "skipped"}
		}
		var reasons []record.Reason
		if r, reasons = w.Map(nil, test.Row, now); len(reasons) > 0 {
			return TestResult{Outcome: "rejected", Failures: reasons}
		}
	} else {
		w.onlyCarried(r)
	}
	keep, v := w.Filter(r, facts, now)
	if v.Severity < Hold && !keep {
		return TestResult{Outcome: "skipped"}
	}
	if v.Severity < Hold {
		v = w.Judge(r, facts, now)
	}
	if v.Severity < Hold {
		if current := w.JudgeCurrent(r, test.Current, facts, now); current.Severity >= Hold {
			v = current
		}
	}
	if v.Severity >= Hold {
		return TestResult{Outcome: map[Severity]string{Hold: "held", Reject: "rejected"}[v.Severity], Failures: v.Failures}
	}
	return t.written(w, r, facts, now)
}

// onlyCarried makes the worker judge only what the record carries: what a test
// leaves out is not judged.
func (w *Worker) onlyCarried(r record.Record) {
	flow := *w.flow
	from := *w.flow.From
	from.Has = slices.Clone(from.Has)
	for i, v := range r {
		from.Has[i] = from.Has[i] && !v.IsAbsent()
	}
	flow.From = &from
	w.flow, w.judged = &flow, flow.Judged()
	w.flow.Rules = slices.DeleteFunc(slices.Clone(flow.Rules), func(rule *Rule) bool { return !from.carries(rule.Check) })
	if flow.Filter != nil && !from.carries(flow.Filter) {
		w.flow.Filter = nil
	}
}

func (t *tryout) written(w *Worker, r record.Record, facts expression.Facts, now time.Time) TestResult {
	values, v := w.Write(nil, r, record.Value{}, t.reference(r), facts, now)
	if v.Severity >= Hold {
		return TestResult{Outcome: "rejected", Failures: v.Failures}
	}
	result := TestResult{Outcome: "created", Write: make(map[string]record.Value)}
	var current []record.Value
	if t.test.Current != nil {
		result.Outcome = "unchanged"
		current, _ = NewWorker(t.test.Flow).Write(nil, t.test.Current, record.Value{}, t.reference(r), facts, now)
	}
	for c, column := range t.own.Columns {
		value := values[c]
		switch {
		case value.IsAbsent():
		case current == nil:
			result.Write[column.Name] = value
		case !t.own.Update[c]:
			result.Kept = append(result.Kept, column.Name)
		case !value.Equal(current[c]) && !(value.IsNull() && (current[c].Missing() || t.own.KeepOnNull[c])):
			result.Write[column.Name] = value
			result.Outcome = "updated"
		}
	}
	return result
}

// reference is the one that a run of the flow would give the record, or "" where its
// key is not known.
func (t *tryout) reference(r record.Record) string {
	key, err := record.EncodeKey(r, t.test.Flow.From.Entity.Schema.Key)
	if err != nil || key == "" {
		return ""
	}
	return Reference(t.test.Flow.FirstName(), key)
}

// differences says in words where the result is not what was expected.
func (t *tryout) differences(got *TestResult) []string {
	want := &t.test.Expect
	var all []string
	if got.Outcome != want.Outcome {
		all = append(all, fmt.Sprintf("outcome is %s, expected %s%s", got.Outcome, want.Outcome, because(got.Failures)))
	}
	first := record.Reason{}
	if len(got.Failures) > 0 {
		first = got.Failures[0]
	}
	if want.Rule != "" && first.Rule != want.Rule {
		all = append(all, fmt.Sprintf("the rule is %q, expected %q%s", first.Rule, want.Rule, because(got.Failures)))
	}
	if want.Code != "" && first.Code != want.Code {
		all = append(all, fmt.Sprintf("the code is %q, expected %q%s", first.Code, want.Code, because(got.Failures)))
	}
	for _, c := range t.own.Columns {
		expected, asked := want.Write[c.Name]
		if !asked {
			continue
		}
		if value, sent := got.Write[c.Name]; !sent || !value.Equal(expected) {
			all = append(all, fmt.Sprintf("column %s is written as %q, expected %q", c.Name, value.Text(), expected.Text()))
		}
	}
	for _, name := range want.Kept {
		if !slices.Contains(got.Kept, name) {
			all = append(all, fmt.Sprintf("column %s is not kept", name))
		}
	}
	return all
}

func because(failures []record.Reason) string {
	if len(failures) == 0 {
		return ""
	}
	return ": " + failures[0].Message
}
