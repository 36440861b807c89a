package simulation

import (
	"context"
	"fmt"
	"sync"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine/record"
)

// tape is an append-only destination: what was appended and not marked is lost at a
// crash, but for its beginning. Readers see only what was published.
type tape struct {
	mu        sync.Mutex
	published []record.Row
	part      []record.Row // not published
	marked    int          // rows of part that were marked, and are there as long as nothing crashes
	synced    int          // rows of part that are durable
	number    int          // of part: how often a part was published
	broken    string       // what no correct engine asks for
}

// crash forgets what is not durable, but for the first kept rows of it.
func (t *tape) crash(kept func(n int) int) {
	t.part = t.part[:t.synced+kept(len(t.part)-t.synced+1)]
	t.marked = t.synced
}

// tapeKind is the kind of connector that writes the tape.
func tapeKind() connectors.Kind {
	return connectors.Kind{
		Name:     "tape",
		Settings: func() any { return new(memory.Settings) },
		Resource: func() any { return new(memory.ResourceSettings) },
	}
}

type tapeConnector struct{ *tape }

func (c tapeConnector) Source(connectors.Resource) (connectors.Source, error) {
	return nil, fmt.Errorf("a tape is not read")
}

func (c tapeConnector) Destination(connectors.Resource) (connectors.Destination, error) {
	return c, nil
}

func (c tapeConnector) Close() error { return nil }

func (c tapeConnector) Place() (string, error) { return "tape", nil }

func (c tapeConnector) Apply(_ context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	receipts := make([]connectors.Receipt, len(lot.Changes))
	for i, change := range lot.Changes {
		row := make(record.Row, len(change.Values))
		copy(row, change.Values)
		c.part = append(c.part, row)
		receipts[i].Status = connectors.Applied
	}
	return receipts, nil
}

func (c tapeConnector) Mark(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marked = len(c.part)
	return fmt.Sprintf("%d:%d", c.number, c.marked), nil
}

func (c tapeConnector) Sync(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced = c.marked
	return nil
}

func (c tapeConnector) Restore(_ context.Context, mark string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	number, rows := c.number, 0
	if mark != "" {
		if _, err := fmt.Sscanf(mark, "%d:%d", &number, &rows); err != nil {
			return err
		}
	}
	if number != c.number { // what was published under the mark stays
		rows = 0
	}
	if rows > c.marked {
		c.broken = fmt.Sprintf("restored to %q, and only %d rows are there for sure", mark, c.marked)
		return fmt.Errorf("%s", c.broken)
	}
	c.part, c.marked, c.synced = c.part[:rows], rows, min(c.synced, rows)
	return nil
}

func (c tapeConnector) Finish(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.part) == 0 {
		return nil
	}
	c.published = append(c.published, c.part...)
	c.part, c.marked, c.synced = nil, 0, 0
	c.number++
	return nil
}

var _ connectors.Appender = tapeConnector{}
