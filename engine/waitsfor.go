package engine

import (
	"cmp"
	"slices"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// Systems returns the systems that are left alone for a while, by name.
func (e *Engine) Systems() []SystemStatus {
	var all []SystemStatus
	for _, c := range e.Ruleset().Connectors {
		if s := e.system(c).alone(); s != nil {
			all = append(all, *s)
		}
	}
	slices.SortFunc(all, func(a, b SystemStatus) int { return cmp.Compare(a.System, b.System) })
	return all
}

// waitsFor returns the system a flow waits for: of those it needs, the one that is
// asked again last. nil: all of them may be asked.
func (e *Engine) waitsFor(flow *rules.Flow) *SystemStatus {
	var last *SystemStatus
	for _, c := range needs(flow) {
		if s := e.system(c).alone(); s != nil && (last == nil || s.Next.After(last.Next)) {
			last = s
		}
	}
	return last
}

// Undeclared is a system that a flow of another ruleset needs, and that the ruleset
// which runs does not name, or names otherwise; nil: there is none.
func (e *Engine) Undeclared(flow *rules.Flow) *rules.Connector {
	declared := make(map[string]bool)
	for _, c := range e.Ruleset().Connectors {
		declared[handle(c)] = true
	}
	for _, c := range needs(flow) {
		if !declared[handle(c)] {
			return c
		}
	}
	return nil
}

// needs are the connectors a flow cannot do without.
func needs(flow *rules.Flow) []*rules.Connector {
	all := []*rules.Connector{flow.From.Connector, flow.To.Connector}
	for _, l := range flow.Lookups {
		if l.From != nil {
			all = append(all, l.From.Connector)
		}
	}
	return all
}

// heldUntil is until when a flow that is due does not run, because a system it needs
// is left alone or is being probed by another. A time that has come holds nothing.
func (e *Engine) heldUntil(flow *rules.Flow, now time.Time) time.Time {
	s := e.waitsFor(flow)
	switch {
	case s == nil:
		return now
	case s.Probing:
		return later(s.Next, now.Add(lastRest)) // what comes of the probe wakes the scheduler
	}
	return s.Next
}

// release ends the probes that a run made.
func (e *Engine) release(r *run, well bool) {
	for _, s := range e.systems.list() {
		e.tellSystem(s, s.release(r, well))
	}
	e.rouse()
}

// tryNow lets the systems that were left alone for one of the reasons be probed at
// once: those the flow needs, or all where it is nil.
func (e *Engine) tryNow(flow *rules.Flow, classes ...connectors.Class) {
	all := e.systems.list()
	if flow != nil {
		all = nil
		for _, c := range needs(flow) {
			all = append(all, e.system(c))
		}
	}
	for _, s := range all {
		s.tryNow(e.Clock.Now(), classes...)
	}
	e.rouse()
}

// tellSystem tells that a system went down or is well again, once for all its flows,
// and wakes those that wait for it.
func (e *Engine) tellSystem(s *system, changed change) {
	switch alone := s.alone(); {
	case changed == wentDown && alone != nil:
		attrs := []any{"system", s.name, "class", alone.Class.String(), "next", alone.Next, "error", alone.Why}
		if hint := connectors.HintOf(alone.Why); hint != "" {
			attrs = append(attrs, "hint", hint)
		}
		e.Log.Error("system is left alone; it is tried again, and this is not logged again", attrs...)
		e.notify(Event{Kind: EventFailing, Code: alone.Class.String(), Sample: s.name + ": " + alone.Why.Error()})
	case changed == isWell:
		e.Log.Info("system is well again", "system", s.name)
		e.notify(Event{Kind: EventRecovered, Sample: s.name + " is well again"})
	}
	if changed != nothing {
		e.rouse()
	}
}
