package engine

import (
	"context"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// Apply makes set the ruleset that runs. A flow of which nothing changed goes on; a
// changed one ends its run between batches and goes on from its ledger under the
// new rules; one that vanished ends likewise and keeps its state. With reopen, all
// connectors are opened anew: their secrets may have changed.
func (e *Engine) Apply(set *rules.Ruleset, reopen bool) {
	before := e.replace(set, reopen)
	changed := changedFlows(before.set, set)
	e.systems.forget(set, e.Clock.Now())
	if reopen || set.Digest != before.set.Digest {
		e.tryNow(nil, connectors.Denied) // somebody may have mended the login
	}
	e.letGo(before)
	e.rouse() // Run adopts it
	for _, name := range changed {
		e.turns.interrupt(name)
	}
}

// Exclusive calls f while no run of the flow goes on: its ledger has one writer. A
// run that does gives way between batches, and goes on when f has returned.
func (e *Engine) Exclusive(flow string, f func() error) error { return e.turns.between(flow, f) }

// changedFlows names the flows of before that set lacks or declares otherwise.
func changedFlows(before, set *rules.Ruleset) (names []string) {
	now := make(map[string]string)
	for _, f := range set.Flows {
		now[f.Name] = f.Config
	}
	for _, f := range before.Flows {
		if config, ok := now[f.Name]; !ok || config != f.Config {
			names = append(names, f.Name)
		}
	}
	return names
}

// adopt schedules the flows of set: new and changed ones are due at once.
func (e *Engine) adopt(ctx context.Context, set *rules.Ruleset) {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	if e.plan.flows == nil {
		e.plan.flows = make(map[string]*scheduled)
	}
	now := e.Clock.Now()
	wanted := make(map[string]bool)
	for _, flow := range set.Flows {
		wanted[flow.Name] = true
		f := e.plan.flows[flow.Name]
		if f == nil {
			f = &scheduled{FlowStatus: FlowStatus{Flow: flow.Name}}
			e.plan.flows[flow.Name] = f
		}
		if f.flow == nil || f.flow.Config != flow.Config {
			f.Due, f.asked = now, f.Running
		}
		f.flow, f.Mode, f.vanishing = flow, flow.Mode, false
		e.watch(ctx, f)
	}
	for name, f := range e.plan.flows {
		if !wanted[name] {
			if f.vanishing = true; !f.Running {
				f.forget(&e.plan)
			}
		}
	}
}

// forget drops what is known of a flow that no ruleset has any more.
func (f *scheduled) forget(s *schedule) {
	if f.unwatch != nil {
		f.unwatch()
	}
	delete(s.flows, f.Flow)
}

// watch lets a change of its source's directory make the flow due, where the source
// can say which one that is.
func (e *Engine) watch(ctx context.Context, f *scheduled) {
	dir, settle := e.watchable(f.flow)
	if dir == f.watched || e.Watch == nil {
		return
	}
	if f.unwatch != nil {
		f.unwatch()
		f.unwatch = nil
	}
	if f.watched = dir; dir == "" {
		return
	}
	ctx, f.unwatch = context.WithCancel(ctx)
	e.watchers.Go(func() {
		e.Watch(ctx, dir, func() { e.fileChanged(f, settle) })
	})
}

// watchable returns the directory that changes when there is more to read for the
// flow, "" when nobody can tell. Opening a source does no I/O.
func (e *Engine) watchable(flow *rules.Flow) (dir string, settle time.Duration) {
	g := e.begin()
	defer e.letGo(g)
	connector, err := e.connector(g, flow.From.Connector)
	if err != nil {
		return "", 0 // its run will say so
	}
	source, err := connector.Source(sourceResource(flow.From))
	if err != nil {
		return "", 0
	}
	if w, ok := source.(connectors.Watched); ok {
		return w.Watch()
	}
	return "", 0
}

// fileChanged makes the flow due when the change has settled.
func (e *Engine) fileChanged(f *scheduled, settle time.Duration) {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	f.changed = e.Clock.Now().Add(settle)
	if !f.Running && f.Failures == 0 {
		f.Due = earlier(f.Due, f.changed)
	}
	e.rouse()
}

// unwatchAll ends all watching.
func (e *Engine) unwatchAll() {
	e.plan.mu.Lock()
	for _, f := range e.plan.flows {
		if f.unwatch != nil {
			f.unwatch()
			f.unwatch, f.watched = nil, ""
		}
	}
	e.plan.mu.Unlock()
	e.watchers.Wait()
}
