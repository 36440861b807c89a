package main

import (
	"time"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// nothingYet is the state before anything was run.
type nothingYet struct{}

func (nothingYet) Ledger(string, string, string) (engine.Ledger, error) { panic("no ledger is listed") }
func (nothingYet) Ledgers() ([]string, error)                           { return nil, nil }
func (nothingYet) Drop(string) error                                    { return nil }
func (nothingYet) IDs(string, []record.Key, []record.Value) error       { return nil }
func (nothingYet) KeyOf(string, record.Value) (record.Key, bool, error) { return "", false, nil }

// planState opens the state for a plan, which writes nothing: not even a state.
func planState(dir string) (engine.State, func() error, error) {
	db, err := state.OpenReadOnly(dir, time.Now)
	if state.Missing(err) {
		return nothingYet{}, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return db, db.Close, nil
}
