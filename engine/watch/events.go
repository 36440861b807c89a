package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
)

// events are those of the filesystem.
type events struct {
	fs      *fsnotify.Watcher
	follow  func(path string, links bool) (*route, error)
	route   atomic.Pointer[route]
	wake    chan struct{} // holds one: that something happened, not what
	drained sync.WaitGroup
}

func openEvents() (hints, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("ask for events of files: %w", err)
	}
	e := &events{fs: w, follow: followAll, wake: make(chan struct{}, 1)}
	e.route.Store(&route{})
	e.drained.Go(e.drain)
	return e, nil
}

func (e *events) woken() <-chan struct{} { return e.wake }

func (e *events) close() {
	_ = e.fs.Close() // it was only listening
	e.drained.Wait()
}

// drain takes events as fast as they come, whatever else goes on: fsnotify may hold
// its lock until somebody does, and a queue in the kernel that nobody empties runs
// over. It ends when fsnotify is closed.
func (e *events) drain() {
	changes, failures := e.fs.Events, e.fs.Errors
	for changes != nil || failures != nil {
		select {
		case event, ok := <-changes:
			if !ok {
				changes = nil
			} else if e.route.Load().concerns(event.Name) {
				e.again()
			}
		case _, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			e.again() // events were lost: anything may have changed
		}
	}
}

func (e *events) again() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// renew follows the path as it is now and moves the watches there. All are added
// again each time: a directory that was removed and made anew can have its old
// number, and its watch is gone.
func (e *events) renew(dir string, links bool) error {
	now, err := e.follow(dir, links)
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	before := e.route.Swap(now)
	for path, info := range before.dirs {
		if there := now.dirs[path]; there == nil || !os.SameFile(info, there) {
			_ = e.fs.Remove(path) // it may be gone, and its watch with it
		}
	}
	var failed error
	for path := range now.dirs {
		if err := e.fs.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = fmt.Errorf("watch %s: %w", path, err)
		}
	}
	if after, err := e.follow(dir, links); err != nil || !now.same(after) {
		e.again() // it changed before it was watched
	}
	return failed
}
