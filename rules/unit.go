package rules

import (
	"time"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// Unit sums up a whole part of a source, a file or a full listing, and judges it
// before its first record is read.
type Unit struct {
	resource *Resource
	machine  *expression.Machine
	totals   []record.Number
	hidden   map[int]bool // columns that feed sensitive fields
	err      string       // why a total could not be summed
}

// NewUnit returns an empty unit of the resource.
func NewUnit(r *Resource) *Unit {
	return &Unit{resource: r, machine: expression.NewMachine(), totals: make([]record.Number, len(r.Totals)), hidden: hiddenColumns(r.Entity.Schema, r.Read)}
}

// Add adds a row to the totals. Of a row that is not whole nothing is known; one
// that gives no number makes the unit fail.
func (u *Unit) Add(row record.Row, whole bool) {
	if !whole {
		return
	}
	for i, total := range u.resource.Totals {
		v, err := u.machine.Run(total.Program, &expression.Input{Row: row})
		if err == nil {
			v, err = record.Convert(v, record.Decimal, u.resource.Locale) // the cells of a file are texts
		}
		if err == nil && !v.Missing() {
			u.totals[i], err = u.totals[i].Add(v.Number())
		}
		if err != nil && u.err == "" {
			u.err = "total " + total.Name + " cannot be summed: " + whyOf(err, total.Program.Columns(), u.hidden)
		}
	}
}

// Judge judges the unit: its head and tail as texts, by the columns of the
// resource's settings, the number of its rows, and the totals.
func (u *Unit) Judge(head, tail record.Row, rows int64, now time.Time) Verdict {
	var v Verdict
	if u.err != "" {
		v.fail(Reject, record.Reason{Stage: record.StageSource, Code: "unevaluable", Message: u.err}, nil)
		return v
	}
	totals := make([]record.Value, len(u.totals))
	for i, n := range u.totals {
		totals[i] = record.DecimalValue(n)
	}
	in := expression.Input{Names: []record.Value{record.IntValue(rows)}, Groups: [][]record.Value{head, tail, totals}, Now: now}
	for _, rule := range u.resource.UnitRules {
		u.judge(&v, rule, &in)
	}
	return v
}

func (u *Unit) judge(v *Verdict, rule *Rule, in *expression.Input) {
	if rule.When != nil {
		if asked, err := u.machine.Check(rule.When, in); err == nil && !asked {
			return
		}
	}
	ok, err := u.machine.Check(rule.Check, in)
	switch {
	case err != nil:
		v.fail(Reject, record.Reason{Stage: record.StageSource, Code: "unevaluable", Rule: rule.Name, Message: "rule " + rule.Name + " cannot be evaluated: " + err.Error()}, rule)
	case !ok:
		message := "not true of the whole: " + rule.Check.Text()
		if rule.Message != nil {
			message = rule.Message.Render(nil, nil)
		}
		v.fail(max(rule.OnFail, Warn), record.Reason{Stage: record.StageSource, Code: "unit", Rule: rule.Name, Message: message}, rule)
	}
}
