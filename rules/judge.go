package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// Judge judges presence and the checks of each field, then the entity's rules, in
// file order. It stops where a fact is lacking.
func (w *Worker) Judge(r record.Record, facts expression.Facts, now time.Time) Verdict {
	var v Verdict
	entity := w.flow.From.Entity
	for f := range entity.Schema.Fields {
		if w.flow.From.Has[f] && !(w.bare[f] && !r[f].Missing()) {
			w.checkField(&v, f, r[f])
		}
	}
	w.input = expression.Input{Record: r, Facts: facts, Now: now}
	w.judgeRules(&v, w.judged)
	return v
}

// JudgeCurrent judges transitions and the flow's own rules, with the record as the
// destination has it, or nil.
func (w *Worker) JudgeCurrent(r, current record.Record, facts expression.Facts, now time.Time) Verdict {
	var v Verdict
	if current != nil {
		w.judgeTransitions(&v, r, current)
	}
	w.input = expression.Input{Record: r, Current: current, Facts: facts, Now: now}
	w.judgeRules(&v, w.flow.Rules)
	return v
}

func (w *Worker) judgeRules(v *Verdict, rules []*Rule) {
	for _, rule := range rules {
		if len(w.released) > 0 && rule.OnFail == Hold && slices.Contains(w.released, rule.Identity()) {
			continue
		}
		ok, err := w.holds(rule)
		switch {
		case errors.Is(err, expression.ErrLacking):
			*v = Verdict{Lacking: true}
			return
		case err != nil:
			severity := rule.OnFail
			if severity == Warn {
				severity = Reject // promise 6: what cannot be evaluated has not passed
			}
			v.fail(severity, record.Reason{Stage: record.StageRule, Code: "unevaluable", Rule: rule.Name, Message: "rule " + rule.Name + " cannot be evaluated: " + w.flow.why(err, rule.Check, rule.When)}, rule)
		case !ok:
			v.fail(rule.OnFail, record.Reason{Stage: record.StageRule, Code: "rule", Rule: rule.Name, Message: w.message(rule)}, rule)
		}
	}
}

// Release lets what is judged next pass the rules of these identities where they
// would only hold it, until Release is called again.
func (w *Worker) Release(identities []record.Hash) { w.released = identities }

// Identity is what the rule says: one that says something else is another.
func (r *Rule) Identity() record.Hash {
	text := r.Name + "\x00" + r.Check.Text()
	if r.When != nil {
		text += "\x00" + r.When.Text()
	}
	return record.HashOf([]byte(text))
}

func (w *Worker) holds(rule *Rule) (bool, error) {
	if rule.When != nil {
		asked, err := w.mapper.machine.Check(rule.When, &w.input)
		if err != nil || !asked {
			return true, err
		}
	}
	return w.mapper.machine.Check(rule.Check, &w.input)
}

func (w *Worker) message(rule *Rule) string {
	if rule.Message == nil {
		return "not true: " + strings.Join(strings.Fields(rule.Check.Text()), " ")
	}
	return rule.Message.Render(w.input.Record, w.flow.From.Entity.Schema)
}

// Render writes the template over a record. Sensitive fields are hidden (promise 10).
func (t *Template) Render(r record.Record, schema *record.Schema) string {
	var text []byte
	for _, part := range t.Parts {
		switch {
		case part.Literal != "":
			text = append(text, part.Literal...)
		case schema.Fields[part.Field].Sensitive:
			text = append(text, "[redacted]"...)
		case r[part.Field].Missing():
			text = append(text, "(none)"...)
		default:
			text = r[part.Field].Append(text)
		}
	}
	return string(text)
}

// judgeTransitions checks that every field with transitions can be reached from
// what the destination has. A polled source misses steps, so any way there counts.
func (w *Worker) judgeTransitions(v *Verdict, r, current record.Record) {
	entity := w.flow.From.Entity
	for f := range entity.Fields {
		steps := entity.Fields[f].Transitions
		if len(steps) == 0 || r[f].Missing() || current[f].Missing() || !w.updates(f) {
			continue
		}
		from, to := current[f].Text(), r[f].Text()
		if from == to || reachable(steps, from, to) {
			continue
		}
		name := entity.Schema.Fields[f].Name
		message := fmt.Sprintf("%s cannot go from %q to %q", name, from, to)
		if entity.Schema.Fields[f].Sensitive {
			message = name + " cannot change like this"
		}
		v.fail(Reject, record.Reason{Stage: record.StageRule, Code: "transition", Field: name, Message: message}, nil)
	}
}

// updates reports whether an update of this flow may write the field.
func (w *Worker) updates(field int) bool {
	for i, writing := range w.own.Writes {
		if w.own.Update[i] && slices.Contains(writing.Uses, field) {
			return true
		}
	}
	return false
}

func reachable(steps map[string][]string, from, to string) bool {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range steps[queue[0]] {
			if next == to {
				return true
			}
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return false
}
