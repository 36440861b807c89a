package watch

import (
	"context"
	"errors"
	"time"
)

// ErrChanging says that what is read was another at each reading.
var ErrChanging = errors.New("it keeps changing while it is read")

// The patience of ReadStable.
const (
	DefaultBetween = 100 * time.Millisecond
	maxReadings    = 20
)

// ReadStable reads until two readings in a row agree, and returns the last: what is
// just being written, or swapped file by file, is not taken half. Between two
// readings it waits; 0 is DefaultBetween. A reading that fails is tried once more,
// since a file may be gone for the moment of a rename; its error is returned when
// it fails twice in a row. After 20 readings it gives up with ErrChanging.
func ReadStable[T any](ctx context.Context, between time.Duration, read func() (T, error), equal func(a, b T) bool) (T, error) {
	var none T
	if between == 0 {
		between = DefaultBetween
	}
	last, failed := read()
	for range maxReadings - 1 {
		if err := sleep(ctx, between); err != nil {
			return none, err
		}
		now, err := read()
		switch {
		case err != nil && failed != nil:
			return none, err
		case err == nil && failed == nil && equal(last, now):
			return now, nil
		}
		last, failed = now, err
	}
	return none, ErrChanging
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
