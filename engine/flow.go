package engine

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// stopwatch measures on the engine's clock.
type stopwatch struct {
	clock Clock
	start time.Time
}

func (s stopwatch) elapsed() time.Duration { return s.clock.Now().Sub(s.start) }

// ObserveSuffix ends the name of the ledger of a flow that observes.
const ObserveSuffix = " (observe)"

// LedgerName returns the name of the ledger of a flow: one that observes settles
// into one of its own.
func LedgerName(flow string, mode rules.Mode) string {
	if mode == rules.Observe {
		return flow + ObserveSuffix
	}
	return flow
}

// openRun opens all that a run of flow needs. The run it returns is never nil and
// can tell its summary.
func (e *Engine) openRun(g *generation, flow *rules.Flow) (*run, error) {
	r := e.newRun(g, flow)
	if err := r.checkRoom(); err != nil {
		return r, err
	}
	if err := r.openEnds(); err != nil {
		return r, err
	}
	return r, r.openLedger()
}

func (e *Engine) newRun(g *generation, flow *rules.Flow) *run {
	r := &run{
		engine: e, of: g, flow: flow, room: e.Room, exceptions: e.Exceptions,
		own: rules.NewOwnership(flow),
		log: e.Log.With("flow", flow.Name),
		inflight: &lane{
			inflight: e.inflight, from: resourceName(flow.From), to: resourceName(flow.To), alone: flow.From.Entity.Match != nil,
		},
		stops: make(stops), tripped: make(stops),
		began: stopwatch{e.Clock, e.Clock.Now()},
		summary: Summary{
			Flow: flow.Name, Entity: flow.From.Entity.Name, Mode: flow.Mode,
			From: resourceName(flow.From), To: resourceName(flow.To),
		},
	}
	r.shape = shapeOf(r.own)
	if v := flow.From.Entity.Version; v >= 0 {
		r.versioned = flow.From.Entity.Fields[v].Owner == flow.From.Connector
	}
	return r
}

func (r *run) openEnds() error {
	from, err := r.engine.connector(r.of, r.flow.From.Connector)
	if err != nil {
		return err
	}
	to, err := r.engine.connector(r.of, r.flow.To.Connector)
	if err != nil {
		return err
	}
	if r.source, err = from.Source(sourceResource(r.flow.From)); err != nil {
		return fmt.Errorf("flow %s: open source %s: %w", r.flow.Name, resourceName(r.flow.From), err)
	}
	if r.dest, err = to.Destination(r.destinationResource()); err != nil {
		return fmt.Errorf("flow %s: open destination %s: %w", r.flow.Name, resourceName(r.flow.To), err)
	}
	r.finder, _ = r.dest.(connectors.Finder)
	r.appendOnly = connectors.IsAppendOnly(r.flow.To.Settings)
	r.appender, _ = r.dest.(connectors.Appender)
	if replacer, ok := r.dest.(connectors.Replacer); ok {
		r.replaces = replacer.Replaces()
	}
	if r.sender, r.sends = r.dest.(connectors.Sender); r.sends {
		r.lag = longestLag(r.sender)
		if err := r.openSender(); err != nil {
			return err
		}
	}
	if r.matches() && r.finder == nil {
		return fmt.Errorf("flow %s: %s cannot be asked what it holds, and records without a common key cannot be matched there", r.flow.Name, resourceName(r.flow.To))
	}
	if r.flow.Mode == rules.Observe {
		r.withhold()
	}
	return nil
}

// closeEnds lets go of what the source and the destination still hold of this run.
func (r *run) closeEnds() {
	r.engine.release(r, false)
	dest := r.dest
	if w, ok := dest.(withheld); ok {
		dest = w.Destination
	}
	for _, end := range []any{r.source, dest} {
		if c, ok := end.(io.Closer); ok {
			if err := c.Close(); err != nil {
				r.log.Warn("a resource did not close well", "error", err)
			}
		}
	}
}

// withhold keeps the run from writing to its destination: it can only be asked.
func (r *run) withhold() {
	r.dest, r.appender, r.sender = withheld{r.dest}, nil, nil
}

func (r *run) openLedger() error {
	from, to := resourceName(r.flow.From), resourceName(r.flow.To)
	if r.flow.Mode == rules.Live {
		// What was observed is dropped on going live: a live flow starts at the
		// beginning and adopts what the destination already has.
		if err := r.engine.State.Drop(LedgerName(r.flow.Name, rules.Observe)); err != nil {
			return fmt.Errorf("drop what flow %s observed: %w", r.flow.Name, err)
		}
	}
	if err := r.takeOver(); err != nil {
		return err
	}
	var err error
	if r.ledger, err = r.engine.State.Ledger(LedgerName(r.flow.Name, r.flow.Mode), from, to); err != nil {
		return fmt.Errorf("open the ledger of flow %s: %w", r.flow.Name, err)
	}
	if r.header, err = r.ledger.Header(); err != nil {
		return fmt.Errorf("read the ledger of flow %s: %w", r.flow.Name, err)
	}
	r.first = r.firstName()
	return r.identify()
}

// takeOver gives a renamed flow the ledger it had under its former name, once.
func (r *run) takeOver() error {
	if r.flow.Was == "" {
		return nil
	}
	ledgers, err := r.engine.State.Ledgers()
	if err != nil {
		return fmt.Errorf("list the ledgers: %w", err)
	}
	from, to := LedgerName(r.flow.Was, r.flow.Mode), LedgerName(r.flow.Name, r.flow.Mode)
	if !slices.Contains(ledgers, from) || slices.Contains(ledgers, to) {
		return nil
	}
	if err := r.engine.State.Rename(from, to); err != nil {
		return fmt.Errorf("keep the state of flow %s, which was %s: %w", r.flow.Name, r.flow.Was, err)
	}
	r.log.Info("flow keeps the state of its former name", "was", r.flow.Was)
	return nil
}

// firstName is the name the flow had first, which survives a rename.
func (r *run) firstName() string {
	if r.header.First != "" {
		return r.header.First
	}
	return r.flow.FirstName()
}

// identify compares the identity of the two resources with the one the ledger
// belongs to. A ledger says nothing about another system: the flow pauses.
func (r *run) identify() error {
	from, err := r.source.Place()
	if err != nil {
		return fmt.Errorf("flow %s: identify %s: %w", r.flow.Name, r.summary.From, err)
	}
	to, err := r.dest.Place()
	if err != nil {
		return fmt.Errorf("flow %s: identify %s: %w", r.flow.Name, r.summary.To, err)
	}
	keys := KeyIdentity(r.flow.From.Entity)
	if r.header.Keys == "" {
		r.header.Keys = keys
	}
	if r.header.From == "" && r.header.To == "" {
		r.header.From, r.header.To, r.header.First = from, to, r.first
	}
	switch {
	case r.header.Paused != "":
		return nil
	case r.header.Keys != keys:
		return r.pause(PausedByIdentity, fmt.Sprintf("its records are now known by %s, and its ledger knows them by %s: nothing was read or written", keys, r.header.Keys))
	case r.header.To != to:
		return r.pause(PausedByIdentity, fmt.Sprintf("its destination is now %s, and its ledger belongs to %s: nothing was read or written", to, r.header.To))
	case r.header.From != from:
		return r.pause(PausedByIdentity, fmt.Sprintf("its source is now %s, and its ledger belongs to %s: nothing was read or written", from, r.header.From))
	}
	return nil
}

// KeyIdentity says what the records of an entity are known by: a ledger whose keys
// are made of anything else says nothing about them.
func KeyIdentity(entity *rules.Entity) string {
	if entity.Match != nil {
		return "their id in the source"
	}
	var parts []string
	for _, f := range entity.Schema.Key {
		field := entity.Schema.Fields[f]
		parts = append(parts, field.Name+" ("+field.Kind.String()+")")
	}
	return strings.Join(parts, ", ")
}

// pause makes the reason durable: a pause outlives the process, and only a person ends it.
func (r *run) pause(kind Pause, why string) error {
	r.header.Paused, r.header.Pause, r.header.PausedAt = why, kind, r.engine.Clock.Now()
	r.header.endGuard()
	header := r.header
	if err := settleAct(r.ledger, &Settlement{Header: &header}); err != nil {
		return err
	}
	if r.observer != nil {
		return nil // a plan pauses nothing
	}
	r.log.Error("flow paused", "why", why)
	r.notify(Event{Kind: EventPaused, Sample: why})
	return nil
}

// sourceResource is what a connector is told to read a resource.
func sourceResource(r *rules.Resource) connectors.Resource {
	return connectors.Resource{
		Name: r.Name, Settings: r.Settings, Zone: zoneOf(r),
		Read: readColumns(r), ReadKey: r.ReadKey,
		Cursor: r.Cursor, CursorKind: r.CursorKind, Overlap: r.Overlap,
	}
}

// destinationResource is what a connector is told to write one.
func (r *run) destinationResource() connectors.Resource {
	to := r.flow.To
	resource := connectors.Resource{
		Name: to.Name, Settings: to.Settings, Zone: zoneOf(to),
		Write: r.own.Columns, Sensitive: r.own.Sensitive, Content: r.own.Content(), WriteKey: to.WriteKey, Returning: r.own.Returning, Reference: to.Reference,
	}
	for _, d := range to.Delete {
		resource.Delete = append(resource.Delete, connectors.DeleteColumn(d))
	}
	if r.own.NeedsCurrent {
		resource.Read = readColumns(to)
	}
	return resource
}

func zoneOf(r *rules.Resource) *time.Location {
	if r.Connector.Zone != nil {
		return r.Connector.Zone
	}
	return time.UTC
}

// readColumns are the columns of a resource's rows: each of the kind of the plain
// field it feeds, for connectors whose systems have types.
func readColumns(r *rules.Resource) []record.Column {
	columns := namedColumns(r.Columns.Names)
	for f, reading := range r.Read {
		if reading.Program == nil && reading.Column >= 0 {
			columns[reading.Column].Kind = r.Entity.Schema.Fields[f].Kind
		}
	}
	for _, list := range r.Lists {
		if i := r.Read[list.Field].Column; i >= 0 {
			columns[i].Kind, columns[i].Lines = record.List, namedColumns(list.Columns.Names)
		}
	}
	return columns
}

func namedColumns(names []string) []record.Column {
	columns := make([]record.Column, len(names))
	for i, name := range names {
		columns[i] = record.Column{Name: name, Kind: record.Unknown}
	}
	return columns
}
