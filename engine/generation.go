package engine

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"headgate/connectors"
	"headgate/rules"
)

// generation is one ruleset as it runs. It lives while it is the newest, and while
// a run that began under it goes on.
type generation struct {
	set   *rules.Ruleset
	users int // runs that go on, and one more while it is the newest
	holds map[string]*opened
}

// opened is an open connector, shared by the generations that declare it alike.
type opened struct {
	connectors.Connector
	users int // generations that hold it
}

// flow returns the flow called name, or nil.
func (g *generation) flow(name string) *rules.Flow {
	i := slices.IndexFunc(g.set.Flows, func(f *rules.Flow) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return g.set.Flows[i]
}

// handle names a connector as it is declared: one declared otherwise is another.
func handle(c *rules.Connector) string { return c.Name + " " + c.Digest }

// begin takes the newest generation for a run; end gives it back.
func (e *Engine) begin() *generation {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.newest.users++
	return e.newest
}

// end lets go of a generation. The last one to do so closes what only it holds.
func (e *Engine) end(g *generation) error {
	e.mu.Lock()
	var closing []io.Closer
	if g.users--; g.users == 0 {
		for name, o := range g.holds {
			delete(g.holds, name)
			if o.users--; o.users == 0 {
				delete(e.open, name)
				closing = append(closing, o)
			}
		}
	}
	e.mu.Unlock()
	var errs []error
	for _, c := range closing {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// replace makes set the newest generation and returns the one before it, or nil.
// With reopen, its connectors are opened anew: their secrets may have changed.
func (e *Engine) replace(set *rules.Ruleset, reopen bool) *generation {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.newest
	e.newest = &generation{set: set, users: 1, holds: make(map[string]*opened)}
	for _, c := range set.Connectors {
		o := e.open[handle(c)]
		if o == nil {
			continue
		}
		if reopen {
			delete(e.open, handle(c)) // those that hold it close it
			continue
		}
		e.newest.holds[handle(c)], o.users = o, o.users+1
	}
	return before
}

// connector returns the open connector, shared by all flows of the generation.
func (e *Engine) connector(g *generation, c *rules.Connector) (connectors.Connector, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o := g.holds[handle(c)]; o != nil {
		return o, nil
	}
	o := e.open[handle(c)]
	if o == nil {
		open, err := e.Open(c)
		if err != nil {
			return nil, fmt.Errorf("open connector %s: %w", c.Name, err)
		}
		o = &opened{Connector: open}
		e.open[handle(c)] = o
	}
	g.holds[handle(c)], o.users = o, o.users+1
	return o, nil
}

// Ruleset returns the ruleset that runs now.
func (e *Engine) Ruleset() *rules.Ruleset {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.newest.set
}
