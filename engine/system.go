package engine

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// How long a system is left alone.
const (
	firstRest  = 5 * time.Second  // after it was found down; doubled each time it still is
	lastRest   = 5 * time.Minute  // no such rest is longer
	deniedRest = 15 * time.Minute // after it let nobody in: to knock often locks accounts

	// The longest time a system may ask for. One that names a year has a wrong clock, or
	// means harm: nobody would hear of its flows until then.
	longestQuiet = 24 * time.Hour
)

// system is how a connector does, whichever flows ask it. It is the breaker between
// them: what fails as often in a row as the connector's attempts say, one behind the
// other in time, or lets nobody in, is left alone. Then one run at a time may probe it,
// and an answer lets all in. It outlives runs and reloads, as long as the connector is
// declared alike.
type system struct {
	name     string
	attempts int
	backoff  time.Duration               // within it, failures of several questions are one
	failures map[string]connectors.Class // by code, where another than the connector says
	quiet    *quiet

	mu     sync.Mutex
	row    int           // failures, one behind the other in time
	last   time.Time     // when the last of them was counted
	wells  uint64        // how often it answered well behind a failure
	since  time.Time     // it is left alone since then; zero: it is not
	rests  int           // it was found down so often since it was well
	next   time.Time     // it may be probed then
	effect bool          // it failed at an effect: only an effect shows that it is well
	by     string        // the flow that failed at it last
	why    error         // what it failed with
	probe  *run          // who probes it now, or nil
	asking chan struct{} // closed when the effect that the probe tries is answered; nil: none is tried
}

// SystemStatus is a system that is left alone for a while.
type SystemStatus struct {
	System  string
	Class   connectors.Class
	Why     error
	Since   time.Time
	Next    time.Time // when it is asked again
	Probing bool      // it is being asked now
}

// system returns how a connector does. One declared anew is asked freely, but not
// before the time it asked for under its former declaration.
func (e *Engine) system(c *rules.Connector) *system {
	e.systems.mu.Lock()
	defer e.systems.mu.Unlock()
	if s := e.systems.all[handle(c)]; s != nil {
		return s
	}
	s := &system{name: c.Name, attempts: c.Retry.Attempts, backoff: c.Retry.Backoff, failures: make(map[string]connectors.Class, len(c.Failures))}
	for code, name := range c.Failures {
		s.failures[code], _ = connectors.ClassNamed(name) // load checked it
	}
	if s.quiet = e.systems.quiets[c.Name]; s.quiet == nil {
		s.quiet = e.newQuiet(c)
	}
	if e.systems.all == nil {
		e.systems.all, e.systems.quiets = make(map[string]*system), make(map[string]*quiet)
	}
	e.systems.all[handle(c)], e.systems.quiets[c.Name] = s, s.quiet
	return s
}

// classed gives an error the class that the operator gave its code. It changes how
// the flow goes on, and nothing of what is known of a change: that the receipts say.
func (s *system) classed(err error) error {
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok {
		return err
	}
	class, ok := connectors.OfCode(s.failures, e.Code)
	if !ok || class == e.Class {
		return err
	}
	other := *e
	other.Class = class
	return &other
}

// systems are all systems, by handle, and until when they want to be left alone, by name.
type systems struct {
	mu     sync.Mutex
	all    map[string]*system
	quiets map[string]*quiet
}

func (all *systems) list() []*system {
	all.mu.Lock()
	defer all.mu.Unlock()
	return slices.Collect(maps.Values(all.all))
}

// forget drops the systems that set does not declare any more, and when those of other
// names may be asked, unless that is later.
func (all *systems) forget(set *rules.Ruleset, now time.Time) {
	all.mu.Lock()
	defer all.mu.Unlock()
	declared, named := make(map[string]bool), make(map[string]bool)
	for _, c := range set.Connectors {
		declared[handle(c)], named[c.Name] = true, true
	}
	maps.DeleteFunc(all.all, func(handle string, _ *system) bool { return !declared[handle] })
	maps.DeleteFunc(all.quiets, func(name string, q *quiet) bool { return !named[name] && !q.until().After(now) })
}

// MayAsk returns an error while the connector's system has asked to be left alone:
// what takes several requests stops between them.
func (e *Engine) MayAsk(c *rules.Connector) error {
	return e.system(c).mayAsk(e.Clock.Now())
}

func (s *system) mayAsk(now time.Time) error {
	until := s.quiet.until()
	if !until.After(now) {
		return nil
	}
	return &connectors.Error{
		Class: connectors.Down, Code: codeQuiet, Op: "ask " + s.name, After: until.Sub(now),
		Err: errors.New("it asked to be left alone until " + until.Format(time.TimeOnly)),
	}
}

// codeQuiet is the code of requests that were not made: they are no answers of a system.
const codeQuiet = "left_alone"

// admission says whether a run may ask a system now. Its zero value: it may.
type admission struct {
	alone *SystemStatus   // not at all: the system is left alone
	wait  time.Duration   // not before so long
	busy  <-chan struct{} // not before this is closed: the run tries another effect
}

// admit says whether r may ask the system now. Where it is left alone, the first to
// come after its rest probes it, with one effect at a time.
func (s *system) admit(r *run, effect bool, now time.Time) (a admission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	probing, quiet := !s.since.IsZero(), s.quiet.until()
	switch {
	case probing && s.probe != r && (s.probe != nil || now.Before(s.next)):
		a.alone = s.status()
		return a
	case probing && effect && s.asking != nil:
		a.busy = s.asking
		return a
	case quiet.After(now):
		a.wait = quiet.Sub(now)
		return a
	case probing:
		if s.probe = r; effect {
			s.asking = make(chan struct{})
		}
	}
	return a
}

// asked lets the next effect of a probe be tried.
func (s *system) asked(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == r {
		s.free()
	}
}

// free lets go those who wait for the probe. s is locked.
func (s *system) free() {
	if s.asking != nil {
		close(s.asking)
		s.asking = nil
	}
}

// alone says how the system is left alone, nil where it is not.
func (s *system) alone() *SystemStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status()
}

// status says how the system does, nil where it is not left alone. s is locked.
func (s *system) status() *SystemStatus {
	if s.since.IsZero() {
		return nil
	}
	return &SystemStatus{System: s.name, Class: connectors.ClassOf(s.why), Why: s.why, Since: s.since, Next: s.next, Probing: s.probe != nil}
}

// change is what became of a system: it went down, or it is well again.
type change uint8

const (
	nothing change = iota
	wentDown
	isWell
)

// asking is a question as its system sees it.
type asking struct {
	run      *run
	effect   bool
	failures int    // of this question in a row
	since    uint64 // system.wells then
}

// answered takes note of what came of a question.
func (s *system) answered(a *asking, err error, now time.Time, rest func(time.Duration) time.Duration) change {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, effect := a.run, a.effect
	class := connectors.ClassOf(err)
	if e, ok := errors.AsType[*connectors.Error](err); ok && e.Code == codeQuiet {
		return nothing
	}
	if err == nil || class == connectors.Broken {
		s.row, s.last, s.wells = 0, time.Time{}, s.wells+1
		if s.probe == r && !s.since.IsZero() && (err != nil || effect || !s.effect) {
			return s.close()
		}
		return nothing
	}
	s.failed(a, now)
	if after := connectors.AfterOf(err); after > 0 {
		s.quiet.extend(now, after)
	}
	probing := s.probe == r && !s.since.IsZero()
	if !probing && (!s.since.IsZero() || class != connectors.Denied && s.row < s.attempts) {
		return nothing
	}
	s.by = r.flow.Name
	return s.open(effect, err, now, rest)
}

// failed counts a failure: of several questions that are asked at the same time, one
// hiccup of the system is one, however many it hits. s is locked.
func (s *system) failed(a *asking, now time.Time) {
	if a.since != s.wells {
		a.failures, a.since = 0, s.wells
	}
	a.failures++
	if s.last.IsZero() || now.Sub(s.last) >= s.backoff {
		s.row, s.last = s.row+1, now
	}
	s.row = max(s.row, a.failures)
}

// rest lets the system alone until the time it asked for: nobody waits so long for an answer.
func (s *system) rest(err error, now time.Time) (*SystemStatus, change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := nothing
	if s.since.IsZero() {
		s.since, s.why, changed = now, err, wentDown
	}
	s.next, s.probe = later(s.next, s.quiet.until()), nil
	s.free()
	return s.status(), changed
}

// open lets the system alone. s is locked.
func (s *system) open(effect bool, err error, now time.Time, rest func(time.Duration) time.Duration) change {
	class, before := connectors.ClassOf(err), s.since
	wait := deniedRest
	if class != connectors.Denied {
		wait = min(firstRest<<min(s.rests, 10), lastRest)
	}
	if before.IsZero() {
		s.since = now
	}
	s.next = later(now.Add(wait/2+rest(wait-wait/2)), s.quiet.until())
	s.rests, s.effect, s.probe = s.rests+1, effect, nil
	s.free()
	told := !before.IsZero() && connectors.ClassOf(s.why) == class
	if s.why = err; told {
		return nothing
	}
	return wentDown
}

// close lets all in again. s is locked.
func (s *system) close() change {
	s.free()
	s.since, s.next, s.probe, s.rests, s.row, s.last, s.why = time.Time{}, time.Time{}, nil, 0, 0, time.Time{}, nil
	return isWell
}

// release ends the probe of r, if it made one. The system is well then if all that r
// wanted of it was done, and what it failed at would have come up again: another flow
// may have had nothing to write.
func (s *system) release(r *run, well bool) change {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != r {
		return nothing
	}
	s.probe = nil
	s.free()
	if well && !s.since.IsZero() && (!s.effect || s.by == r.flow.Name) {
		return s.close()
	}
	return nothing
}

// tryNow lets the next who comes probe the system, if it is of one of the classes.
func (s *system) tryNow(now time.Time, classes ...connectors.Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, class := range classes {
		if !s.since.IsZero() && connectors.ClassOf(s.why) == class {
			s.next = later(now, s.quiet.until())
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
