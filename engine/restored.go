package engine

import (
	"fmt"
	"time"

	"headgate/rules"
)

// restored returns when the backup was taken that is in use, and of which this flow
// took no note yet; zero: there is none.
func (r *run) restored() time.Time {
	state, ok := r.engine.State.(Restorable)
	if !ok || r.observer != nil {
		return time.Time{}
	}
	if taken := state.Restored(); !taken.Equal(r.header.Restored) {
		return taken
	}
	return time.Time{}
}

// pauseRestored pauses a flow over a restored state whose destination cannot be asked
// what it was given since the backup, nor knows it by a reference (R12): it would be
// given that twice. Before anything there is cut back to an old mark, a person looks.
func (r *run) pauseRestored() error {
	taken := r.restored()
	if taken.IsZero() || r.finder != nil || r.appendOnly || r.flow.Mode != rules.Live {
		return nil
	}
	r.header.Restored = taken
	return r.pause(PausedByRestore, fmt.Sprintf("the state was restored from a backup of %s, and %s cannot be asked what it was given since: nothing was read or written",
		taken.UTC().Format(time.RFC3339), r.summary.To))
}

// sweepRestored compares all of the source with the destination, which knows what it
// was given since the backup (R12).
func (r *run) sweepRestored(taken time.Time) error {
	r.header.Restored = taken
	r.log.Warn("the state was restored: all of the source is compared with the destination", "backup", taken)
	return r.beginSweep()
}

// RestoreHint says what to do about a flow that is paused by a restored state.
func RestoreHint(flow string) string {
	return fmt.Sprintf("when it goes on, what it delivered since the backup is delivered again: take that out of the destination first, or let it be doubled; then `headgate resume %s`", flow)
}
