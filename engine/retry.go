package engine

import (
	"context"
	"errors"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// SystemError says that a system, not a record, stopped a flow.
type SystemError struct {
	Flow     string
	System   string // connector.resource
	Attempts int
	Err      error
}

// Error says which system failed and how often it was asked.
func (e *SystemError) Error() string {
	if e.Attempts > 1 {
		return "flow " + e.Flow + ": " + e.System + " failed " + itoa(e.Attempts) + " times: " + e.Err.Error()
	}
	return "flow " + e.Flow + ": " + e.System + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SystemError) Unwrap() error { return e.Err }

// retry calls f until it gives no error, a person must act, the attempts are used
// up, or the context ends. Waits double and a random part is taken of each, so
// that flows do not knock in step. It wraps the last error in a *SystemError.
func (r *run) retry(ctx context.Context, resource *rules.Resource, f func() error) error {
	policy := resource.Connector.Retry
	wait := policy.Backoff
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrStateUncertain) {
			return err
		}
		if r.askedToEnd() {
			return errAsked
		}
		if !worthRetrying(err) || attempt >= policy.Attempts {
			return &SystemError{Flow: r.flow.Name, System: resourceName(resource), Attempts: attempt, Err: err}
		}
		r.log.Warn("a system failed, trying again", "system", resourceName(resource), "attempt", attempt, "wait", wait, "error", err)
		if err := r.sleep(ctx, wait); err != nil {
			return err
		}
		if wait *= 2; policy.Max > 0 {
			wait = min(wait, policy.Max)
		}
	}
}

func worthRetrying(err error) bool {
	class := connectors.ClassOf(err)
	return class == connectors.Down || class == connectors.Unclear
}

// errAsked ends a run that was asked to end while it waited for a system.
var errAsked = errors.New("asked to end between batches")

func (r *run) askedToEnd() bool {
	select {
	case <-r.asked:
		return true
	default:
		return false
	}
}

// sleep waits before an attempt. Nothing is being sent meanwhile, so a run that is
// asked to end does so: what its batch left open is looked up by the next one.
func (r *run) sleep(ctx context.Context, d time.Duration) error {
	if r.engine.Jitter != nil {
		d = r.engine.Jitter(d)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		select {
		case <-r.asked:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := r.engine.Clock.Sleep(ctx, d)
	cancel()
	<-waited
	if r.askedToEnd() {
		return errAsked
	}
	return err
}

func resourceName(r *rules.Resource) string { return r.Connector.Name + "." + r.Name }
