package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// The pace of a daemon.
const (
	defaultEvery = time.Minute               // between runs of a flow that has neither every nor cron
	never        = 10 * 365 * 24 * time.Hour // until a cron line that finds no day for years
	firstRetry   = 5 * time.Second           // before a flow whose system failed runs again; doubled each time
	lastRetry    = 5 * time.Minute           // no such wait is longer
	defaultBeat  = 10 * time.Second          // between two looks of the scheduler, so that whoever watches it sees it alive
)

// schedule says when which flow runs. It outlives the rulesets.
type schedule struct {
	mu    sync.Mutex
	flows map[string]*scheduled
	wake  chan struct{} // something changed: look again
}

// scheduled is what is known of one flow between and during its runs.
type scheduled struct {
	FlowStatus
	flow      *rules.Flow // as the newest ruleset has it
	asked     bool        // it was asked to run while it ran
	again     time.Time   // when what waits is judged again, if no run comes before; zero: nothing waits for the time
	changed   time.Time   // when the latest change of its files will have settled
	unwatch   context.CancelFunc
	watched   string // the directory that is watched
	told      string // what was logged of its failing or its pause, so that it is logged once
	vanishing bool   // no ruleset has it any more; forgotten when its run has ended
}

// FlowStatus is what a daemon knows of one flow.
type FlowStatus struct {
	Flow     string
	Mode     rules.Mode
	Running  bool
	Began    time.Time     // of the run that goes on, or of the last one; zero: none yet
	Ended    time.Time     // of the last run; zero: none yet
	Read     int64         // in the run that goes on
	Due      time.Time     // of the next run
	Failures int           // runs that a system ended, one after another
	Failing  error         // why the last run failed, or nil
	Waits    *SystemStatus // for this system, which is left alone, or nil
	Runs     int64         // that ended
	Success  time.Time     // when the last run that read the source ended and neither a system nor a pause ended it; zero: none yet
	CaughtUp time.Time     // when the last run began that reached the end of its source; zero: none yet
	Last     Summary       // of the last run
}

// Schedule returns what is known of the flows, by name.
func (e *Engine) Schedule() []FlowStatus {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	all := make([]FlowStatus, 0, len(e.plan.flows))
	for _, f := range e.plan.flows {
		if !f.vanishing {
			status := f.FlowStatus
			status.Waits = e.waitsFor(f.flow)
			all = append(all, status)
		}
	}
	slices.SortFunc(all, func(a, b FlowStatus) int { return cmp.Compare(a.Flow, b.Flow) })
	return all
}

// Run runs the flows of the newest ruleset as they are due, until ctx ends; it
// returns when the batches on their way are settled. Its only error is
// ErrStateUncertain.
func (e *Engine) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	e.watchers.Go(func() { e.retain(ctx, stop) })
	var adopted *rules.Ruleset
	var runs sync.WaitGroup
	for ctx.Err() == nil {
		if set := e.Ruleset(); set != adopted {
			e.adopt(ctx, set)
			adopted = set
		}
		next := e.startDue(ctx, stop, &runs)
		e.beat()
		e.idle(ctx, next)
	}
	e.drain(&runs)
	e.unwatchAll()
	if cause := context.Cause(ctx); errors.Is(cause, ErrStateUncertain) {
		return cause
	}
	return nil
}

func (e *Engine) beat() {
	if e.Beat != nil {
		e.Beat()
	}
}

func (e *Engine) beatEvery() time.Duration {
	if e.BeatEvery > 0 {
		return e.BeatEvery
	}
	return defaultBeat
}

// drain waits until the runs that go on have settled their batches.
func (e *Engine) drain(runs *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		runs.Wait()
		cancel()
	}()
	for ctx.Err() == nil {
		e.beat()
		_ = e.Clock.Sleep(ctx, e.beatEvery()) // it ends early when all is drained
	}
	cancel()
}

// idle sleeps until the time, or until something changed.
func (e *Engine) idle(ctx context.Context, until time.Time) {
	d := min(until.Sub(e.Clock.Now()), e.beatEvery())
	if d <= 0 {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	slept := make(chan struct{})
	go func() {
		defer close(slept)
		_ = e.Clock.Sleep(ctx, d) // woken early is woken
		cancel()
	}()
	select {
	case <-e.plan.wake:
	case <-ctx.Done():
	}
	cancel()
	<-slept
}

func (e *Engine) rouse() {
	select {
	case e.plan.wake <- struct{}{}:
	default:
	}
}

// startDue starts the flows that are due and returns when the next one is.
func (e *Engine) startDue(ctx context.Context, stop context.CancelCauseFunc, runs *sync.WaitGroup) time.Time {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	now := e.Clock.Now()
	next := now.Add(e.beatEvery())
	for _, f := range e.plan.flows {
		held := now
		if !f.Running && !f.vanishing {
			held = e.heldUntil(f.flow, now)
		}
		switch {
		case f.Running || f.vanishing:
		case held.After(now):
			next = earlier(next, held)
		case !f.Due.After(now):
			f.Began, f.asked = now, false
			e.start(ctx, f, RunOptions{}, stop, runs)
		case !f.again.IsZero() && !f.again.After(now):
			e.start(ctx, f, RunOptions{waiting: true}, stop, runs)
		default:
			next = earlier(next, f.Due)
			if !f.again.IsZero() {
				next = earlier(next, f.again)
			}
		}
	}
	return next
}

func (e *Engine) start(ctx context.Context, f *scheduled, options RunOptions, stop context.CancelCauseFunc, runs *sync.WaitGroup) {
	f.Running, f.Read = true, 0
	runs.Go(func() {
		s := e.runFlow(ctx, f.Flow, options)
		if errors.Is(s.Err, ErrStateUncertain) {
			stop(s.Err)
		}
		e.ended(f, s, options.waiting)
		e.rouse()
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// ended takes note of a run and says when the next one is due. One that judged only
// what waits says nothing of the source: it does not end the failing of a flow.
func (e *Engine) ended(f *scheduled, s Summary, waiting bool) {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	now := e.Clock.Now()
	f.Running, f.Ended, f.Last, f.Runs = false, now, s, f.Runs+1
	if f.vanishing {
		f.forget(&e.plan)
		return
	}
	interrupted := s.Limited && s.Err == nil && s.Paused == "" && !f.limited(&s)
	switch {
	case errors.Is(s.Err, ErrNoRoom):
		f.Failing = s.Err // nothing was tried
	case s.Err != nil:
		f.Failures, f.Failing = f.Failures+1, s.Err
	case !interrupted && !waiting:
		f.Failures, f.Failing = 0, nil
		if s.Paused == "" {
			f.Success = now
		}
	}
	if s.Err == nil && !s.Limited && s.Paused == "" && !waiting {
		f.CaughtUp = f.Began
	}
	e.tell(f, &s, waiting)
	f.again = f.judgeAgain(now, &s)
	switch {
	case waiting && interrupted:
		f.again = now
	case !waiting || s.Err != nil || f.asked:
		f.Due = e.nextDue(f, now, interrupted)
	}
}

// judgeAgain is when records that wait may get on, however long the flow's own
// interval is: a lookup is renewed, one is held too long, or one is sent again.
func (f *scheduled) judgeAgain(now time.Time, s *Summary) (at time.Time) {
	if s.Paused != "" {
		return at
	}
	times := []time.Time{s.Until, s.Resend}
	for _, l := range f.flow.Lookups {
		if l.From != nil && s.Held > 0 {
			times = append(times, now.Add(l.Age()))
		}
	}
	for _, t := range times {
		if t.After(now) {
			at = sooner(at, t)
		}
	}
	return at
}

// progressed takes note of how far a run is.
func (e *Engine) progressed(p Progress) {
	e.plan.mu.Lock()
	if f := e.plan.flows[p.Flow]; f != nil {
		f.Read = p.Read
	}
	e.plan.mu.Unlock()
	if e.Progress != nil {
		e.Progress(p)
	}
}

// limited reports whether a run ended at the limit its flow has for one run.
func (f *scheduled) limited(s *Summary) bool {
	return f.flow.Batch.PerRun > 0 && s.Read >= int64(f.flow.Batch.PerRun)
}

func (e *Engine) nextDue(f *scheduled, now time.Time, interrupted bool) time.Time {
	if f.asked || interrupted {
		return now
	}
	if errors.Is(f.Failing, ErrNoRoom) {
		return now.Add(firstRetry)
	}
	if f.Failures > 0 {
		if e.waitsFor(f.flow) != nil {
			return now // as soon as the system it waits for may be asked
		}
		return now.Add(e.jitter(min(firstRetry<<min(f.Failures-1, 10), lastRetry)))
	}
	due := f.regular(now)
	if f.changed.After(f.Began) {
		due = earlier(due, f.changed)
	}
	return due
}

// regular is when the flow is due by its own clock.
func (f *scheduled) regular(now time.Time) time.Time {
	if f.flow.Schedule != nil {
		if next := f.flow.Schedule.Next(now); !next.IsZero() {
			return next
		}
		return now.Add(never)
	}
	every := f.flow.Every
	if every <= 0 {
		every = defaultEvery
	}
	if due := f.Began.Add(every); due.After(now) {
		return due
	}
	return now
}

// tell logs what changed: that a flow fails, that it is well again, that it is
// paused; and what it did, when it did anything.
func (e *Engine) tell(f *scheduled, s *Summary, waiting bool) {
	log := e.Log.With("flow", f.Flow)
	trouble := ""
	switch {
	case waiting && s.Err == nil || waitsForSystem(s.Err) || errors.Is(s.Err, ErrNoRoom):
		trouble = f.told // of the system, or the disk, it is told once for all flows
	case s.Err != nil:
		trouble = s.Err.Error()
	}
	switch {
	case trouble != "" && f.told == "":
		e.notify(Event{Kind: EventFailing, Flow: f.Flow, Sample: trouble})
		attrs := []any{"error", trouble}
		if hint := connectors.HintOf(s.Err); hint != "" {
			attrs = append(attrs, "hint", hint)
		}
		log.Error("flow failed; it is tried again, and this is not logged again", attrs...)
	case trouble == "" && f.told != "":
		e.notify(Event{Kind: EventRecovered, Flow: f.Flow, Sample: f.told})
		log.Info("flow recovered", "failed_before", f.told)
	}
	f.told = trouble
	if changed := s.Read - s.Counts[Unchanged] - s.Counts[Skipped] - s.Counts[Duplicate]; changed > 0 {
		attrs := []any{"read", s.Read, "seconds", s.Elapsed.Seconds()}
		for _, o := range Outcomes() {
			if s.Counts[o] > 0 {
				attrs = append(attrs, o.String(), s.Counts[o])
			}
		}
		log.Info("flow ran", attrs...)
	}
}

// waitsForSystem reports whether a run ended because a system is left alone.
func waitsForSystem(err error) bool {
	for e, ok := errors.AsType[*SystemError](err); ok; e, ok = errors.AsType[*SystemError](e.Err) { // a lookup's is in another
		if e.Alone != nil {
			return true
		}
	}
	return false
}

// Kick makes a flow run as soon as it can. It reports whether there is such a flow.
func (e *Engine) Kick(flow string) bool {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	f := e.plan.flows[flow]
	if f == nil || f.vanishing {
		return false
	}
	f.asked, f.Due = true, e.Clock.Now()
	e.tryNow(f.flow, connectors.Down, connectors.Unclear, connectors.Denied)
	return true
}
