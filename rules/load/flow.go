package load

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/expression"
)

// The defaults of a flow.
const (
	defaultBatchSize = 100
	defaultRejects   = "20"
)

func (l *loader) compileFlow(b *block) {
	f := &rules.Flow{Name: b.label, Create: b.boolean("create", true), Update: b.boolean("update", true), Delete: b.boolean("delete", false)}
	f.From, f.To = l.findResource(b, "from"), l.findResource(b, "to")
	b.directed(f)
	l.flowSettings(b, f)
	if f.From == nil || f.To == nil {
		b.known["filter"], b.known["rule"] = true, true
		b.done()
		return
	}
	if f.From.Entity != f.To.Entity {
		b.fail(b.attr("to").Range(), "entity", fmt.Sprintf("a flow moves one entity: from holds %s, to holds %s", f.From.Entity.Name, f.To.Entity.Name), "")
		return
	}
	entity := f.From.Entity
	if e := b.attr("filter"); e != nil {
		f.Filter = b.expression(e, "filter", &expression.Scope{Fields: entity.Schema, Lookups: l.functions}, expression.Want{Kind: record.Bool})
	}
	for _, rb := range b.blocks("rule", 1) {
		scope := &expression.Scope{Fields: entity.Schema, Current: entity.Schema, Lookups: l.functions}
		if rule := l.compileRule(rb, scope, entity); rule != nil {
			f.Rules = append(f.Rules, rule)
			l.carried(rb, "check", rule.Check, f)
			l.carried(rb, "when", rule.When, f)
		}
	}
	l.carried(b, "filter", f.Filter, f)
	b.replacing(f)
	b.appendOnly(f)
	b.done()
	l.checkFlow(b, f)
	f.Lookups = l.lookupsOf(f)
	f.Digest = l.digest(b, f)
	f.Config = l.config(b, f)
	l.ruleset.Flows = append(l.ruleset.Flows, f)
}

func (l *loader) flowSettings(b *block, f *rules.Flow) {
	if w, ok := b.word("mode", "observe", "live"); ok && w == "live" {
		f.Mode = rules.Live
	}
	f.Every = b.duration("every", 0)
	f.Cron, f.Schedule = b.schedule("cron", l.ruleset.Settings.Zone)
	f.Was, _, _ = b.text("was")
	f.Sweep = b.duration("sweep", 0)
	if f.Every > 0 && f.Cron != "" {
		b.fail(b.attr("cron").Range(), "schedule", "a flow has every or cron, not both", "")
	}
	f.Due = b.duration("due", 0)
	if e := b.attr("due"); e != nil && f.Due == 0 {
		b.fail(e.Range(), "due", "due is how long a record may be missing in the destination: none would ever be in time", `write due = "2h", or leave it out`)
	}
	if w, ok := b.word("on_duplicate", "last", "first", "reject"); ok {
		f.OnDuplicate = map[string]rules.OnDuplicate{"last": rules.LastWins, "first": rules.FirstWins, "reject": rules.RejectDuplicate}[w]
	}
	if w, ok := b.word("on_conflict", "overwrite", "hold", "accept"); ok {
		f.OnConflict = map[string]rules.OnConflict{"overwrite": rules.Overwrite, "hold": rules.HoldConflict, "accept": rules.AcceptConflict}[w]
	}
	f.Batch = rules.Batch{Size: defaultBatchSize, InFlight: 1}
	if bb := b.one("batch"); bb != nil {
		f.Batch.Size = bb.whole("size", defaultBatchSize, 1)
		f.Batch.Pause = bb.duration("pause", time.Duration(0))
		f.Batch.PerRun = bb.whole("per_run", 0, 1)
		f.Batch.InFlight = bb.whole("in_flight", 1, 1)
		bb.done()
	}
	l.guard(b, &f.Guard)
}

func (l *loader) guard(b *block, g *rules.Guard) {
	percent, _ := record.ParseNumber(defaultRejects, false)
	g.Rejects = rules.Limit{Set: true, Percent: &percent}
	g.Deletes = rules.Limit{Set: true}
	gb := b.one("guard")
	if gb == nil {
		return
	}
	for name, limit := range map[string]*rules.Limit{"rejects": &g.Rejects, "holds": &g.Holds, "creates": &g.Creates, "updates": &g.Updates, "deletes": &g.Deletes} {
		if e := gb.attr(name); e != nil {
			gb.limit(name, e, limit)
		}
	}
	g.Per = gb.duration("per", 0)
	gb.done()
}

// limit reads a count, or a percentage: 200 or "20%".
func (b *block) limit(name string, e hclsyntax.Expression, limit *rules.Limit) {
	text, quoted := constantText(e)
	if !quoted {
		text = b.l.source(e.Range())
	}
	read, err := rules.ParseLimit(text)
	if err == nil && (quoted || read.Percent == nil) {
		*limit = read
		return
	}
	b.fail(e.Range(), "limit", fmt.Sprintf("%s must be a count or a percentage", name), `write 200, or "20%"`)
}

// checkFlow finds what cannot work between the two resources of a flow.
func (l *loader) checkFlow(b *block, f *rules.Flow) {
	entity := f.From.Entity
	for _, k := range entity.Schema.Key {
		name := entity.Schema.Fields[k].Name
		if !f.From.Has[k] {
			b.fail(b.attr("from").Range(), "key", fmt.Sprintf("the source has no %q, which is part of the key", name), "add it to the fields of "+f.From.Name)
		}
		if !f.To.Has[k] && !connectors.IsAppendOnly(f.To.Settings) {
			hint := "add it to the fields of " + f.To.Name
			if _, able := f.To.Settings.(connectors.AppendOnly); able {
				hint += ", or write append = true there: each record is then added once, and nothing is changed"
			}
			b.fail(b.attr("to").Range(), "key", fmt.Sprintf("the destination has no %q, which is part of the key", name), hint)
		}
	}
	if entity.Match != nil {
		l.checkMatch(b, f)
	}
	for i, field := range entity.Schema.Fields {
		if !field.Optional && entity.Fields[i].Owner == f.From.Connector && !f.From.Has[i] {
			b.fail(b.attr("from").Range(), "missing_field", fmt.Sprintf("%q is owned by %s and not optional, and %s does not have it", field.Name, f.From.Connector.Name, f.From.Name), "add it to fields, or make it optional")
		}
	}
	for _, k := range entity.Schema.Key {
		if f.To.Has[k] && columnOf(f.To, k) < 0 && !l.broken[f.To] && !connectors.IsAppendOnly(f.To.Settings) {
			name := entity.Schema.Fields[k].Name
			b.fail(b.attr("to").Range(), "key", fmt.Sprintf("no column of %s holds %q alone, which is part of the key", f.To.Name, name), fmt.Sprintf("a field that write uses is no longer written under its own name: add %s = %q to write", name, name))
		}
	}
	if f.From == f.To {
		b.fail(b.attr("to").Range(), "same", "a flow cannot move records to where they come from", "")
	}
}

// checkMatch: where the sides share no key, a record is known by its id in each of
// them, and found by a column that holds a field of match alone.
func (l *loader) checkMatch(b *block, f *rules.Flow) {
	for name, r := range map[string]*rules.Resource{"from": f.From, "to": f.To} {
		if len(r.WriteKey) == 0 {
			b.fail(b.attr(name).Range(), "match", fmt.Sprintf("entity %q has match and no key, and %s does not say by which column it names its records", r.Entity.Name, r.Name), `write id = "row.…" there: one column, as it is`)
		}
	}
	for _, c := range rules.NewOwnership(f).Match {
		if c >= 0 {
			return
		}
	}
	b.fail(b.attr("to").Range(), "match", fmt.Sprintf("no column of %s holds a field of match alone: nothing can be found by it", f.To.Name), "write one of them to a column of its own, and let both sides have it")
}

// lookupsOf returns the lookups a flow may ask.
func (l *loader) lookupsOf(f *rules.Flow) []*rules.Lookup {
	names := make(map[string]bool)
	note := func(p *expression.Program) {
		if p != nil {
			for _, name := range p.Lookups() {
				names[name] = true
			}
		}
	}
	for _, rule := range append(slices.Clone(f.From.Entity.Rules), f.Rules...) {
		note(rule.Check)
		note(rule.When)
	}
	for _, w := range f.To.Write {
		note(w.Program)
	}
	note(f.Filter)
	var all []*rules.Lookup
	for _, name := range keysOf(names) {
		if u := l.lookups[name]; u != nil {
			all = append(all, u)
			l.asked[name] = true
		}
	}
	return all
}

// digest names everything that decides what becomes of a flow's records. Layout,
// comments, schedule, batches and guards do not count.
func (l *loader) digest(b *block, f *rules.Flow) string {
	h := sha256.New()
	parts := []*block{l.entityAt[f.From.Entity], l.resources[f.From], l.resources[f.To]}
	for _, u := range f.Lookups {
		parts = append(parts, l.lookupAt[u])
		if u.From != nil {
			parts = append(parts, l.resources[u.From], l.entityAt[u.From.Entity])
		}
	}
	for _, p := range parts {
		_, _ = fmt.Fprintln(h, p.name)
		l.writeTokens(h, p, nil)
	}
	for _, c := range []*rules.Connector{f.From.Connector, f.To.Connector} {
		_, _ = fmt.Fprintln(h, c.Name, c.Type, c.Zone)
	}
	l.writeTokens(h, b, []string{"from", "to", "filter", "create", "update", "delete", "on_duplicate", "on_conflict", "rule"})
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// config names everything that is said of a flow: what decides over its records, and
// its mode, schedule, batches and guards.
func (l *loader) config(b *block, f *rules.Flow) string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, f.Digest, f.From.Connector.Digest, f.To.Connector.Digest)
	for _, u := range f.Lookups {
		if u.From != nil {
			_, _ = fmt.Fprintln(h, u.From.Connector.Digest)
		}
	}
	l.writeTokens(h, b, nil)
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// connectorDigest names what is said of a connector itself.
func (l *loader) connectorDigest(b *block) string {
	h := sha256.New()
	var own []string
	for name := range b.body.Attributes {
		own = append(own, name)
	}
	for _, inner := range b.body.Blocks {
		if inner.Type != "resource" {
			own = append(own, inner.Type)
		}
	}
	l.writeTokens(h, b, own)
	return hex.EncodeToString(h.Sum(nil))
}

// writeTokens writes the tokens of a block without layout and comments; only
// names those of its arguments and blocks that count, nil is all.
func (l *loader) writeTokens(w io.Writer, b *block, only []string) {
	var ranges []hcl.Range
	for name, a := range b.body.Attributes {
		if only == nil || slices.Contains(only, name) {
			ranges = append(ranges, a.SrcRange)
		}
	}
	for _, inner := range b.body.Blocks {
		if only == nil || slices.Contains(only, inner.Type) {
			ranges = append(ranges, hcl.RangeBetween(inner.TypeRange, inner.CloseBraceRange))
		}
	}
	slices.SortFunc(ranges, func(a, b hcl.Range) int { return a.Start.Byte - b.Start.Byte })
	for _, r := range ranges {
		tokens, _ := hclsyntax.LexConfig([]byte(l.source(r)), r.Filename, hcl.InitialPos)
		for _, t := range tokens {
			if t.Type != hclsyntax.TokenComment && t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenEOF {
				_, _ = fmt.Fprintf(w, "%d %s\n", len(t.Bytes), t.Bytes)
			}
		}
	}
}

// checkRenamed tells flows whose former name is still that of a flow: its state would
// belong to both.
func (l *loader) checkRenamed() {
	former := make(map[string]string)
	for _, f := range l.ruleset.Flows {
		if f.Was == "" {
			continue
		}
		b := l.flowBlock(f.Name)
		if l.flowBlock(f.Was) != nil {
			b.fail(b.attr("was").Range(), "was", fmt.Sprintf("flow %q is still there, and its state is its own", f.Was), "was names a flow that this one replaces")
		}
		if other := former[f.Was]; other != "" {
			b.fail(b.attr("was").Range(), "was", fmt.Sprintf("flow %q keeps the state of %q already", other, f.Was), "")
		}
		former[f.Was] = f.Name
	}
}

// checkWriters tells two live flows that write one column of one resource.
func (l *loader) checkWriters() {
	writers := make(map[string]*rules.Flow)
	for _, f := range l.ruleset.Flows {
		if f.Mode != rules.Live {
			continue
		}
		own := rules.NewOwnership(f)
		for c, column := range own.Columns {
			if !own.Update[c] {
				continue
			}
			name := f.To.Connector.Name + "." + f.To.Name + "." + column.Name
			other := writers[name]
			if other == nil {
				writers[name] = f
				continue
			}
			if other.From == f.From || !sameFilter(other, f) {
				continue
			}
			b := l.flowBlock(f.Name)
			b.fail(b.head, "two_writers", fmt.Sprintf("flows %q and %q both write column %q of %s", other.Name, f.Name, column.Name, f.To.Name), "give them different filters, one source, or let one of them observe")
			break
		}
	}
}

func sameFilter(a, b *rules.Flow) bool {
	text := func(f *rules.Flow) string {
		if f.Filter == nil {
			return ""
		}
		return f.Filter.Text()
	}
	return text(a) == text(b)
}

func (l *loader) flowBlock(name string) *block {
	for _, b := range l.top["flow"] {
		if b.label == name {
			return b
		}
	}
	return nil
}
