package engine

import (
	"sync"
	"time"

	"headgate/rules"
)

// quiet is until when a system asked to be left alone (Retry-After): the system, not a
// declaration of it. What it says to the last message of one ruleset holds for the
// first of the next.
type quiet struct {
	mu   sync.Mutex
	till time.Time
	keep func(till time.Time) // for the next process
}

// until is when it may be asked again.
func (q *quiet) until() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.till
}

// extend takes note that it asked to be left alone for so long.
func (q *quiet) extend(now time.Time, after time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.till = later(q.till, now.Add(min(after, longestQuiet)))
	q.keep(q.till)
}

// newQuiet is what the process before this one was told.
func (e *Engine) newQuiet(c *rules.Connector) *quiet {
	q := &quiet{keep: func(time.Time) {}}
	if e.Notes == nil {
		return q
	}
	if q.till = e.Notes.Quiet(c.Name); q.till.Sub(e.Clock.Now()) > longestQuiet {
		q.till = e.Clock.Now().Add(longestQuiet) // the clock was another one then
	}
	q.keep = func(till time.Time) {
		if err := e.Notes.KeepQuiet(c.Name, till); err != nil {
			e.Log.Warn("when a system may be asked again could not be kept for the next process", "system", c.Name, "error", err)
		}
	}
	return q
}
