package load

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/engine/record"
	"headgate/rules"
)

var outcomes = []string{"created", "updated", "unchanged", "skipped", "rejected", "held"}

func (l *loader) compileTest(b *block) {
	t := &rules.Test{Name: b.label, Place: fmt.Sprintf("%s:%d", b.file, b.head.Start.Line)}
	t.Flow = l.testFlow(b)
	if t.Flow == nil {
		return
	}
	schema := t.Flow.From.Entity.Schema
	row, rec := b.attr("row"), b.attr("record")
	switch {
	case row != nil && rec != nil:
		b.fail(rec.Range(), "test", "a test has a row or a record, not both", "")
	case row != nil:
		t.Row = l.testRow(b, row, t.Flow.From)
	case rec != nil:
		t.Record = l.testRecord(b, rec, schema, "record")
	default:
		b.fail(b.head, "missing", "a test needs a record, or a row", "")
	}
	if e := b.attr("current"); e != nil {
		t.Current = l.testRecord(b, e, schema, "current")
	}
	l.testLookups(b, t)
	if s, at, ok := b.text("now"); ok {
		now, err := time.Parse(time.RFC3339, s)
		if err != nil {
			b.fail(at, "type", fmt.Sprintf("%q is not a time", s), `write "2026-11-02T09:00:00Z"`)
		}
		t.Now = now
	}
	l.testExpect(b, t)
	b.done()
	l.ruleset.Tests = append(l.ruleset.Tests, t)
}

func (l *loader) testFlow(b *block) *rules.Flow {
	e := b.required("flow", "write flow = flow.orders, for example")
	if e == nil {
		return nil
	}
	path, ok := b.path(e, "flow", "flow.orders")
	if !ok {
		return nil
	}
	var names []string
	for _, f := range l.ruleset.Flows {
		if len(path) == 2 && path[0] == "flow" && f.Name == path[1] {
			return f
		}
		names = append(names, f.Name)
	}
	if len(path) == 2 && path[0] == "flow" && l.declared("flow", path[1]) {
		return nil // its own mistake is told
	}
	b.fail(e.Range(), "reference", fmt.Sprintf("there is no %s", strings.Join(path, ".")), suggest(path[len(path)-1], names))
	return nil
}

func (l *loader) testRow(b *block, e hclsyntax.Expression, from *rules.Resource) record.Row {
	row := make(record.Row, len(from.Columns.Names))
	for _, p := range b.pairsOf(e, "row") {
		at := -1
		for i, name := range from.Columns.Names {
			if name == p.key {
				at = i
			}
		}
		if at < 0 && l.broken[from] {
			continue
		}
		if at < 0 {
			b.fail(p.at, "reference", fmt.Sprintf("%s reads no column %q", from.Name, p.key), suggest(p.key, from.Columns.Names))
			continue
		}
		if list := listAt(from, at); list != nil {
			row[at] = l.testRows(b, p.value, list)
			continue
		}
		row[at], _ = b.literal(p.value, record.Unknown, p.key)
	}
	return row
}

func listAt(from *rules.Resource, column int) *rules.ResourceList {
	for _, list := range from.Lists {
		if from.Read[list.Field].Column == column {
			return list
		}
	}
	return nil
}

func (l *loader) testRows(b *block, e hclsyntax.Expression, list *rules.ResourceList) record.Value {
	t, ok := e.(*hclsyntax.TupleConsExpr)
	if !ok {
		b.fail(e.Range(), "type", "lines are a list", "write [{ … }]")
		return record.Value{}
	}
	lines := &record.Lines{}
	for _, item := range t.Exprs {
		line := make([]record.Value, len(list.Columns.Names))
		for _, p := range b.pairsOf(item, "a line") {
			for i, name := range list.Columns.Names {
				if name == p.key {
					line[i], _ = b.literal(p.value, record.Unknown, p.key)
				}
			}
		}
		lines.Rows = append(lines.Rows, line)
	}
	return record.ListValue(lines)
}

// testRecord reads a record by the names of its fields; what it leaves out is absent.
func (l *loader) testRecord(b *block, e hclsyntax.Expression, schema *record.Schema, what string) record.Record {
	r := make(record.Record, len(schema.Fields))
	for _, p := range b.pairsOf(e, what) {
		i, ok := schema.Index(p.key)
		if !ok {
			b.fail(p.at, "reference", fmt.Sprintf("%s has no field %q", schema.Name, p.key), suggest(p.key, fieldNames(schema)))
			continue
		}
		if schema.Fields[i].Kind != record.List {
			r[i], _ = b.literal(p.value, schema.Fields[i].Kind, p.key)
			continue
		}
		t, ok := p.value.(*hclsyntax.TupleConsExpr)
		if !ok {
			b.fail(p.value.Range(), "type", fmt.Sprintf("%s is a list", p.key), "write [{ … }]")
			continue
		}
		lines := &record.Lines{}
		for _, item := range t.Exprs {
			lines.Rows = append(lines.Rows, l.testRecord(b, item, schema.Fields[i].Lines, p.key))
		}
		r[i] = record.ListValue(lines)
	}
	return r
}

func (l *loader) testLookups(b *block, t *rules.Test) {
	t.Lookups = make(map[string][]record.Record)
	for _, p := range b.pairs("lookups") {
		u := l.lookups[p.key]
		if u == nil && l.declared("lookup", p.key) {
			continue
		}
		if u == nil {
			b.fail(p.at, "reference", fmt.Sprintf("there is no lookup %q", p.key), suggest(p.key, keysOf(l.lookups)))
			continue
		}
		list, ok := p.value.(*hclsyntax.TupleConsExpr)
		if !ok {
			b.fail(p.value.Range(), "type", "the records of a lookup are a list", "write [{ … }]")
			continue
		}
		t.Lookups[p.key] = []record.Record{}
		for _, item := range list.Exprs {
			t.Lookups[p.key] = append(t.Lookups[p.key], l.testRecord(b, item, u.Schema, p.key))
		}
	}
}

func (l *loader) testExpect(b *block, t *rules.Test) {
	x := b.one("expect")
	if x == nil {
		b.fail(b.head, "missing", "a test needs an expect block", "write expect { outcome = created }")
		return
	}
	if x.required("outcome", "write outcome = rejected, for example") != nil {
		t.Expect.Outcome, _ = x.word("outcome", outcomes...)
	}
	if e := x.attr("rule"); e != nil {
		names := append(l.entityAt[t.Flow.From.Entity].labels("rule"), l.flowBlock(t.Flow.Name).labels("rule")...)
		t.Expect.Rule, _ = x.word("rule", names...)
	}
	if e := x.attr("code"); e != nil {
		t.Expect.Code = strings.Trim(l.source(e.Range()), `"`)
	}
	own := rules.NewOwnership(t.Flow)
	if x.attr("write") != nil {
		t.Expect.Write = make(map[string]record.Value)
		for _, p := range x.pairs("write") {
			kind, ok := columnKind(own, p.key)
			if !ok && l.broken[t.Flow.To] {
				continue
			}
			if !ok {
				x.fail(p.at, "reference", fmt.Sprintf("%s writes no column %q", t.Flow.Name, p.key), suggest(p.key, columnNames(own)))
				continue
			}
			t.Expect.Write[p.key], _ = x.literal(p.value, kind, p.key)
		}
	}
	if x.attr("kept") != nil {
		t.Expect.Kept = append([]string{}, x.texts("kept")...)
	}
	x.done()
}

func columnNames(own *rules.Ownership) []string {
	var names []string
	for _, c := range own.Columns {
		names = append(names, c.Name)
	}
	return names
}

func columnKind(own *rules.Ownership, name string) (record.Kind, bool) {
	for _, c := range own.Columns {
		if c.Name == name {
			return c.Kind, true
		}
	}
	return record.Unknown, false
}
