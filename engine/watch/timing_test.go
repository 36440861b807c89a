package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// silent is a filesystem that gives no events but those of the test.
type silent struct {
	wake chan struct{}
	err  error
}

func (s *silent) renew(string, bool) error { return s.err }
func (s *silent) woken() <-chan struct{}   { return s.wake }
func (s *silent) close()                   {}

// watched runs a watcher in fake time and returns when it looked, in milliseconds
// after the start. Events happen at the given moments.
func watched(t *testing.T, w *Watcher, events []int, end time.Duration) []int {
	t.Helper()
	fake := &silent{wake: make(chan struct{}, 1)}
	w.open = func() (hints, error) { return fake, nil }
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), end)
	defer cancel()
	go func() {
		for _, at := range events {
			time.Sleep(time.Duration(at)*time.Millisecond - time.Since(start))
			select {
			case fake.wake <- struct{}{}:
			default:
			}
		}
	}()
	var looks []int
	w.Run(ctx, func() { looks = append(looks, int(time.Since(start).Milliseconds())) })
	synctest.Wait()
	return looks
}

func TestWhenToLook(t *testing.T) {
	t.Parallel()
	var flood []int
	for at := 100; at < 2600; at += 7 {
		flood = append(flood, at)
	}
	for name, test := range map[string]struct {
		watcher Watcher
		events  []int
		end     time.Duration
		looks   []int
	}{
		"nothing happens":      {end: 29 * time.Second, looks: []int{0}},
		"only polls":           {end: 61 * time.Second, looks: []int{0, 30000, 60000}},
		"one event":            {events: []int{100}, end: 10 * time.Second, looks: []int{0, 350}},
		"events that pause":    {events: []int{100, 200, 300, 1000}, end: 10 * time.Second, looks: []int{0, 550, 1250}},
		"a flood":              {events: flood, end: 10 * time.Second, looks: []int{0, 1100, 2101, 2849}},
		"a poll after a look":  {events: []int{29900}, end: 61 * time.Second, looks: []int{0, 30150, 60150}},
		"never polled":         {watcher: Watcher{Poll: -1}, events: []int{70000}, end: 99 * time.Second, looks: []int{0, 70250}},
		"other times":          {watcher: Watcher{Quiet: 10 * time.Millisecond, Poll: time.Second}, events: []int{5}, end: 2 * time.Second, looks: []int{0, 15, 1015}},
		"an event and the end": {events: []int{100}, end: 200 * time.Millisecond, looks: []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if got := watched(t, &test.watcher, test.events, test.end); !slices.Equal(got, test.looks) {
					t.Errorf("looked at %v, want %v", got, test.looks)
				}
			})
		})
	}
}

// TestNoEvents: on a filesystem without events only the poll sees a change.
func TestNoEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "a.hcl")
		w := &Watcher{open: func() (hints, error) { return &silent{}, nil }}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, func() { write(t, file, "new") })
		start := time.Now()
		w.Run(ctx, func() {
			if text, err := os.ReadFile(file); err == nil && string(text) == "new" {
				cancel()
			}
		})
		if at := time.Since(start); at != DefaultPoll {
			t.Errorf("seen after %v", at)
		}
	})
}

// TestBlind: that events cannot be had is told once, and once that they can again;
// meanwhile it polls.
func TestBlind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("too many open files")
		fake := &silent{}
		looks := 0
		var told []error
		w := &Watcher{Blind: func(err error) { told = append(told, err) }}
		w.open = func() (hints, error) {
			if looks < 3 {
				return nil, refused
			}
			return fake, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.Run(ctx, func() {
			switch looks++; looks {
			case 6:
				fake.err = refused
			case 9:
				cancel()
			}
		})
		if !slices.Equal(told, []error{refused, nil, refused}) {
			t.Errorf("told %v", told)
		}
	})
}
