package load

import (
	"fmt"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

func (l *loader) declareLookup(b *block) {
	u := &rules.Lookup{Name: b.label, Valid: [2]int{-1, -1}}
	for _, f := range expression.FunctionNames() {
		if f == b.label {
			b.fail(b.head, "reserved", fmt.Sprintf("a lookup cannot be called %q: a function is", b.label), "call it otherwise")
		}
	}
	values := b.attr("values")
	switch {
	case values != nil && b.attr("from") != nil:
		b.fail(values.Range(), "lookup", "a lookup has from or values, not both", "")
	case values != nil:
		l.literalLookup(b, u, values)
	default:
		l.resourceLookup(b, u)
	}
	u.Refresh = b.duration("refresh", 0)
	if e := b.attr("list"); e != nil {
		b.fail(e.Range(), "later", "list of a lookup is not part of this version", "")
	}
	b.done()
	if u.Schema == nil || len(u.Key) == 0 {
		return
	}
	l.lookups[u.Name], l.lookupAt[u] = u, b
	l.ruleset.Lookups = append(l.ruleset.Lookups, u)
	f := expression.Lookup{Name: u.Name, Schema: u.Schema, NoID: u.From == nil || l.resources[u.From].attr("id") == nil}
	for _, i := range u.Key {
		f.Key = append(f.Key, u.Schema.Fields[i])
	}
	if u.Valid != [2]int{-1, -1} {
		f.Key = append(f.Key, record.Field{Name: "date", Kind: record.Date})
	}
	l.functions = append(l.functions, f)
}

func (l *loader) resourceLookup(b *block, u *rules.Lookup) {
	b.known["key"], b.known["valid"] = true, true
	u.From = l.findResource(b, "from")
	if u.From == nil {
		return
	}
	u.Schema = u.From.Entity.Schema
	if b.required("key", "write key = [customer_no], for example") == nil {
		return
	}
	for _, e := range b.items("key") {
		if i, ok := b.field(e, u.From.Entity, "key"); ok {
			u.Key = append(u.Key, i)
		}
	}
	valid := b.items("valid")
	if valid == nil {
		return
	}
	if len(valid) != 2 {
		b.fail(b.attr("valid").Range(), "lookup", "valid takes two fields", "write valid = [valid_from, valid_to]")
		return
	}
	for n, e := range valid {
		i, ok := b.field(e, u.From.Entity, "valid")
		if ok && u.Schema.Fields[i].Kind != record.Date {
			b.fail(e.Range(), "lookup", "the fields of valid must be dates", "")
		}
		u.Valid[n] = i
	}
}

// literalLookup reads values = { A = "x", B = "y" }: records of a key and a value.
func (l *loader) literalLookup(b *block, u *rules.Lookup, e hclsyntax.Expression) {
	u.Schema = record.NewSchema(u.Name, []record.Field{{Name: "key", Kind: record.String}, {Name: "value", Kind: record.String}}, []int{0})
	u.Key = []int{0}
	for _, p := range b.pairsOf(e, "values") {
		if v, ok := b.literal(p.value, record.String, "values."+p.key); ok {
			u.Values = append(u.Values, record.Record{record.StringValue(p.key), v})
		}
	}
}
