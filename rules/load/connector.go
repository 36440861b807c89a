package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// The defaults of a connector.
const (
	defaultAttempts = 5
	defaultBackoff  = time.Second
	defaultMaxWait  = time.Minute
	defaultBudget   = 5 * time.Minute
	defaultTimeout  = 30 * time.Second
	defaultOverlap  = 5 * time.Minute
)

func (l *loader) kind(name string) (connectors.Kind, bool) {
	i := slices.IndexFunc(l.kinds, func(k connectors.Kind) bool { return k.Name == name })
	if i < 0 {
		return connectors.Kind{}, false
	}
	return l.kinds[i], true
}

func (l *loader) declareConnector(b *block) {
	c := &rules.Connector{Name: b.label, Retry: rules.Retry{Attempts: defaultAttempts, Backoff: defaultBackoff, Max: defaultMaxWait, Budget: defaultBudget}}
	l.connectors[b.label], l.connectAt[c] = c, b
	c.Digest = l.connectorDigest(b)
	l.ruleset.Connectors = append(l.ruleset.Connectors, c)
	name, at, ok := b.text("type")
	if !ok {
		b.required("type", `write type = "files", for example`)
		return
	}
	kind, ok := l.kind(name)
	if !ok {
		var names []string
		for _, k := range l.kinds {
			names = append(names, k.Name)
		}
		b.fail(at, "kind", fmt.Sprintf("there is no connector type %q", name), suggest(name, names))
		return
	}
	c.Type, c.Settings = kind.Name, kind.Settings()
	b.settings(c.Settings)
	b.validate(c.Settings)
	c.Zone = b.zone("zone")
	c.Timeout = b.duration("timeout", defaultTimeout)
	c.Rate = b.rate()
	if retry := b.one("retry"); retry != nil {
		c.Retry.Attempts = retry.whole("attempts", defaultAttempts, 1)
		c.Retry.Backoff = retry.duration("backoff", defaultBackoff)
		c.Retry.Max = retry.duration("max", defaultMaxWait)
		c.Retry.Budget = retry.duration("budget", defaultBudget)
		retry.done()
	}
	c.Failures = b.failures(kind)
	for _, rb := range b.blocks("resource", 1) {
		l.declareResource(c, kind, rb)
	}
	b.done()
}

// rate reads "5/s", "100/m" or "1000/h".
func (b *block) rate() rules.Rate {
	s, at, ok := b.text("rate")
	if !ok {
		return rules.Rate{}
	}
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(count)
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if err != nil || n < 1 || !known {
		b.fail(at, "rate", fmt.Sprintf("%q is not a rate", s), `write "5/s", "100/m" or "1000/h"`)
		return rules.Rate{}
	}
	return rules.Rate{Count: n, Per: per}
}

// declareResource reads what of a resource stands alone; declareResources and
// compileResource do the rest once entities and lookups are known.
func (l *loader) declareResource(c *rules.Connector, kind connectors.Kind, b *block) {
	if slices.ContainsFunc(c.Resources, func(r *rules.Resource) bool { return r.Name == b.label }) {
		b.fail(b.head, "twice", fmt.Sprintf("connector %q has resource %q twice", c.Name, b.label), "keep one")
		return
	}
	r := &rules.Resource{Connector: c, Name: b.label, Settings: kind.Resource(), Columns: &expression.Columns{}}
	r.Locale.Zone = c.Zone
	c.Resources = append(c.Resources, r)
	l.resources[r] = b
	b.settings(r.Settings)
	b.validate(r.Settings)
	l.templates[r], l.unscoped = l.unscoped, nil
	if d, ok := r.Settings.(connectors.DecimalComma); ok {
		r.Locale.Comma = d.DecimalComma()
	}
	if named, ok := r.Settings.(connectors.Columned); ok {
		r.Columns.Known = named.ColumnNames()
	}
}

func (l *loader) declareResources() {
	for _, c := range l.ruleset.Connectors {
		for _, r := range c.Resources {
			l.declareFields(r, l.resources[r])
		}
	}
}

// declareFields says which entity a resource holds, and which of its fields.
func (l *loader) declareFields(r *rules.Resource, b *block) {
	e := b.required("entity", "write entity = entity.order, for example")
	if e == nil {
		return
	}
	path, ok := b.path(e, "entity", "entity.order")
	if !ok {
		return
	}
	if len(path) != 2 || path[0] != "entity" || l.entities[path[1]] == nil {
		b.fail(e.Range(), "reference", fmt.Sprintf("there is no %s", strings.Join(path, ".")), suggest(path[len(path)-1], keysOf(l.entities)))
		return
	}
	if len(l.entities[path[1]].Schema.Fields) == 0 {
		return // told already: nothing can be said of its fields
	}
	r.Entity = l.entities[path[1]]
	r.Has = make([]bool, len(r.Entity.Schema.Fields))
	fields := b.items("fields")
	all := fields == nil
	for _, f := range fields {
		i, ok := b.field(f, r.Entity, "fields")
		if !ok {
			all = true // which one was meant is not known: what follows from its absence would be noise
			continue
		}
		r.Has[i] = true
	}
	for i := range r.Has {
		r.Has[i] = r.Has[i] || all
	}
}

func keysOf[T any](m map[string]T) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// findResource returns the resource that a bare connector.erp.orders names.
func (l *loader) findResource(b *block, name string) *rules.Resource {
	e := b.required(name, "write "+name+" = connector.erp.orders, for example")
	if e == nil {
		return nil
	}
	path, ok := b.path(e, name, "connector.erp.orders")
	if !ok {
		return nil
	}
	if len(path) != 3 || path[0] != "connector" {
		b.fail(e.Range(), "reference", name+" must name a resource", "write connector.erp.orders: a connector and one of its resources")
		return nil
	}
	c := l.connectors[path[1]]
	if c == nil {
		b.fail(e.Range(), "reference", fmt.Sprintf("there is no connector %q", path[1]), suggest(path[1], keysOf(l.connectors)))
		return nil
	}
	var names []string
	for _, r := range c.Resources {
		if r.Name == path[2] {
			if r.Entity == nil {
				return nil // told already
			}
			return r
		}
		names = append(names, r.Name)
	}
	if l.connectAt[c].has("resource", path[2]) {
		return nil // its connector's mistake is told, or its own
	}
	b.fail(e.Range(), "reference", fmt.Sprintf("connector %q has no resource %q", path[1], path[2]), suggest(path[2], names))
	return nil
}

// compileResource compiles what a resource reads and writes.
func (l *loader) compileResource(r *rules.Resource) {
	b := l.resources[r]
	if r.Entity == nil {
		return
	}
	l.compileLists(r, b)
	l.compileRead(r, b)
	scope := &expression.Scope{Row: r.Columns, Locale: r.Locale, Read: true}
	if e := b.attr("id"); e != nil {
		r.ID = b.expression(e, "id", scope, expression.Want{Null: true})
	}
	l.compileWrite(r, b)
	if e := b.attr("filter"); e != nil {
		r.Filter = b.expression(e, "filter", scope, expression.Want{Kind: record.Bool})
	}
	l.compileCursor(r, b)
	l.compileDelete(r, b)
	b.addedTo(r)
	l.checkTemplates(r)
	l.compileUnit(r, b)
	l.resourceKeys(r)
	b.known["list"] = true
	b.done()
}

func (l *loader) compileCursor(r *rules.Resource, b *block) {
	cursor, _, has := b.text("cursor")
	r.Cursor, r.CursorKind = cursor, record.Unknown
	for i, reading := range r.Read {
		if reading.Program == nil && reading.Column >= 0 && has && r.Columns.Names[reading.Column] == cursor {
			r.CursorKind = r.Entity.Schema.Fields[i].Kind
		}
	}
	if e := b.attr("overlap"); e != nil && !has {
		b.fail(e.Range(), "overlap", "overlap needs a cursor", "write cursor = \"changed_at\" beside it, or leave it out: without a cursor all is read each time")
	}
	r.Overlap = b.duration("overlap", defaultOverlap)
}

func (l *loader) compileDelete(r *rules.Resource, b *block) {
	for _, p := range b.pairs("delete") {
		if v, ok := b.literal(p.value, record.Unknown, "delete."+p.key); ok {
			r.Delete = append(r.Delete, rules.DeleteValue{Column: p.key, Value: v})
		}
	}
}

// addedTo tells what says how records are known or deleted where they are only added.
func (b *block) addedTo(r *rules.Resource) {
	if !connectors.IsAppendOnly(r.Settings) {
		return
	}
	for _, name := range []string{"id", "delete"} {
		if e := b.attr(name); e != nil {
			b.fail(e.Range(), "append_only", fmt.Sprintf("%s says append, and %s is of records that are found again", b.name, name), "leave one of them out")
		}
	}
}

// compileUnit compiles the rules that judge a whole file or listing.
func (l *loader) compileUnit(r *rules.Resource, b *block) {
	row := &expression.Scope{Row: r.Columns, Locale: r.Locale, Read: true}
	var totals []expression.Name
	for _, p := range b.pairs("totals") {
		if program := b.expression(p.value, "totals."+p.key, row, expression.Want{Kind: record.Decimal, Null: true}); program != nil {
			r.Totals = append(r.Totals, rules.Total{Name: p.key, Program: program})
			totals = append(totals, expression.Name{Name: p.key, Kind: record.Decimal})
		}
	}
	var head, tail []expression.Name
	if e, ok := r.Settings.(connectors.Envelope); ok {
		h, t := e.EnvelopeColumns()
		head, tail = unknownNames(h), unknownNames(t)
	}
	scope := &expression.Scope{
		Names:  []expression.Name{{Name: "rows", Kind: record.Int}},
		Groups: []expression.Group{{Name: "head", Members: head}, {Name: "tail", Members: tail}, {Name: "totals", Members: totals}},
		Locale: r.Locale,
	}
	for _, rb := range b.blocks("rule", 1) {
		rule := l.compileRule(rb, scope, nil)
		if rule == nil {
			continue
		}
		if rule.OnFail == rules.Hold {
			rb.fail(rb.head, "rule", "a rule of a unit cannot hold", "use reject or warn: a unit is judged again each time it is listed")
		}
		r.UnitRules = append(r.UnitRules, rule)
	}
}

func unknownNames(names []string) []expression.Name {
	all := make([]expression.Name, len(names))
	for i, n := range names {
		all[i] = expression.Name{Name: n, Kind: record.Unknown, Null: true}
	}
	return all
}
