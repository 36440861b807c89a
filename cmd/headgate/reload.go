package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"headgate/cmd/headgate/internal/systemd"
	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/alerts"
	"headgate/engine/control"
	"headgate/engine/watch"
	"headgate/rules"
	"headgate/rules/load"
)

// reloader makes the ruleset that runs what the files say, or knows why it is not.
type reloader struct {
	dir     string
	state   func(*rules.Ruleset) string
	engine  *engine.Engine
	log     *slog.Logger
	summary func() string // how all is, for systemd
	alerts  *alerts.Alerter
	backups func(*rules.Ruleset)
	logAs   func(*rules.Ruleset)        // makes the log what the ruleset wants
	hangup  func(context.Context) error // looks at once, as somebody's act

	looking sync.Mutex // one look at a time
	mu      sync.Mutex // the fields below, which a look writes: whoever asks for the status waits for no reading
	seen    string     // digest of the files looked at last
	failed  *control.Failed
	at      time.Time // of the last replacement
}

// watch looks again whenever the directory may have changed, until ctx ends.
func (r *reloader) watch(ctx context.Context) {
	for ctx.Err() == nil {
		r.watchAt(ctx, r.engine.Ruleset().Settings.Poll)
	}
}

// watchAt watches until ctx ends, or until the ruleset wants to be polled otherwise.
func (r *reloader) watchAt(ctx context.Context, poll time.Duration) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := &watch.Watcher{Dir: r.dir, Links: true, Poll: poll, Blind: func(err error) {
		if err != nil {
			r.log.Warn("changes of the ruleset are seen at the next poll only", "poll", poll.String(), "error", err)
		}
	}}
	w.Run(ctx, func() {
		_ = r.look(ctx, false) // it told what is wrong
		if r.engine.Ruleset().Settings.Poll != poll {
			stop()
		}
	})
}

// obey looks at once, and opens connectors anew, when somebody sends SIGHUP.
func (r *reloader) obey(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-hangups:
			r.told(systemd.Reloading())
			_ = r.hangup(ctx)                  // it told what is wrong
			r.told(systemd.Ready(r.summary())) // also when the old rules stay: headgate works as before
		case <-ctx.Done():
			return
		}
	}
}

func (r *reloader) told(err error) {
	if err != nil {
		r.log.Warn("systemd was not told", "error", err)
	}
}

// wrong reports whether the files are not what runs.
func (r *reloader) wrong() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed != nil
}

// look reads the files and makes them the ruleset that runs, when all of them is
// right; otherwise the old one goes on running (promise 6). With reopen, connectors
// are opened anew even if nothing changed.
func (r *reloader) look(ctx context.Context, reopen bool) error {
	r.looking.Lock()
	defer r.looking.Unlock()
	files, err := watch.ReadStable(ctx, 0, func() ([]load.File, error) { return load.Read(r.dir) }, sameFiles)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return r.fail("unreadable: "+err.Error(), 1, err.Error(), nil)
	}
	digest := load.Digest(files)
	if digest == r.seen && !reopen {
		return r.still(digest)
	}
	return r.take(files, digest, reopen)
}

// still is what there is to say when the files are those looked at last.
func (r *reloader) still(digest string) error {
	if r.failed == nil {
		return nil
	}
	if digest == r.engine.Ruleset().Digest { // they could not be read meanwhile
		r.mended()
		return nil
	}
	return errors.New(r.failed.Diagnostics)
}

func (r *reloader) take(files []load.File, digest string, reopen bool) error {
	running := r.engine.Ruleset()
	set, diags := load.Load(running.Dir, files, builtin.Kinds())
	wrong := errorsOnly(diags)
	switch {
	case len(wrong) > 0:
		return r.fail(digest, len(wrong), wrong.String(), wrong)
	case r.state(set) != r.state(running):
		return r.fail(digest, 1, fmt.Sprintf("the state cannot move from %s to %s while headgate runs: move it back, or restart headgate", r.state(running), r.state(set)), nil)
	}
	replaced := digest != running.Digest || reopen
	r.note(func() { // at once: whoever sees the new ruleset run sees since when
		if r.seen = digest; replaced {
			r.at = time.Now()
		}
		r.engine.Apply(set, reopen)
	})
	r.alerts.Apply(set.Alerts)
	r.backups(set)
	r.logAs(set)
	r.mended()
	if replaced {
		r.log.Info("ruleset replaced", "from", running.Digest, "to", digest, "connectors_reopened", reopen)
	}
	return nil
}

// fail keeps why the files are not what runs, and tells it once.
func (r *reloader) fail(digest string, mistakes int, text string, diags load.Diagnostics) error {
	told := digest == r.seen && r.failed != nil
	if !told {
		since := time.Now()
		if r.failed != nil {
			since = r.failed.Since
		}
		r.note(func() {
			r.seen, r.failed = digest, &control.Failed{Since: since, Mistakes: mistakes, Diagnostics: text}
		})
		r.alerts.Note(engine.Event{Kind: "reload_failed", Sample: firstLine(text), Time: since})
		r.log.Error("ruleset not replaced: the old one goes on running", "running", r.engine.Ruleset().Digest, "mistakes", mistakes)
		for _, d := range diags {
			r.log.Error("mistake in the ruleset", "diagnostic", d)
		}
		if diags == nil {
			r.log.Error("ruleset not usable", "error", text)
		}
	}
	return errors.New(text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (r *reloader) mended() {
	if r.failed != nil {
		r.log.Info("the files of the ruleset are right again", "wrong_since", r.failed.Since)
		r.note(func() { r.failed = nil })
	}
}

// note writes what the status tells, for the look that goes on.
func (r *reloader) note(write func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	write()
}

// tell says how the files compare with what runs.
func (r *reloader) tell(d *control.Daemon) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Files, d.Failed, d.Reload = r.seen, r.failed, r.at
}

func sameFiles(a, b []load.File) bool { return load.Digest(a) == load.Digest(b) }
