// Package watch turns a directory into the advice to look at it again.
//
// Events of a filesystem are a hint only: they come late, twice, under another
// name, or never (NFS, a symlink that was re-pointed, a queue that ran over). So a
// Watcher tells nothing about what changed. It says when to look, soon after
// events and at the latest at the next poll; whoever looks compares for itself.
package watch

import (
	"cmp"
	"context"
	"time"
)

// The defaults of a Watcher.
const (
	DefaultQuiet = 250 * time.Millisecond
	DefaultMost  = time.Second
	DefaultPoll  = 30 * time.Second
)

// Watcher watches one directory, which need not be there yet. It costs an inotify
// instance and two goroutines that sleep, so dozens may run side by side; where the
// system grants no more instances, it polls.
type Watcher struct {
	Dir   string
	Links bool          // also where entries of Dir lead that are symlinks; for directories of few
	Quiet time.Duration // without events before a look; 0: DefaultQuiet
	Most  time.Duration // from the first event to a look; 0: DefaultMost
	Poll  time.Duration // between two looks without events; 0: DefaultPoll; negative: never

	// Blind is told when events cannot be had, so that only polls are left, and told
	// nil when they can be had again. It is called by Run, on change only; nil: nobody.
	Blind func(error)

	open  func() (hints, error) // nil: openEvents
	blind string                // what Blind was told last
}

// hints are events, or what stands in for them in tests.
type hints interface {
	// renew watches all that dir now depends on, and nothing else.
	renew(dir string, links bool) error
	woken() <-chan struct{}
	close()
}

// Run calls look once at the start, when the watches are set, and then whenever it
// is time to look again, always from the calling goroutine. It returns when the
// context ends.
func (w *Watcher) Run(ctx context.Context, look func()) {
	var events hints
	defer func() {
		if events != nil {
			events.close()
		}
	}()
	for {
		events = w.renew(events)
		look()
		if !w.wait(ctx, events) {
			return
		}
	}
}

// renew sets the watches anew before each look: what changes after it is an event,
// what changed before it is seen by the look.
func (w *Watcher) renew(events hints) hints {
	var err error
	if events == nil {
		open := w.open
		if open == nil {
			open = openEvents
		}
		if events, err = open(); err != nil {
			w.tell(err)
			return nil
		}
	}
	w.tell(events.renew(w.Dir, w.Links))
	return events
}

func (w *Watcher) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != w.blind && w.Blind != nil {
		w.Blind(err)
	}
	w.blind = text
}

// wait returns true when it is time to look, false when the context ended.
func (w *Watcher) wait(ctx context.Context, events hints) bool {
	var woken <-chan struct{}
	if events != nil {
		woken = events.woken()
	}
	poll := newTimer(w.Poll, DefaultPoll)
	defer poll.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-poll.C:
		return ctx.Err() == nil
	case <-woken:
	}
	return w.settle(ctx, woken)
}

// settle waits until events pause, or have gone on for too long.
func (w *Watcher) settle(ctx context.Context, woken <-chan struct{}) bool {
	most := newTimer(w.Most, DefaultMost)
	defer most.Stop()
	quiet := newTimer(w.Quiet, DefaultQuiet)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-woken:
			quiet.Reset(cmp.Or(w.Quiet, DefaultQuiet))
		case <-quiet.C:
			return true
		case <-most.C:
			return true
		}
	}
}

// newTimer makes a timer; one of a negative duration never ends.
func newTimer(d, otherwise time.Duration) *time.Timer {
	t := time.NewTimer(cmp.Or(d, otherwise))
	if d < 0 {
		t.Stop()
	}
	return t
}
