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

// Apply says of every change that it was applied, and applies none.
func (w withheld) Apply(_ context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	for i := range receipts {
		receipts[i].Status = connectors.Applied
	}
	return receipts, nil
}

func isWithheld(d connectors.Destination) bool {
	_, ok := d.(withheld)
	return ok
}
