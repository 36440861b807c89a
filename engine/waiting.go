package engine

import (
	"fmt"
	"iter"
	"time"

	"headgate/engine/record"
)

// openPage is how many open records are looked at at a time.
const openPage = 1000

// allSends returns the messages that a ledger keeps, in the order of their keys.
func allSends(l Ledger) iter.Seq2[SendIntent, error] {
	return func(yield func(SendIntent, error) bool) {
		for after := record.Key(""); ; {
			page, err := l.Sends(after, openPage)
			if err != nil {
				yield(SendIntent{}, fmt.Errorf("read what was sent: %w", err))
				return
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
				after = page[i].Key()
			}
			if len(page) < openPage {
				return
			}
		}
	}
}

// Unsettled counts the messages of a ledger that may have been sent and have no
// settled answer.
func Unsettled(l Ledger) (n int, err error) {
	for _, err := range allSends(l) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// SendingSince is when a message was announced that carries the record with this ledger
// key and has no settled answer; the zero time where there is none.
func SendingSince(l Ledger, key record.Key) (since time.Time, err error) {
	for s, err := range allSends(l) {
		if err != nil {
			return since, err
		}
		for i := range s.Changes {
			if s.Changes[i].Key == key {
				return s.First, nil
			}
		}
	}
	return since, nil
}

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
