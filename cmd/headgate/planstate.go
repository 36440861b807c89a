package main

import (
	"time"

	"headgate/engine"
	"headgate/engine/state"
)

// planState opens the state to be read only: not even an empty one is made.
func planState(dir string) (engine.State, func() error, error) {
	db, err := state.OpenReadOnly(dir, time.Now)
	if state.Missing(err) {
		return engine.NoState{}, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return db, db.Close, nil
}
