package engine

import (
	"fmt"
	"iter"

	"headgate/engine/record"
)

// openPage is how many open records are looked at at a time.
const openPage = 1000

// allOpen returns the open records of a ledger, in the order of their keys.
func allOpen(l Ledger) iter.Seq2[OpenRecord, error] {
	return func(yield func(OpenRecord, error) bool) {
		for after := record.Key(""); ; {
			page, err := l.Opens(after, openPage)
			if err != nil {
				yield(OpenRecord{}, fmt.Errorf("read the open records: %w", err))
				return
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
				after = page[i].Key
			}
			if len(page) < openPage {
				return
			}
		}
	}
}
