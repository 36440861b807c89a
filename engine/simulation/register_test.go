package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"headgate/connectors"
	"headgate/connectors/memory"
)

// register is a destination to which records are added, each once: its rows hold no key, and
// the reference of each is beside it. A transaction is durable as it ends.
type register struct {
	mu      sync.Mutex
	entries map[string]entered // by reference
	take    func(v int) bool   // called before a version is added; false: it is refused
}

// entered is a row, and what was sent of it.
type entered struct {
	version int
	content string
}

type registerSettings struct {
	Table string `hcl:"table"`
}

func (*registerSettings) AppendOnly() bool { return true }

// registerKind is the kind of connector that writes the register.
func registerKind() connectors.Kind {
	return connectors.Kind{
		Name:     "register",
		Settings: func() any { return new(memory.Settings) },
		Resource: func() any { return new(registerSettings) },
	}
}

// registerConnector is the register and its own destination.
type registerConnector struct {
	*register
	resource connectors.Resource
}

func (c registerConnector) Source(connectors.Resource) (connectors.Source, error) {
	return nil, fmt.Errorf("a register is not read")
}

func (c registerConnector) Destination(r connectors.Resource) (connectors.Destination, error) {
	return registerConnector{c.register, r}, nil
}

func (c registerConnector) Close() error { return nil }

func (c registerConnector) Place() (string, error) { return "register", nil }

func (c registerConnector) Apply(_ context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	receipts, before := make([]connectors.Receipt, len(lot.Changes)), make([]connectors.Presence, len(lot.Changes))
	for i := range lot.Changes {
		change := &lot.Changes[i]
		if err := connectors.CheckAppend(change); err != nil {
			return receipts, err
		}
		if there, ok := c.entries[change.Reference]; ok {
			before[i] = connectors.CompareContent(there.content, c.resource.ContentOf(change))
		}
	}
	return receipts, connectors.AddOnce(lot, receipts, before, c.add)
}

func (c registerConnector) add(lot connectors.Lot, receipts []connectors.Receipt) error {
	for i := range lot.Changes {
		change := &lot.Changes[i]
		version := int(change.Values[0].Int())
		if !c.take(version) {
			receipts[i] = connectors.Receipt{Status: connectors.Refused, Code: "check", Words: "unlucky quantity"}
			continue
		}
		c.entries[change.Reference] = entered{version, c.resource.ContentOf(change)}
		receipts[i].Status = connectors.Applied
	}
	return nil
}

// itemOf is the item that once had a version.
func (m *model) itemOf(v int) string {
	for key, versions := range m.versions {
		if slices.Contains(versions, v) {
			return key
		}
	}
	return ""
}

// entered is called before the register takes a version.
func (w *world) entered(v int) bool {
	key := w.model.itemOf(v)
	if !w.disk.announced(key) {
		w.problem("%s: version %d was sent to the register before its intent was committed (R1)", key, v)
	}
	if v%6 == refusedRest {
		return false
	}
	w.sound("the register", key, v)
	return true
}

// judgeRegister holds that each item is in the register once at most, and that what became of it
// since waits for a person.
func (w *world) judgeRegister() {
	has := make(map[string]int)
	for reference, entry := range w.register.entries {
		key := w.model.itemOf(entry.version)
		if has[key] > 0 {
			w.problem("%s is in the register twice, once as %s (promise 3)", key, reference)
		}
		has[key] = entry.version
	}
	open := w.waiting("bookings")
	for _, key := range slices.Sorted(maps.Keys(w.model.versions)) {
		versions := w.model.versions[key]
		last := versions[len(versions)-1]
		waits, isOpen := open[key]
		switch {
		case isOpen && waits.Row[1].Text() != strconv.Itoa(last):
			w.problem("%s: version %s waits for the register, and the newest is %d", key, waits.Row[1].Text(), last)
		case isOpen && has[key] == last:
			w.problem("%s: version %d is in the register and waits as %s", key, last, waits.Outcome)
		case !isOpen && has[key] != last && !w.model.closed[last]:
			w.problem("%s: version %d is not in the register and waits nowhere: that has %d (promise 2)", key, last, has[key])
		}
	}
}
