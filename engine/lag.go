package engine

import (
	"context"
	"fmt"
	"time"

	"headgate/connectors"
)

// longestLag is how long after a change the destination may still show what was there
// before it; 0: it shows every change at once.
func longestLag(s connectors.Sender) (lag time.Duration) {
	for op := connectors.Create; op <= connectors.Delete; op++ {
		if ways := s.Ways(op); ways.Find {
			lag = max(lag, ways.Lag)
		}
	}
	return lag
}

// shown returns those of the items to be compared that the destination can be asked
// about. What it was given a moment ago it may not show yet: that it is absent, or
// another, counts only when its lag is over (R8), and until then the ledger knows what
// it has. Where that is not enough, it is waited for.
func (d *decider) shown(ctx context.Context, b *batch, ask []int32) ([]int32, error) {
	if d.lag == 0 {
		return ask, nil
	}
	var left []int32
	var wait time.Duration
	for _, i := range ask {
		it := &b.items[i]
		until, err := d.hiddenFor(&it.entry)
		if err != nil {
			return nil, err
		}
		switch {
		case until <= 0:
			left = append(left, i)
		case d.mustBeShown(it):
			left, wait = append(left, i), max(wait, until)
		default:
			it.unshown = true
		}
	}
	if wait > 0 && !isWithheld(d.dest) {
		d.log.Info("records changed again that the destination does not show yet; they are compared when it does", "system", d.summary.To, "wait", wait)
		return left, d.sleep(ctx, wait)
	}
	return left, nil
}

// hiddenFor is for how long the destination may not show yet what was settled last.
func (d *decider) hiddenFor(e *Entry) (time.Duration, error) {
	if !e.Delivered && e.Outcome != Deleted || e.Journal <= d.visible {
		return 0, nil
	}
	rows, err := d.ledger.Journal(e.Journal-1, 1)
	if err != nil {
		return 0, fmt.Errorf("read when flow %s settled a record: %w", d.flow.Name, err)
	}
	all := d.lag + d.flow.To.Connector.Timeout
	if len(rows) == 0 || rows[0].Number != e.Journal { // it is too old to be there
		return 0, nil
	}
	left := rows[0].Time.Add(all).Sub(d.now())
	if left <= 0 {
		d.visible = e.Journal // and so are those before it
	}
	return min(left, all), nil
}

// mustBeShown reports whether what the ledger knows of a record that the destination
// has is too little to go on with: rules need what it holds, or it is known there by an
// id that was not answered.
func (d *decider) mustBeShown(it *item) bool {
	return it.entry.Delivered && (d.own.NeedsCurrent || d.flow.To.ID != nil && it.toID.Missing())
}
