package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The pace of forgetting.
const (
	retainEvery = time.Hour // between two looks for what is too old
	retainStep  = 1000      // journal rows forgotten in one transaction
)

// forget drops what the ruleset does not want kept any longer: journal rows, whose
// sums are kept, and closed exceptions.
func (e *Engine) forget(ctx context.Context) error {
	set := e.Ruleset()
	now := e.Clock.Now()
	var errs []error
	if keep := set.Settings.Retain.Exceptions; keep > 0 {
		errs = append(errs, e.Exceptions.Prune(now.Add(-keep)))
	}
	keep := set.Settings.Retain.Journal
	if keep <= 0 {
		return errors.Join(errs...)
	}
	names, err := e.State.Ledgers()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, name := range names {
		errs = append(errs, e.forgetJournal(ctx, name, now.Add(-keep)))
	}
	return errors.Join(errs...)
}

func (e *Engine) forgetJournal(ctx context.Context, name string, before time.Time) error {
	l, err := e.State.Ledger(name, "", "")
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		n, err := l.Prune(before, retainStep)
		if err != nil {
			return fmt.Errorf("prune the journal of %s: %w", name, err)
		}
		if n < retainStep {
			return nil
		}
	}
	return nil
}

// retain forgets from time to time, until ctx ends.
func (e *Engine) retain(ctx context.Context, stop context.CancelCauseFunc) {
	for ctx.Err() == nil {
		if err := e.forget(ctx); errors.Is(err, ErrStateUncertain) {
			stop(err)
		} else if err != nil {
			e.Log.Warn("old rows could not be forgotten", "error", err)
		}
		_ = e.Clock.Sleep(ctx, retainEvery) // it ends early with the daemon
	}
}
