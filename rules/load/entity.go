package load

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// reserved are names a field may not carry: they mean something else in expressions.
var reserved = append(expression.FunctionNames(), "row", "parent", "current", "id", "reference", "now", "nil", "true", "false", "in", "and", "or", "not", "matches", "contains")

func (l *loader) declareEntity(b *block) {
	e := &rules.Entity{Name: b.label, Version: -1}
	owner := l.owner(b, nil)
	var fields []record.Field
	for _, inner := range b.body.Blocks { // fields and lists in the order written
		switch inner.Type {
		case "field":
			f, checks := l.field(l.inner(b, inner), owner)
			fields, e.Fields = append(fields, f), append(e.Fields, checks)
		case "list":
			f, checks := l.list(l.inner(b, inner), owner)
			fields, e.Fields = append(fields, f), append(e.Fields, checks)
		}
	}
	b.known["field"], b.known["list"], b.known["rule"] = true, true, true
	fields = l.unique(b, fields)
	e.Schema = record.NewSchema(e.Name, fields, nil)
	l.entities[e.Name], l.entityAt[e] = e, b
	l.ruleset.Entities = append(l.ruleset.Entities, e)
	if len(fields) == 0 {
		b.fail(b.head, "missing", fmt.Sprintf("%s has no fields", b.name), "")
		return
	}
	l.entityKey(b, e)
	if v := b.attr("version"); v != nil {
		if i, ok := b.field(v, e, "version"); ok {
			e.Version = i
			if k := fields[i].Kind; k == record.Bool || k == record.List {
				b.fail(v.Range(), "version", fmt.Sprintf("a %s has no order and cannot be the version", k), "")
			}
		}
	}
	b.done()
}

func (l *loader) inner(b *block, inner *hclsyntax.Block) *block {
	x := l.block(inner, 1)
	x.name += " of " + b.name
	return x
}

// unique tells fields that stand twice or carry a name with another meaning.
func (l *loader) unique(b *block, fields []record.Field) []record.Field {
	seen := make(map[string]bool)
	for _, inner := range b.body.Blocks {
		if inner.Type != "field" && inner.Type != "list" || len(inner.Labels) == 0 {
			continue
		}
		name := inner.Labels[0]
		switch {
		case seen[name]:
			b.fail(inner.LabelRanges[0], "twice", fmt.Sprintf("%s has %q twice", b.name, name), "keep one")
		case slices.Contains(reserved, name):
			b.fail(inner.LabelRanges[0], "reserved", fmt.Sprintf("a field cannot be called %q: in expressions that name means something else", name), "call it otherwise, and say in read and write which column it is")
		}
		seen[name] = true
	}
	return fields
}

func (l *loader) owner(b *block, otherwise *rules.Connector) *rules.Connector {
	e := b.attr("owner")
	if e == nil {
		return otherwise
	}
	path, ok := b.path(e, "owner", "connector.erp")
	if !ok {
		return otherwise
	}
	if len(path) != 2 || path[0] != "connector" || l.connectors[path[1]] == nil {
		b.fail(e.Range(), "reference", fmt.Sprintf("there is no %s", l.source(e.Range())), suggest(path[len(path)-1], keysOf(l.connectors)))
		return otherwise
	}
	return l.connectors[path[1]]
}

func (l *loader) entityKey(b *block, e *rules.Entity) {
	keys, match := b.items("key"), b.items("match")
	switch {
	case keys == nil && match == nil && b.attr("key") == nil && b.attr("match") == nil:
		b.fail(b.head, "missing", fmt.Sprintf("%s needs a key", b.name), "write key = [order_no], or match = [vat_no] where the systems share none")
	case keys != nil && match != nil:
		b.fail(b.attr("match").Range(), "match", "an entity has a key or match, not both", "")
	}
	var positions []int
	for _, k := range keys {
		i, ok := b.field(k, e, "key")
		if !ok {
			continue
		}
		if f := e.Schema.Fields[i]; f.Optional || f.Kind == record.List {
			b.fail(k.Range(), "key", fmt.Sprintf("%q cannot be part of the key: it is optional, or a list", f.Name), "")
		}
		positions = append(positions, i)
	}
	for _, m := range match {
		if i, ok := b.field(m, e, "match"); ok {
			if f := e.Schema.Fields[i]; f.Kind == record.List {
				b.fail(m.Range(), "match", fmt.Sprintf("%q is a list: records cannot be matched by it", f.Name), "")
			}
			e.Match = append(e.Match, i)
		}
	}
	e.Schema = record.NewSchema(e.Name, e.Schema.Fields, positions)
}

// field reads a field block.
func (l *loader) field(b *block, owner *rules.Connector) (record.Field, rules.Field) {
	f := record.Field{Name: b.label, Kind: record.Unknown}
	kinds := []string{"string", "int", "decimal", "bool", "date", "time"}
	if b.required("type", "write type = string, int, decimal, bool, date or time") != nil {
		if w, ok := b.word("type", kinds...); ok {
			f.Kind, _ = record.KindNamed(w)
		}
	}
	f.Optional = b.boolean("optional", false)
	f.Sensitive = b.boolean("sensitive", false)
	checks := rules.Field{Owner: l.owner(b, owner), Trim: b.boolean("trim", false), Scale: -1}
	if w, ok := b.word("on_null", "write", "keep"); ok {
		checks.KeepOnNull = w == "keep"
	}
	if f.Kind == record.Unknown { // nothing can be said of what depends on it
		for _, name := range []string{"one_of", "min", "max", "scale", "max_length", "pattern", "transitions"} {
			b.known[name] = true
		}
		b.done()
		return f, checks
	}
	l.fieldChecks(b, &f, &checks)
	b.done()
	return f, checks
}

// fieldChecks reads what must hold for a field whose type is known.
func (l *loader) fieldChecks(b *block, f *record.Field, checks *rules.Field) {
	for _, e := range b.items("one_of") {
		if v, ok := b.literal(e, f.Kind, "each of one_of"); ok {
			checks.OneOf = append(checks.OneOf, v)
		}
	}
	l.numberChecks(b, f, checks)
	l.textChecks(b, f, checks)
	l.transitions(b, checks)
}

func (l *loader) numberChecks(b *block, f *record.Field, checks *rules.Field) {
	checks.Min, checks.Max = b.number("min"), b.number("max")
	if e := b.attr("scale"); e != nil {
		checks.Scale = b.whole("scale", -1, 0)
	}
	for _, name := range []string{"min", "max", "scale"} {
		if e := b.attr(name); e != nil && f.Kind != record.Int && f.Kind != record.Decimal {
			b.fail(e.Range(), "check", fmt.Sprintf("%s is for numbers, and %q is a %s", name, f.Name, f.Kind), "")
		}
	}
	if checks.Min != nil && checks.Max != nil && checks.Min.Cmp(*checks.Max) > 0 {
		b.fail(b.attr("max").Range(), "check", "max is less than min: no value passes", "")
	}
}

func (l *loader) textChecks(b *block, f *record.Field, checks *rules.Field) {
	checks.MaxLength = b.whole("max_length", 0, 1)
	if e := b.attr("pattern"); e != nil {
		if s, ok := b.textOf(e, "pattern"); ok {
			var err error
			if checks.Pattern, err = regexp.Compile(s); err != nil {
				b.fail(e.Range(), "pattern", "bad regular expression: "+err.Error(), "a backslash is written twice in quotes, or once in a heredoc (<<-EXPR)")
			}
		}
	}
	for _, name := range []string{"max_length", "pattern", "trim"} {
		if e := b.attr(name); e != nil && f.Kind != record.String {
			b.fail(e.Range(), "check", fmt.Sprintf("%s is for texts, and %q is a %s", name, f.Name, f.Kind), "")
		}
	}
}

func (l *loader) transitions(b *block, checks *rules.Field) {
	for _, p := range b.pairs("transitions") {
		if checks.Transitions == nil {
			checks.Transitions = make(map[string][]string)
		}
		l.step(b, checks, p.key, p.value)
		t, ok := p.value.(*hclsyntax.TupleConsExpr)
		if !ok {
			b.fail(p.value.Range(), "type", "the steps from a value are a list", `write open = ["paid", "cancelled"]`)
			continue
		}
		for _, e := range t.Exprs {
			if s, ok := b.textOf(e, "each step"); ok {
				checks.Transitions[p.key] = append(checks.Transitions[p.key], s)
				l.step(b, checks, s, e)
			}
		}
	}
}

// step tells a value of transitions that the field can never have.
func (l *loader) step(b *block, checks *rules.Field, value string, at hclsyntax.Expression) {
	if len(checks.OneOf) == 0 {
		return
	}
	var names []string
	for _, v := range checks.OneOf {
		names = append(names, v.Text())
	}
	if !slices.Contains(names, value) {
		b.fail(at.Range(), "transitions", fmt.Sprintf("%q is none of one_of", value), suggest(value, names))
	}
}

// list reads a list block of an entity.
func (l *loader) list(b *block, owner *rules.Connector) (record.Field, rules.Field) {
	checks := rules.Field{Owner: l.owner(b, owner), Scale: -1}
	var fields []record.Field
	for _, fb := range b.blocks("field", 1) {
		f, c := l.field(fb, checks.Owner)
		fields, checks.Lines = append(fields, f), append(checks.Lines, c)
	}
	lines := record.NewSchema(b.label, fields, nil)
	entity := &rules.Entity{Name: b.label, Schema: lines}
	var key []int
	if len(fields) > 0 {
		for _, e := range b.items("key") {
			if i, ok := b.field(e, entity, "key"); ok {
				key = append(key, i)
			}
		}
	} else {
		b.fail(b.head, "missing", fmt.Sprintf("%s has no fields", b.name), "")
	}
	optional := b.boolean("optional", false)
	b.done()
	return record.Field{Name: b.label, Kind: record.List, Optional: optional, Lines: record.NewSchema(b.label, fields, key)}, checks
}

// entityRules compiles the rules of an entity, which may ask lookups.
func (l *loader) entityRules(e *rules.Entity) {
	b := l.entityAt[e]
	if len(e.Schema.Fields) == 0 {
		return // told already
	}
	for _, rb := range b.blocks("rule", 1) {
		scope := &expression.Scope{Fields: e.Schema, Lookups: l.functions}
		if rule := l.compileRule(rb, scope, e); rule != nil {
			e.Rules = append(e.Rules, rule)
		}
	}
}

// compileRule compiles a rule block; entity is nil for a rule of a unit.
func (l *loader) compileRule(b *block, scope *expression.Scope, entity *rules.Entity) *rules.Rule {
	rule := &rules.Rule{Name: b.label, OnFail: rules.Reject, Place: fmt.Sprintf("%s:%d", b.file, b.head.Start.Line)}
	if e := b.required("check", `write check = "total > 0", for example`); e != nil {
		rule.Check = b.expression(e, "check", scope, expression.Want{Kind: record.Bool})
	}
	if e := b.attr("when"); e != nil {
		rule.When = b.expression(e, "when", scope, expression.Want{Kind: record.Bool})
	}
	if w, ok := b.word("on_fail", "reject", "hold", "warn"); ok {
		rule.OnFail = map[string]rules.Severity{"reject": rules.Reject, "hold": rules.Hold, "warn": rules.Warn}[w]
	}
	rule.Within = b.duration("within", time.Duration(0))
	rule.Release = b.texts("release")
	for _, name := range []string{"within", "release"} {
		if e := b.attr(name); e != nil && rule.OnFail != rules.Hold {
			b.fail(e.Range(), "rule", fmt.Sprintf("%s is for rules that hold", name), "write on_fail = hold, or leave it out")
		}
	}
	if e := b.attr("message"); e != nil {
		rule.Message = l.template(b, e, entity)
	}
	b.done()
	if rule.Check == nil {
		return nil
	}
	l.askedBy(rule.Check)
	if rule.When != nil {
		l.askedBy(rule.When)
	}
	l.ruleAt[rule] = b
	return rule
}

// template compiles a message: text with ${field} in it.
func (l *loader) template(b *block, e hclsyntax.Expression, entity *rules.Entity) *rules.Template {
	t := &rules.Template{Source: l.source(e.Range())}
	parts, ok := e.(*hclsyntax.TemplateExpr)
	if wrap, single := e.(*hclsyntax.TemplateWrapExpr); single {
		parts, ok = &hclsyntax.TemplateExpr{Parts: []hclsyntax.Expression{wrap.Wrapped}}, true
	}
	if !ok {
		b.fail(e.Range(), "type", "message must be a text", "write it in quotes")
		return nil
	}
	for _, part := range parts.Parts {
		if lit, ok := part.(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type().FriendlyName() == "string" {
			t.Parts = append(t.Parts, rules.TemplatePart{Literal: lit.Val.AsString()})
			continue
		}
		if entity == nil {
			b.fail(part.Range(), "template", "the message of a rule of a unit has no fields", "")
			continue
		}
		if i, ok := b.field(part, entity, "${…}"); ok {
			t.Parts = append(t.Parts, rules.TemplatePart{Field: i})
		}
	}
	return t
}
