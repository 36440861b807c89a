package load

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// template is a Text of settings whose names are checked once the columns of its
// resource are known.
type template struct {
	block *block
	scope connectors.Scope
	uses  []hclsyntax.Expression
}

// scopedSetting sets a field that may use names: a template, some, or a logic.
func (b *block) scopedSetting(name string, e hclsyntax.Expression, field reflect.Value, scope connectors.Scope) bool {
	switch field.Type() {
	case textType:
		field.Set(reflect.ValueOf(b.connectorText(name, e, scope)))
	case textsType:
		texts := make(map[string]connectors.Text)
		for _, p := range b.pairsOf(e, name) {
			texts[p.key] = b.connectorText(name+"."+p.key, p.value, scope)
		}
		field.Set(reflect.ValueOf(texts))
	case logicType:
		field.Set(reflect.ValueOf(b.logic(name, e, scope)))
	default:
		return false
	}
	return true
}

// connectorText compiles a text with ${name} or ${a.path} in it.
func (b *block) connectorText(what string, e hclsyntax.Expression, scope connectors.Scope) connectors.Text {
	parts := []hclsyntax.Expression{e}
	switch t := e.(type) {
	case *hclsyntax.TemplateWrapExpr:
		parts[0] = t.Wrapped
	case *hclsyntax.TemplateExpr:
		parts = t.Parts
	default:
		b.fail(e.Range(), "type", what+" must be a text", "write it in quotes")
		return connectors.Text{}
	}
	text := connectors.Text{Source: strings.Trim(b.l.source(e.Range()), `"`)}
	used := template{block: b, scope: scope}
	var pieces []piece
	for _, part := range parts {
		if lit, ok := part.(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type().FriendlyName() == "string" {
			pieces = append(pieces, piece{text: lit.Val.AsString()})
			continue
		}
		path, ok := b.path(part, "${…}", "${id}")
		if !ok {
			return connectors.Text{}
		}
		name := strings.Join(path, ".")
		pieces, used.uses = append(pieces, piece{name: name}), append(used.uses, part)
		if !slices.Contains(text.Uses, name) {
			text.Uses = append(text.Uses, name)
		}
	}
	if len(used.uses) > 0 {
		b.l.unscoped = append(b.l.unscoped, used)
	}
	text.Render = func(names connectors.Names) (string, error) { return render(pieces, names) }
	return text
}

// piece is a part of a template: a text as it is, or a name.
type piece struct{ text, name string }

func render(pieces []piece, names connectors.Names) (string, error) {
	var all []byte
	for _, p := range pieces {
		v := names[p.name]
		switch {
		case p.name == "":
			all = append(all, p.text...)
		case v.Missing():
			return "", fmt.Errorf("%s is not known", p.name)
		default:
			all = v.Append(all)
		}
	}
	return string(all), nil
}

// directed tells a flow that reads what says nothing of reading, or writes what says
// nothing of writing.
func (b *block) directed(f *rules.Flow) {
	for _, end := range []struct {
		name     string
		resource *rules.Resource
		why      func(connectors.Directed) error
	}{{"from", f.From, connectors.Directed.Readable}, {"to", f.To, connectors.Directed.Writable}} {
		if end.resource == nil {
			continue
		}
		if d, ok := end.resource.Settings.(connectors.Directed); ok {
			if err := end.why(d); err != nil {
				b.fail(b.attr(end.name).Range(), "direction", err.Error(), "")
			}
		}
	}
}

// replacing tells a flow that would take from its destination what that owns (promise
// 5): its changes make a record what is sent, and that field cannot be sent along.
func (b *block) replacing(f *rules.Flow) {
	r, ok := f.To.Settings.(connectors.Replacing)
	if !ok {
		return
	}
	replaces, asked := r.Replacing()
	for i := range f.To.Write {
		w := &f.To.Write[i]
		if !replaces || w.Owner != f.To.Connector {
			continue
		}
		carried := !slices.ContainsFunc(w.Uses, func(field int) bool { return !f.From.Has[field] })
		if asked && carried {
			continue
		}
		hint := "give the resource a find block, so that it is sent as it is, or an update that changes what it is sent"
		if asked {
			hint = "add its fields to those of " + f.From.Name + ", or give the resource an update that changes what it is sent"
		}
		b.fail(b.attr("to").Range(), "replaced", fmt.Sprintf("each change replaces the record, and would take %q from it, which %s owns", w.Column, f.To.Connector.Name), hint)
		return
	}
}

// appendOnly tells a flow that wants more of its destination than to add to it.
func (b *block) appendOnly(f *rules.Flow) {
	if !connectors.IsAppendOnly(f.To.Settings) {
		return
	}
	if f.Delete {
		b.fail(b.attr("delete").Range(), "append_only", f.To.Name+" is only added to: nothing is deleted there", "take delete out")
	}
	if f.From.Entity.Match != nil {
		b.fail(b.attr("to").Range(), "append_only", f.To.Name+" is only added to: no record can be matched there", "take append out of it")
	}
}

// checkTemplates tells the names of templates that the resource does not have.
func (l *loader) checkTemplates(r *rules.Resource) {
	columns := slices.Clone(r.Columns.Names)
	for _, w := range r.Write {
		columns = append(columns, w.Column)
	}
	for _, t := range l.templates[r] {
		known := slices.Clone(t.scope.Texts)
		if t.scope.Columns {
			known = append(known, columns...)
		}
		slices.Sort(known)
		known = slices.Compact(known)
		for _, e := range t.uses {
			switch name := l.source(e.Range()); {
			case !slices.Contains(known, name):
				t.block.fail(e.Range(), "reference", fmt.Sprintf("unknown name %s", name), suggest(name, known))
			case slices.Contains(columns, name):
			case name == "id" && r.ID == nil:
				t.block.fail(e.Range(), "reference", "the resource does not say what its id is", `write id = "row.…": the column that this system names its records by`)
			case name == "cursor" && r.Cursor == "":
				t.block.fail(e.Range(), "reference", "the resource has no cursor", `write cursor = "…" in it: the column that tells how new a record is`)
			}
		}
	}
}

// logic compiles an expression over the names of a scope.
func (b *block) logic(name string, e hclsyntax.Expression, scope connectors.Scope) connectors.Logic {
	in := &expression.Scope{}
	for _, n := range scope.Logics {
		in.Names = append(in.Names, expression.Name{Name: n, Kind: record.Unknown, Null: true})
	}
	for _, n := range scope.Documents {
		in.Groups = append(in.Groups, expression.Group{Name: n, Open: true})
	}
	program := b.expression(e, name, in, expression.Want{Kind: record.Bool})
	if program == nil {
		return connectors.Logic{}
	}
	logic := connectors.Logic{Source: program.Text(), Uses: slices.Clone(scope.Logics)}
	for _, g := range in.Groups {
		for _, m := range g.Members {
			logic.Uses = append(logic.Uses, g.Name+"."+m.Name)
		}
	}
	logic.Eval = func(names connectors.Names) (record.Value, error) {
		truth, err := expression.NewMachine().Check(program, inputOf(in, names))
		return record.BoolValue(truth), err
	}
	return logic
}

// inputOf puts values where a program expects them.
func inputOf(in *expression.Scope, names connectors.Names) *expression.Input {
	input := &expression.Input{}
	for _, n := range in.Names {
		input.Names = append(input.Names, names[n.Name])
	}
	for _, g := range in.Groups {
		var values []record.Value
		for _, m := range g.Members {
			values = append(values, names[g.Name+"."+m.Name])
		}
		input.Groups = append(input.Groups, values)
	}
	return input
}
