package engine

import (
	"context"

	"headgate/connectors"
)

// withheld is a destination that is asked and never written: what an observing
// flow and a plan are given, so that neither can change a system (promise 7).
type withheld struct {
	connectors.Destination
}

// Apply says of every change that it was applied, and applies none. Where records are
// only added, and none is found by its key, what was added before is told by asking.
func (w withheld) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	asked, ok := w.Destination.(connectors.AddedBefore)
	if !ok {
		return receipts, applied(lot, receipts)
	}
	before, err := asked.Added(ctx, lot.Changes)
	if err != nil {
		return receipts, err
	}
	return receipts, connectors.AddOnce(lot, receipts, before, applied)
}

func applied(_ connectors.Lot, receipts []connectors.Receipt) error {
	for i := range receipts {
		receipts[i].Status = connectors.Applied
	}
	return nil
}

func isWithheld(d connectors.Destination) bool {
	_, ok := d.(withheld)
	return ok
}
