package load

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// field returns the field of an entity that a bare name means.
func (b *block) field(e hclsyntax.Expression, entity *rules.Entity, what string) (int, bool) {
	path, ok := b.path(e, what, entity.Schema.Fields[0].Name)
	if !ok {
		return 0, false
	}
	i, ok := entity.Schema.Index(path[0])
	if !ok || len(path) > 1 {
		b.fail(e.Range(), "reference", fmt.Sprintf("entity %q has no field %s", entity.Name, b.l.source(e.Range())), suggest(path[0], fieldNames(entity.Schema)))
		return 0, false
	}
	return i, true
}

func fieldNames(s *record.Schema) []string {
	var names []string
	for _, f := range s.Fields {
		names = append(names, f.Name)
	}
	return names
}

// compileRead says of each field the resource has how it is read: by an
// expression, or from the column of its own name.
func (l *loader) compileRead(r *rules.Resource, b *block) {
	schema := r.Entity.Schema
	r.Read = make([]rules.Reading, len(schema.Fields))
	for i := range r.Read {
		r.Read[i].Column = -1
	}
	scope := &expression.Scope{Row: r.Columns, Locale: r.Locale, Read: true}
	read := make(map[int]bool)
	for _, p := range b.pairs("read") {
		i, ok := schema.Index(p.key)
		switch {
		case !ok:
			b.fail(p.at, "reference", fmt.Sprintf("entity %q has no field %q", r.Entity.Name, p.key), suggest(p.key, fieldNames(schema)))
			continue
		case !r.Has[i]:
			b.fail(p.at, "read", fmt.Sprintf("%q is read, and is not among the fields of this resource", p.key), "add it to fields, or leave it out here")
			continue
		}
		read[i] = true
		r.Read[i] = l.reading(b, p, schema.Fields[i].Kind, scope, r.Columns)
		l.broken[r] = l.broken[r] || r.Read[i].Program == nil && r.Read[i].Column < 0
	}
	for i, f := range schema.Fields {
		if !r.Has[i] || read[i] {
			continue
		}
		if list := listOf(r, i); list != nil {
			r.Read[i].Column = r.Columns.Index(list.Path)
			continue
		}
		if r.Columns.Known != nil && !slices.Contains(r.Columns.Known, f.Name) {
			b.fail(b.head, "read", fmt.Sprintf("field %q has no column: %s has no column of that name", f.Name, b.name), "add it to read, or leave it out of fields; "+suggest(f.Name, r.Columns.Known))
			continue
		}
		r.Read[i].Column = r.Columns.Index(f.Name)
	}
}

func (l *loader) reading(b *block, p pair, kind record.Kind, scope *expression.Scope, columns *expression.Columns) rules.Reading {
	reading := rules.Reading{Column: -1}
	program := b.expression(p.value, "read."+p.key, scope, expression.Want{Kind: record.Unknown, Null: true})
	if program == nil {
		return reading
	}
	if c, ok := program.PlainColumn(); ok {
		reading.Column = c
		return reading
	}
	if got := program.Kind(); kind != record.List && got != record.Unknown && got != record.String && !converts(got, kind) {
		b.fail(p.value.Range(), "type", fmt.Sprintf("%s is a %s, and its expression gives a %s", p.key, kind, got), "")
	}
	reading.Program = program
	return reading
}

// converts reports whether a value of one kind may become one of another.
func converts(from, to record.Kind) bool {
	number := func(k record.Kind) bool { return k == record.Int || k == record.Decimal }
	moment := func(k record.Kind) bool { return k == record.Date || k == record.Time }
	return from == to || to == record.String || number(from) && number(to) || moment(from) && moment(to)
}

func listOf(r *rules.Resource, field int) *rules.ResourceList {
	for _, list := range r.Lists {
		if list.Field == field {
			return list
		}
	}
	return nil
}

// compileLists reads the list blocks of a resource.
func (l *loader) compileLists(r *rules.Resource, b *block) {
	for _, lb := range b.blocks("list", 1) {
		i, ok := r.Entity.Schema.Index(lb.label)
		if !ok || r.Entity.Schema.Fields[i].Kind != record.List {
			lb.fail(lb.head, "reference", fmt.Sprintf("entity %q has no list %q", r.Entity.Name, lb.label), suggest(lb.label, listNames(r.Entity)))
			continue
		}
		for _, later := range []string{"rows", "table", "join", "delete"} {
			if e := lb.attr(later); e != nil {
				lb.fail(e.Range(), "later", fmt.Sprintf("%s of a list is not part of this version", later), "lists are read from documents by path: use a jsonl resource")
			}
		}
		list := &rules.ResourceList{Field: i, Path: lb.label, Columns: &expression.Columns{}}
		if path, _, ok := lb.text("path"); ok {
			list.Path = path
		}
		r.Lists = append(r.Lists, list)
		l.compileLines(r, list, lb)
		lb.done()
	}
	for i, f := range r.Entity.Schema.Fields {
		if f.Kind == record.List && r.Has[i] && listOf(r, i) == nil {
			list := &rules.ResourceList{Field: i, Path: f.Name, Columns: &expression.Columns{}}
			r.Lists = append(r.Lists, list)
			l.plainLines(r, list)
		}
	}
}

func listNames(e *rules.Entity) []string {
	var names []string
	for _, f := range e.Schema.Fields {
		if f.Kind == record.List {
			names = append(names, f.Name)
		}
	}
	return names
}

// plainLines reads and writes every field of a line under its own name.
func (l *loader) plainLines(r *rules.Resource, list *rules.ResourceList) {
	schema := r.Entity.Schema.Fields[list.Field].Lines
	list.Read = make([]rules.Reading, len(schema.Fields))
	for j, f := range schema.Fields {
		list.Read[j].Column = list.Columns.Index(f.Name)
		list.Write = append(list.Write, rules.Writing{Column: f.Name, Kind: f.Kind, Field: j})
	}
}

func (l *loader) compileLines(r *rules.Resource, list *rules.ResourceList, b *block) {
	schema := r.Entity.Schema.Fields[list.Field].Lines
	list.Read = make([]rules.Reading, len(schema.Fields))
	for j := range list.Read {
		list.Read[j].Column = -1
	}
	scope := &expression.Scope{Row: list.Columns, Parent: r.Columns, Locale: r.Locale, Read: true}
	read := make(map[int]bool)
	for _, p := range b.pairs("read") {
		j, ok := schema.Index(p.key)
		if !ok {
			b.fail(p.at, "reference", fmt.Sprintf("a line has no field %q", p.key), suggest(p.key, fieldNames(schema)))
			continue
		}
		read[j] = true
		list.Read[j] = l.reading(b, p, schema.Fields[j].Kind, scope, list.Columns)
	}
	for j, f := range schema.Fields {
		if !read[j] {
			list.Read[j].Column = list.Columns.Index(f.Name)
		}
	}
	l.lineWrites(list, schema, b)
}

func (l *loader) lineWrites(list *rules.ResourceList, schema *record.Schema, b *block) {
	used := make(map[int]bool)
	var written []rules.Writing
	for _, p := range b.pairs("write") {
		program := b.expression(p.value, "write."+p.key, &expression.Scope{Fields: schema}, expression.Want{Null: true})
		if program == nil {
			continue
		}
		w := rules.Writing{Column: p.key, Kind: program.Kind(), Uses: program.Fields(), Program: program}
		if f, ok := program.PlainField(); ok {
			w.Field, w.Program = f, nil
		}
		for _, f := range w.Uses {
			used[f] = true
		}
		written = append(written, w)
	}
	for j, f := range schema.Fields {
		if !used[j] {
			list.Write = append(list.Write, rules.Writing{Column: f.Name, Kind: f.Kind, Field: j, Uses: []int{j}})
		}
	}
	list.Write = append(list.Write, written...)
}

// compileWrite lists the columns a resource is written by: a field that no write
// expression uses under its own name, then the expressions.
func (l *loader) compileWrite(r *rules.Resource, b *block) {
	schema := r.Entity.Schema
	scope := &expression.Scope{
		Fields: schema, Lookups: l.functions, Locale: r.Locale,
		Names: []expression.Name{{Name: "id", Kind: record.Unknown, Null: true}, {Name: "reference", Kind: record.String}},
	}
	r.Reference, _, _ = b.text("reference")
	used := make(map[int]bool)
	var written []rules.Writing
	for _, p := range b.pairs("write") {
		program := b.expression(p.value, "write."+p.key, scope, expression.Want{Null: true})
		if program == nil {
			l.broken[r] = true
			continue
		}
		l.askedBy(program)
		w := l.writing(r, b, p, program)
		if w.ID && b.attr("id") == nil {
			b.fail(p.value.Range(), "id", fmt.Sprintf("column %q uses the id of the record, and %s does not say what that is", p.key, b.name), `write id = "row.…": the column that this system names its records by`)
		}
		if w.Column == r.Reference && w.Program != nil {
			l.checkReference(r, b, p, program)
		}
		for _, f := range w.Uses {
			used[f] = true
		}
		written = append(written, w)
	}
	for i, f := range schema.Fields {
		if r.Has[i] && !used[i] {
			w := rules.Writing{Column: f.Name, Kind: f.Kind, Field: i, Uses: []int{i}, Owner: r.Entity.Fields[i].Owner, Key: isKey(r.Entity, i), List: listOf(r, i)}
			if w.List != nil {
				w.Column = w.List.Path
			}
			r.Write = append(r.Write, w)
		}
	}
	r.Write = append(r.Write, written...)
	l.referenceWriting(r, b, scope)
}

// checkReference: the reference names a record for good, so that a lost state makes
// the same one again.
func (l *loader) checkReference(r *rules.Resource, b *block, p pair, program *expression.Program) {
	const hint = "make it of all key fields, and constants, or leave it out: headgate fills it then"
	for _, f := range program.Fields() {
		if !isKey(r.Entity, f) {
			b.fail(p.value.Range(), "reference_column", fmt.Sprintf("the reference is made of %q, which is no key and may change", r.Entity.Schema.Fields[f].Name), hint)
		}
	}
	left := leftOut(r.Entity, program.Fields())
	switch {
	case program.UsesName("id") || program.UsesNow() || len(program.Lookups()) > 0:
		b.fail(p.value.Range(), "reference_column", "the reference is made of what may change", hint)
	case len(r.Entity.Schema.Key) == 0:
		b.fail(p.value.Range(), "reference_column", fmt.Sprintf("entity %q has no key to make the reference of", r.Entity.Name), "leave it out: headgate fills it then")
	case left != "":
		b.fail(p.value.Range(), "reference_column", fmt.Sprintf("the reference is made without %q: two records could have one", left), hint)
	}
}

// leftOut returns the name of a key field that is none of fields, or "".
func leftOut(e *rules.Entity, fields []int) string {
	for _, f := range e.Schema.Key {
		if !slices.Contains(fields, f) {
			return e.Schema.Fields[f].Name
		}
	}
	return ""
}

// referenceWriting lets headgate fill the reference column that nothing else writes.
func (l *loader) referenceWriting(r *rules.Resource, b *block, scope *expression.Scope) {
	at, _, ok := b.text("reference")
	if !ok || at == "" {
		return
	}
	for i := range r.Write {
		w := &r.Write[i]
		if w.Column != r.Reference {
			continue
		}
		if w.Program != nil {
			return // checkReference has looked at it
		}
		name, left := r.Entity.Schema.Fields[w.Field].Name, leftOut(r.Entity, w.Uses)
		switch {
		case !w.Key:
			b.fail(b.attr("reference").Range(), "reference_column", fmt.Sprintf("column %q is written from field %q, which is no key and may change", w.Column, name), "give the reference a column of its own")
		case left != "":
			b.fail(b.attr("reference").Range(), "reference_column", fmt.Sprintf("column %q is written from field %q alone, and %q is of the key, too: two records could have one reference", w.Column, name, left), "give the reference a column of its own")
		}
		return
	}
	program, mistake := expression.Compile("reference", scope, expression.Want{Kind: record.String})
	if mistake != nil {
		panic(mistake) // it is no text of an operator
	}
	r.Write = append(r.Write, rules.Writing{Column: r.Reference, Kind: record.String, Program: program, Reference: true})
}

func isKey(e *rules.Entity, field int) bool { return slices.Contains(e.Schema.Key, field) }

// writing says who owns a column: the owner of the fields it uses.
func (l *loader) writing(r *rules.Resource, b *block, p pair, program *expression.Program) rules.Writing {
	w := rules.Writing{Column: p.key, Kind: program.Kind(), Uses: program.Fields(), Program: program, Key: len(program.Fields()) > 0}
	w.ID, w.Reference = program.UsesName("id"), program.UsesName("reference")
	if f, ok := program.PlainField(); ok {
		w.Field, w.Program = f, nil
	}
	for _, f := range w.Uses {
		if isKey(r.Entity, f) {
			continue
		}
		w.Key = false
		owner := r.Entity.Fields[f].Owner
		if w.Owner != nil && owner != nil && owner != w.Owner {
			b.fail(p.value.Range(), "owners", fmt.Sprintf("column %q is made of fields of two owners, %s and %s", p.key, w.Owner.Name, owner.Name), "a column belongs to one owner: make it of fields of one")
		}
		if owner != nil {
			w.Owner = owner
		}
		if !r.Has[f] {
			b.fail(p.value.Range(), "write", fmt.Sprintf("column %q uses %q, which is not among the fields of this resource", p.key, r.Entity.Schema.Fields[f].Name), "add it to fields")
		}
	}
	return w
}

func (l *loader) askedBy(p *expression.Program) {
	for _, name := range p.Lookups() {
		l.asked[name] = true
	}
}

// resourceKeys finds the columns that hold the key where rows are read and written.
func (l *loader) resourceKeys(r *rules.Resource) {
	if r.Entity.Match != nil && r.ID != nil {
		if c, plain := r.ID.PlainColumn(); plain {
			r.ReadKey, r.WriteKey = []string{r.Columns.Names[c]}, []string{r.Columns.Names[c]}
		}
	}
	for _, f := range r.Entity.Schema.Key {
		reading := r.Read[f]
		columns := []int{reading.Column}
		if reading.Program != nil {
			columns = reading.Program.Columns()
		}
		for _, c := range columns {
			if c >= 0 && !slices.Contains(r.ReadKey, r.Columns.Names[c]) {
				r.ReadKey = append(r.ReadKey, r.Columns.Names[c])
			}
		}
		if i := columnOf(r, f); i >= 0 && !connectors.IsAppendOnly(r.Settings) {
			r.WriteKey = append(r.WriteKey, r.Write[i].Column)
		}
	}
}

// columnOf returns which column written holds the field and nothing else, or -1.
func columnOf(r *rules.Resource, field int) int {
	i := slices.IndexFunc(r.Write, func(w rules.Writing) bool { return w.Program == nil && w.Field == field })
	if i < 0 {
		i = slices.IndexFunc(r.Write, func(w rules.Writing) bool { return slices.Equal(w.Uses, []int{field}) })
	}
	return i
}
