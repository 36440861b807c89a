package engine

import (
	"cmp"
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
	Attempts int    // of this run; 0: it was not asked, but left alone
	Alone    *SystemStatus
	Err      error
}

// Error says which system failed and how often it was asked.
func (e *SystemError) Error() string {
	text := "flow " + e.Flow + ": " + e.System
	switch {
	case e.Attempts == 0:
		return text + " is left alone until " + e.Alone.Next.Format(time.TimeOnly) + ": " + e.Err.Error()
	case e.Attempts > 1:
		return text + " failed " + itoa(e.Attempts) + " times: " + e.Err.Error()
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SystemError) Unwrap() error { return e.Err }

// retry asks a system, with f, until it gives no error, or there is no use in
// asking again: a person must act, the attempts or the time for them are used up,
// or the system is left alone by all flows. It wraps the last error in a *SystemError.
func (r *run) retry(ctx context.Context, resource *rules.Resource, f func() error) error {
	return r.question(resource, false).ask(ctx, f)
}

// retryEffect is retry for what changes something in the system: only that shows
// that a system is well which answers, but takes nothing.
func (r *run) retryEffect(ctx context.Context, resource *rules.Resource, f func() error) error {
	return r.question(resource, true).ask(ctx, f)
}

// retryListing is retry for the list of a source's parts. That a list came shows
// nothing of the system: a table and an API are one part, and nobody was asked.
func (r *run) retryListing(ctx context.Context, resource *rules.Resource, f func() error) error {
	q := r.question(resource, false)
	q.listing = true
	return q.ask(ctx, f)
}

// question is one question to a system, however often it is asked.
type question struct {
	*run
	asking
	resource *rules.Resource
	system   *system
	policy   rules.Retry
	listing  bool // only that it fails is an answer
	began    time.Time
	last     error // what the last attempt failed with
}

func (r *run) question(resource *rules.Resource, effect bool) *question {
	c := resource.Connector
	return &question{run: r, resource: resource, asking: asking{run: r, effect: effect}, system: r.engine.system(c), policy: c.Retry, began: r.now()}
}

func (q *question) ask(ctx context.Context, f func() error) error {
	wait := q.policy.Backoff
	for attempt := 1; ; attempt++ {
		if err := q.admitted(ctx, attempt-1); err != nil {
			return err
		}
		err := q.system.classed(f())
		alone := q.note(ctx, err)
		if ctx.Err() != nil || errors.Is(err, ErrStateUncertain) {
			return err
		}
		if settled, ok := errors.AsType[*settledError](err); ok && alone != nil {
			return q.failed(attempt, alone, settled.error)
		} else if err == nil || ok {
			return nil
		}
		if q.askedToEnd() {
			return errAsked
		}
		pause := q.engine.jitter(wait)
		if alone != nil || !worthRetrying(err) || attempt >= q.policy.Attempts || q.over(pause) {
			return q.failed(attempt, alone, err)
		}
		q.log.Warn("a system failed, trying again", "system", resourceName(q.resource), "attempt", attempt, "wait", max(pause, q.system.quiet.until().Sub(q.now())), "error", err)
		if err := q.sleep(ctx, pause); err != nil {
			return err
		}
		if wait *= 2; q.policy.Max > 0 {
			wait = min(wait, q.policy.Max)
		}
	}
}

// admitted waits until the system may be asked: not before the time it asked to be
// left alone until, whoever it told so. It returns an error where that is too long,
// or where the system is left alone by all.
func (q *question) admitted(ctx context.Context, attempts int) error {
	for {
		may := q.system.admit(q.run, q.effect, q.now())
		switch {
		case may.alone != nil:
			return q.failed(attempts, may.alone, may.alone.Why)
		case may.busy != nil:
			select {
			case <-may.busy:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		case may.wait == 0:
			return nil
		case q.over(may.wait):
			alone, changed := q.system.rest(cmp.Or(q.last, q.system.mayAsk(q.now())), q.now())
			q.engine.tellSystem(q.system, changed)
			return q.failed(attempts, alone, alone.Why)
		}
		if err := q.sleep(ctx, may.wait); err != nil {
			return err
		}
	}
}

// note takes note of an answer, and returns how the system is left alone from now on,
// or nil. An error because the run ends is no answer.
func (q *question) note(ctx context.Context, err error) *SystemStatus {
	if q.effect {
		defer q.system.asked(q.run)
	}
	if after := connectors.AfterOf(err); ctx.Err() != nil && after > 0 {
		q.system.quiet.extend(q.now(), after) // the run ends, and what it was told holds for all
	}
	if ctx.Err() != nil || errors.Is(err, ErrStateUncertain) {
		return nil
	}
	if q.last = err; q.listing && err == nil {
		return nil
	}
	changed := q.system.answered(&q.asking, err, q.now(), q.engine.jitter)
	q.engine.tellSystem(q.system, changed)
	return q.system.alone()
}

// over reports whether the time for the question ends within a wait.
func (q *question) over(wait time.Duration) bool {
	return q.policy.Budget > 0 && q.now().Add(wait).Sub(q.began) > q.policy.Budget
}

func (q *question) failed(attempts int, alone *SystemStatus, err error) error {
	return &SystemError{Flow: q.flow.Name, System: resourceName(q.resource), Attempts: attempts, Alone: alone, Err: err}
}

// jitter is a random wait of at least nothing and less than d, so that flows do not
// knock in step.
func (e *Engine) jitter(d time.Duration) time.Duration {
	if e.Jitter == nil || d <= 0 {
		return d
	}
	return e.Jitter(d)
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
