package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// probeWait is how long a system has to answer a probe.
const probeWait = 10 * time.Second

// Probed is how one resource answered to being read or written.
type Probed struct {
	Resource string
	Flow     string // whose destination it is; "": it was read
	Rows     int    // read: none or one
	Unproven bool   // there are no columns to be asked for: a file, or what the first write makes
	Err      error
}

// Probe asks every resource of the ruleset for the columns that are read and
// written. It reads one row at most of each and writes nothing.
func (e *Engine) Probe(ctx context.Context) []Probed {
	g := e.begin()
	defer e.letGo(g)
	var all []Probed
	for _, c := range g.set.Connectors {
		for _, r := range c.Resources {
			if !readsFrom(g.set, r) {
				continue
			}
			p := Probed{Resource: resourceName(r)}
			p.Err = within(ctx, c, func(ctx context.Context) (err error) {
				p.Rows, err = e.probeSource(ctx, g, r)
				return err
			})
			all = append(all, p)
		}
	}
	for _, f := range g.set.Flows {
		p := Probed{Resource: resourceName(f.To), Flow: f.Name}
		p.Err = within(ctx, f.To.Connector, func(ctx context.Context) (err error) {
			p.Unproven, err = e.probeDestination(ctx, g, f)
			return err
		})
		all = append(all, p)
	}
	return all
}

// readsFrom reports whether anything reads the resource: a flow, a lookup, or
// nobody yet. One that is only written need not be readable.
func readsFrom(set *rules.Ruleset, r *rules.Resource) bool {
	written := false
	for _, f := range set.Flows {
		if f.From == r {
			return true
		}
		written = written || f.To == r
	}
	for _, u := range set.Lookups {
		if u.From == r {
			return true
		}
	}
	return !written
}

func within(ctx context.Context, c *rules.Connector, f func(context.Context) error) error {
	wait := probeWait
	if c.Timeout > 0 {
		wait = min(wait, c.Timeout)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("no answer within %s", wait))
	defer cancel()
	err := f(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = &connectors.Error{Class: connectors.Unclear, Op: "reach " + c.Name, Hint: "is it up, and may this machine reach it?", Err: context.Cause(ctx)}
	}
	return err
}

func (e *Engine) probeSource(ctx context.Context, g *generation, r *rules.Resource) (rows int, err error) {
	c, err := e.connector(g, r.Connector)
	if err != nil {
		return 0, err
	}
	source, err := c.Source(sourceResource(r))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closed(source)) }()
	if there, err := there(ctx, source); err != nil || !there {
		return 0, err
	}
	for part, err := range source.Parts(ctx) {
		if err != nil {
			return 0, err
		}
		page, err := source.Read(ctx, part, "", 1)
		if err != nil {
			return 0, err
		}
		return page.Len(), nil
	}
	return 0, nil
}

// probeDestination looks for a record that is nowhere: the destination is asked for
// every column that is written, and has nothing to show.
func (e *Engine) probeDestination(ctx context.Context, g *generation, f *rules.Flow) (unproven bool, err error) {
	c, err := e.connector(g, f.To.Connector)
	if err != nil {
		return false, err
	}
	r := e.newRun(g, f)
	dest, err := c.Destination(r.destinationResource())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, closed(dest)) }()
	if there, err := there(ctx, dest); err != nil || !there {
		return true, err
	}
	switch asked := dest.(type) {
	case connectors.Finder:
		_, err = asked.Find(ctx, r.nowhere())
		return false, err
	case connectors.AddedBefore:
		return false, nil // it was probed for its columns
	}
	return true, nil
}

// nowhere asks for a record that is hardly there.
func (r *run) nowhere() connectors.Query {
	key := make([]record.Value, len(r.flow.To.WriteKey))
	for i, column := range r.flow.To.WriteKey {
		for _, w := range r.own.Columns {
			if w.Name == column {
				key[i] = nowhere(w.Kind)
			}
		}
	}
	return connectors.Query{Keys: [][]record.Value{key}, References: []string{rules.Reference(r.flow.FirstName(), nowhereKey)}}
}

// there reports whether an end is where it is said to be, as far as it can tell.
func there(ctx context.Context, end interface{ Place() (string, error) }) (bool, error) {
	if _, err := end.Place(); err != nil {
		return false, err
	}
	if p, ok := end.(connectors.Prober); ok {
		return p.Probe(ctx)
	}
	return true, nil
}

// nowhereKey is a text that is hardly anybody's key.
const nowhereKey = "nowhere"

// nowhere is a value of a kind that is hardly anybody's key. Being found does no harm.
func nowhere(kind record.Kind) record.Value {
	switch kind {
	case record.Int, record.Decimal:
		return record.IntValue(0)
	case record.Bool:
		return record.BoolValue(false)
	case record.Date:
		return record.DateValue(0)
	case record.Time:
		return record.TimeValue(time.Unix(0, 0))
	}
	return record.StringValue(nowhereKey)
}

func closed(end any) error {
	if c, ok := end.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
