package engine

import "headgate/engine/record"

// NoState is the state before anything was run: it can be read, and is empty.
type NoState struct{}

// Ledger returns an empty ledger that cannot be written.
func (NoState) Ledger(string, string, string) (Ledger, error) { return unwritten{}, nil }

// Ledgers returns none.
func (NoState) Ledgers() ([]string, error) { return nil, nil }

// Rename does nothing.
func (NoState) Rename(string, string) error { return nil }

// Drop does nothing.
func (NoState) Drop(string) error { return nil }

// IDs knows none.
func (NoState) IDs(_ string, _ []record.Key, ids []record.Value) error {
	clear(ids)
	return nil
}

// KeyOf knows none.
func (NoState) KeyOf(string, record.Value) (record.Key, bool, error) { return "", false, nil }

var _ State = NoState{}
