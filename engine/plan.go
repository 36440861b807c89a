package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// unlogged is the exception log of a plan: it keeps nothing.
type unlogged struct{}

func (unlogged) Append([]Exception) error { return nil }
func (unlogged) Prune(time.Time) error    { return nil }

// Plan says what a run of the flow would do now to at most so many real records.
// It is the run itself, over an overlay of the ledger and with a destination that
// is asked and never written, so it cannot drift from a run (promise 7).
func (e *Engine) Plan(ctx context.Context, name string, options PlanOptions) (*Plan, error) {
	if _, err := e.flow(name); err != nil {
		return nil, err
	}
	g := e.begin()
	defer e.letGo(g)
	flow := g.flow(name)
	r, elsewhere, err := e.openPlan(g, flow)
	if r != nil {
		defer r.closeEnds()
	}
	if err != nil {
		return nil, err
	}
	if err := r.planOnly(options); err != nil {
		return nil, err
	}
	p := &planner{run: r, only: options.Only, plan: &Plan{
		Flow: flow.Name, Entity: r.summary.Entity, From: r.summary.From, To: r.summary.To, Mode: flow.Mode, Paused: elsewhere,
	}}
	if elsewhere != "" {
		return p.plan, nil
	}
	r.observer = p.add
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	p.plan.Limited = r.summary.Limited
	p.plan.Paused = r.header.Paused
	return p.plan, ctx.Err()
}

// openPlan opens a run that changes nothing. It says why when the ledger belongs
// to other resources than the flow has now. A flow that is paused can be planned.
func (e *Engine) openPlan(g *generation, flow *rules.Flow) (r *run, elsewhere string, err error) {
	r = e.newRun(g, flow)
	r.exceptions, r.room = unlogged{}, nil
	r.observer = func(*batch, *item) {} // nothing it comes to is told as if it had happened
	if err := r.openEnds(); err != nil {
		return nil, "", err
	}
	r.withhold()
	r.inflight.inflight = newInflight() // it stands in nobody's way
	below, err := e.existingLedger(flow)
	if err != nil {
		return nil, "", err
	}
	over, err := newOverlay(below)
	if err != nil {
		return nil, "", fmt.Errorf("read the ledger of flow %s: %w", flow.Name, err)
	}
	r.ledger, r.header = over, over.header
	r.header.Paused, r.first = "", r.firstName()
	if err := r.identify(); err != nil {
		return nil, "", err
	}
	return r, r.header.Paused, nil
}

// existingLedger returns the ledger of the flow without making one.
func (e *Engine) existingLedger(flow *rules.Flow) (Ledger, error) {
	name := LedgerName(flow.Name, flow.Mode)
	names, err := e.State.Ledgers()
	if err != nil {
		return nil, fmt.Errorf("list the ledgers: %w", err)
	}
	if !slices.Contains(names, name) && flow.Was != "" {
		name = LedgerName(flow.Was, flow.Mode) // a run would take it over
	}
	if !slices.Contains(names, name) {
		return unwritten{}, nil
	}
	return e.State.Ledger(name, resourceName(flow.From), resourceName(flow.To))
}

func (r *run) planOnly(options PlanOptions) error {
	r.limit, r.fromStart = options.Limit, options.FromStart
	if len(options.Keys) == 0 {
		return nil
	}
	r.keys = make(map[record.Key]bool, len(options.Keys))
	for _, text := range options.Keys {
		key, err := ParseKey(r.flow.From.Entity, text)
		if err != nil {
			return err
		}
		r.keys[LedgerKey(key)] = true
	}
	r.limit = 0
	return nil
}

// planner collects what a run would do.
type planner struct {
	*run
	plan  *Plan
	only  Outcome // show only these; NoOutcome: all
	shown []bool
}

// mostItems is how many records a plan shows: all of them are counted, and nobody
// reads more, while a plan of everything must not fill the memory of a daemon.
const mostItems = 10_000

func (p *planner) add(b *batch, it *item) {
	p.plan.Read++
	p.plan.Counts[it.outcome]++
	if p.only != NoOutcome && it.outcome != p.only {
		return
	}
	if len(p.plan.Items) == mostItems {
		p.plan.Omitted++
		return
	}
	item := PlanItem{
		Key: p.keyText(it), Outcome: it.outcome, Where: p.where(b, it),
		Failures: it.verdict.Failures,
	}
	if it.isForeign() {
		item.Note = p.foreignText(it) + ": " + conflictWords[p.flow.OnConflict]
	}
	switch {
	case it.outcome.Open():
		item.Row = p.cells(it)
	case it.send != nil:
		item.Changes = p.changes(it)
	}
	p.plan.Items = append(p.plan.Items, item)
}

func (p *planner) where(b *batch, it *item) string {
	if b.page == nil && it.waited != nil {
		return strings.TrimSpace(it.waited.Part + " " + it.where)
	}
	if b.page == nil {
		return it.where
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", b.part.Name, b.page.Where(it.at)))
}

// changes lists what is sent and what the destination keeps.
func (p *planner) changes(it *item) []PlanChange {
	var changes []PlanChange
	for c, column := range p.own.Columns {
		change := PlanChange{Column: column.Name, Field: p.own.FieldsText(c), Sensitive: p.own.Sensitive[c], New: it.values[c]}
		if it.current != nil {
			change.Old = it.current[c]
		}
		switch {
		case !it.send[c].IsAbsent():
			changes = append(changes, change)
		case it.op == connectors.Update && !p.own.Update[c] && !it.values[c].IsAbsent() && !record.Same(it.values[c], change.Old):
			change.Kept = true
			changes = append(changes, change)
		}
	}
	return changes
}

func (p *planner) cells(it *item) []PlanCell {
	if p.shown == nil {
		p.shown = shownColumns(p.flow.From)
	}
	var cells []PlanCell
	for i, v := range it.row {
		if !v.IsAbsent() && i < len(p.shown) {
			cells = append(cells, PlanCell{Column: p.flow.From.Columns.Names[i], Value: v, Sensitive: !p.shown[i]})
		}
	}
	return cells
}
