package load

import (
	"fmt"
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/rules"
	"headgate/rules/expression"
)

// lint tells what works and is probably not meant. Beside errors it is silent: what
// did not compile seems unused, and never judged.
func (l *loader) lint() {
	if l.diagnostics.HasErrors() {
		return
	}
	for _, u := range l.ruleset.Lookups {
		if !l.asked[u.Name] {
			b := l.lookupAt[u]
			b.warn(b.head, "unused", fmt.Sprintf("nobody uses %s", b.name), "leave it out, or ask it in a rule or a write expression")
		}
	}
	for _, e := range l.ruleset.Entities {
		flows := l.flowsOf(e)
		for _, rule := range e.Rules {
			l.lintRule(rule, e, flows)
			l.lintUnjudged(rule, e, flows)
		}
	}
	l.lintDoubt()
	for _, f := range l.ruleset.Flows {
		for _, rule := range f.Rules {
			l.lintRule(rule, f.From.Entity, []*rules.Flow{f})
		}
		l.lintFilter(f)
		l.lintWrites(f)
		l.lintInFlight(f)
	}
}

// lintDoubt tells which lost answers will be left to a person, before the first one is.
func (l *loader) lintDoubt() {
	told := make(map[string]bool)
	for _, f := range l.ruleset.Flows {
		d, ok := f.To.Settings.(connectors.Doubtful)
		if !ok {
			continue
		}
		b := l.resources[f.To]
		for _, change := range d.DoubtfulChanges() {
			if told[b.name+change] || change == "create" && !f.Create || change == "update" && !f.Update {
				continue
			}
			told[b.name+change] = true
			b.warn(b.head, "doubt", fmt.Sprintf("nothing settles a lost answer to %s: its record will be in doubt", change), "give it `find` or `idempotency`, or say that this is meant: on_unknown = doubt")
		}
	}
}

// lintInFlight tells a flow that wants several messages on their way to what is sent none.
func (l *loader) lintInFlight(f *rules.Flow) {
	i := slices.IndexFunc(l.kinds, func(k connectors.Kind) bool { return k.Name == f.To.Connector.Type })
	if f.Batch.InFlight > 1 && i >= 0 && !l.kinds[i].Sends {
		b := l.flowBlock(f.Name)
		b.warn(b.head, "in_flight", fmt.Sprintf("in_flight of %s does nothing: its destination is written a batch at a time", b.name), "leave it out")
	}
}

func (l *loader) flowsOf(e *rules.Entity) []*rules.Flow {
	var flows []*rules.Flow
	for _, f := range l.ruleset.Flows {
		if f.From.Entity == e {
			flows = append(flows, f)
		}
	}
	return flows
}

func (l *loader) lintRule(rule *rules.Rule, e *rules.Entity, flows []*rules.Flow) {
	b := l.ruleAt[rule]
	given := func(field int) expression.Given { return givenOf(e, field, flows) }
	if hint := neverFails(rule, given); hint != "" {
		b.warn(b.head, "always_true", fmt.Sprintf("%s can never fail", b.name), hint)
		return
	}
	if rule.When != nil {
		l.lintNulls(b, "when", rule.When, nil)
	}
	l.lintNulls(b, "check", rule.Check, rule.When)
}

// neverFails says why no record fails a rule, or "".
func neverFails(rule *rules.Rule, given func(int) expression.Given) string {
	if v, constant := rule.Check.Constant(); constant && v.Bool() {
		return "a rule that names no field checks nothing"
	}
	if rule.When != nil {
		if v, constant := rule.When.Constant(); constant && !v.Bool() {
			return "its `when` is never true"
		}
		if rule.When.Text() == rule.Check.Text() {
			return "its `when` asks what its check asks"
		}
	}
	if rule.Check.Always(given) {
		return "its check is true of every record that gets there: the types and checks of the fields it names say so already"
	}
	return ""
}

// givenOf is what holds of a field in every one of the flows before a rule is asked.
// A field that is not optional may still be absent where its owner is not the source.
func givenOf(e *rules.Entity, field int, flows []*rules.Flow) expression.Given {
	checks := &e.Fields[field]
	absent := func(f *rules.Flow) bool { return f.From.Connector != checks.Owner }
	return expression.Given{
		Present: !e.Schema.Fields[field].Optional && !slices.ContainsFunc(flows, absent),
		Min:     checks.Min, Max: checks.Max, OneOf: checks.OneOf,
	}
}

// lintNulls tells where an expression has no result because something is null: what
// cannot be evaluated has not passed (promise 6).
func (l *loader) lintNulls(b *block, argument string, p, when *expression.Program) {
	for _, u := range p.Unguarded(when) {
		hint := fmt.Sprintf("write `%s != nil and …`, or `%s == nil or …`", u.Name, u.Name)
		switch {
		case strings.HasPrefix(u.Name, "."):
			hint = fmt.Sprintf("write `coalesce(%s, …)`, or ask only the lines that have it: `filter(…, %s != nil)`", u.Name, u.Name)
		case argument == "check" && when == nil:
			hint = fmt.Sprintf("write when = \"%s != nil\", or say in the check what then holds: `%s == nil or …`", u.Name, u.Name)
		}
		b.within(Warning, b.attr(argument), u.From, u.To, "unguarded", fmt.Sprintf("`%s` may be null, and %s then cannot be evaluated, which counts as failed", u.Name, argument), hint)
	}
}

// lintUnjudged tells a rule that no flow judges, for none reads its fields.
func (l *loader) lintUnjudged(rule *rules.Rule, e *rules.Entity, flows []*rules.Flow) {
	for _, f := range flows {
		if slices.Contains(f.Judged(), rule) {
			return
		}
	}
	if len(flows) == 0 {
		return
	}
	b := l.ruleAt[rule]
	b.warn(b.head, "unjudged", fmt.Sprintf("no flow judges %s", b.name), "a rule is judged only where the source has all the fields it names: "+strings.Join(namesOf(rule, e), ", "))
}

func namesOf(rule *rules.Rule, e *rules.Entity) []string {
	fields := rule.Check.Fields()
	if rule.When != nil {
		fields = append(fields, rule.When.Fields()...)
	}
	slices.Sort(fields)
	var names []string
	for _, f := range slices.Compact(fields) {
		names = append(names, e.Schema.Fields[f].Name)
	}
	return names
}

func (l *loader) lintFilter(f *rules.Flow) {
	if f.Filter == nil {
		return
	}
	l.lintNulls(l.flowBlock(f.Name), "filter", f.Filter, nil)
}

// lintWrites tells a flow that can change nothing.
func (l *loader) lintWrites(f *rules.Flow) {
	own := rules.NewOwnership(f)
	b := l.flowBlock(f.Name)
	owned := !slices.Contains(own.Update, true)
	switch {
	case f.Create || f.Delete:
	case owned:
		b.warn(b.head, "writes_nothing", fmt.Sprintf("%s writes nothing: its destination owns every column, and it does not create", b.name), "")
	case !f.Update:
		b.warn(b.head, "writes_nothing", fmt.Sprintf("%s writes nothing: it neither creates, updates nor deletes", b.name), "")
	}
}

// carried tells an expression of a flow that names a field its source does not have.
func (l *loader) carried(b *block, argument string, p *expression.Program, f *rules.Flow) {
	if p == nil {
		return
	}
	for _, i := range p.Fields() {
		if !f.From.Has[i] {
			name := f.From.Entity.Schema.Fields[i].Name
			hint := "add it to the fields of " + f.From.Name
			if argument != "filter" {
				hint += ", or ask `current." + name + "`"
			}
			b.fail(b.attr(argument).Range(), "missing_field", fmt.Sprintf("%s names %q, and the source %s does not have it", argument, name, f.From.Name), hint)
		}
	}
}
