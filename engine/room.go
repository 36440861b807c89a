package engine

import (
	"errors"
	"fmt"
)

// ErrNoRoom says that the disk of the state is nearly full, or may not be written:
// flows do not begin a batch, and go on by themselves when it has room.
var ErrNoRoom = errors.New("flows stand still")

// checkRoom reports that nothing may be begun: what could not be settled is not written.
func (r *run) checkRoom() error {
	if r.room == nil {
		return nil
	}
	if err := r.room(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return nil
}

// makeRoom has the ballast given up for what is under way, where the disk was filled
// meanwhile. What it says stops the next batch, not this one.
func (r *run) makeRoom() {
	if r.room != nil {
		_ = r.room()
	}
}
