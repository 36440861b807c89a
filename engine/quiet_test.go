package engine_test

import (
	"fmt"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/state"
)

// journal is the journal of the flow: "2 read in 1 batches, …".
func (d *desk) journal() (texts []string) {
	d.with(func(_ *engine.Engine, db *state.DB) {
		l, err := db.Ledger("orders", "", "")
		if err != nil {
			d.t.Fatal(err)
		}
		rows, err := l.Journal(0, 100)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, row := range rows {
			texts = append(texts, fmt.Sprintf("%d: %d read in %d batches", row.Number, row.Read, max(row.Batches, 1)))
		}
	})
	return texts
}

// TestQuietBatches: batches in which nothing changed share a journal row for an
// hour, so that a flow that looks every few seconds for years fills no disk.
func TestQuietBatches(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 2})
	for i := range 4 {
		d.order(fmt.Sprint("A-", i), 1, nil, "open")
	}
	d.run()
	for range 10 {
		d.clock.move(time.Minute)
		d.run()
	}
	d.want("journal", fmt.Sprint(d.journal()), "[1: 2 read in 1 batches 2: 2 read in 1 batches 3: 40 read in 20 batches]")
	d.clock.move(time.Hour)
	d.run()
	d.order("A-9", 1, nil, "open")
	d.run()
	d.run()
	d.want("journal", fmt.Sprint(d.journal()), "[1: 2 read in 1 batches 2: 2 read in 1 batches 3: 40 read in 20 batches 4: 8 read in 4 batches 5: 1 read in 1 batches 6: 5 read in 3 batches]")
}
