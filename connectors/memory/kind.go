package memory

import (
	"errors"
	"fmt"

	"headgate/connectors"
)

// Settings are those of a memory connector.
type Settings struct {
	Name string `hcl:"name,optional" doc:"tells stores apart in the identity of a resource"`
}

// ResourceSettings are those of one of its resources.
type ResourceSettings struct {
	Table string `hcl:"table" doc:"the table"`
}

// Kind returns the kind "memory" over the store: every connector of it sees the same tables.
func Kind(store *Store) connectors.Kind {
	return connectors.Kind{
		Name:     "memory",
		Summary:  "tables in memory, for tests",
		Settings: func() any { return new(Settings) },
		Resource: func() any { return new(ResourceSettings) },
		Sends:    true,
		Codes:    []string{"timeout", "xxx", "unique"},
		Open: func(settings any, tools connectors.Tools) (connectors.Connector, error) {
			return &connector{store: store, settings: settings.(*Settings), tools: tools}, nil
		},
	}
}

type connector struct {
	store    *Store
	settings *Settings
	tools    connectors.Tools
}

// Source reads a table.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	return &source{connector: c, resource: r}, nil
}

// Destination writes a table. An append-only one is no Finder, and one of an API is
// a Sender, which is a Finder where that can be asked.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	d := destination{connector: c, resource: r}
	t := c.store.Table(r.Settings.(*ResourceSettings).Table)
	switch {
	case t != nil && t.API != nil:
		return newSender(d, t.API), nil
	case t != nil && t.AppendOnly:
		return &d, nil
	}
	return &finder{d}, nil
}

// Close does nothing: the tables outlive their connectors.
func (c *connector) Close() error { return nil }

func (c *connector) place(r connectors.Resource) string {
	return "memory:" + c.settings.Name + "/" + r.Settings.(*ResourceSettings).Table
}

// table returns the table of r. The store is locked by the caller.
func (c *connector) table(op string, r connectors.Resource) (*Table, error) {
	name := r.Settings.(*ResourceSettings).Table
	if t := c.store.tables[name]; t != nil {
		return t, nil
	}
	return nil, &connectors.Error{Class: connectors.Broken, Op: op + " " + name, Hint: "create it in the store", Err: fmt.Errorf("table %q: %w", name, errNoTable)}
}

var errNoTable = errors.New("no such table")
