package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/cmd/headgate/internal/systemd"
	"headgate/engine"
	"headgate/engine/alerts"
	"headgate/engine/audit"
	"headgate/engine/control"
	"headgate/engine/exceptions"
	"headgate/engine/state"
	"headgate/engine/watch"
	"headgate/rules"
	"headgate/rules/load"
)

// daemon lives beside the ERP: it runs flows as they are due, takes new rules
// without a restart, and answers operators.
type daemon struct {
	app    *app
	engine *engine.Engine
	log    *slog.Logger
	since  time.Time
	reload *reloader
	alerts *alerts.Alerter
	acts   *audit.Log
	keeper *keeper
	short  atomic.Pointer[error] // why the ballast cannot be made again, where that is for want of room
}

// daemon runs until ctx ends.
func (a *app) daemon(ctx context.Context) (err error) {
	// It may start in the middle of a save of several files.
	files, err := watch.ReadStable(ctx, 0, func() ([]load.File, error) { return load.Read(a.config) }, sameFiles)
	set, err := a.compiled(a.config, files, err, exitBadRuleset)
	if err != nil {
		return err
	}
	db, log, err := a.writableInTime(ctx, set)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // it waited for room, and was asked to end
	}
	if err != nil {
		return err
	}
	defer func() {
		if full(err) { // the process after this one needs it to begin
			err = errors.Join(err, a.roomOf(set).giveUp())
		}
	}()
	defer func() { err = errors.Join(err, log.Close(), db.Close()) }()
	acts, err := audit.Open(a.statePath(set), time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, acts.Close()) }()
	d := &daemon{app: a, engine: a.engine(set, db, log), since: time.Now(), acts: acts, keeper: a.keeper(set, db)}
	defer func() { err = errors.Join(err, d.engine.Close()) }()
	d.log = d.engine.Log
	d.engine.Room = lately(func() error { return d.hasRoom((*room).begin) })
	d.keeper.room = func() *room { return a.roomOf(d.engine.Ruleset()) }
	noted, err := a.noted(d.engine, set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, noted.Close()) }()
	d.engine.Watch = d.watchFiles
	d.alerts = a.alerter(set, db, d.log)
	d.engine.Notify = d.alerts.Note
	d.alerts.Apply(set.Alerts)
	if !db.RestoredAt().IsZero() && time.Since(db.RestoredAt()) < time.Minute {
		d.alerts.Note(restoredEvent(db))
	}
	d.reload = &reloader{dir: a.config, state: a.statePath, engine: d.engine, log: d.log, seen: set.Digest, summary: d.summary, alerts: d.alerts, logAs: a.setLevel,
		backups: func(set *rules.Ruleset) { d.keeper.apply(a.backupDir(set), set.Settings.Backup) }}
	return d.serve(ctx, set, db)
}

// alerter tells people what waits for them.
func (a *app) alerter(set *rules.Ruleset, s engine.State, log *slog.Logger) *alerts.Alerter {
	host, err := os.Hostname()
	if err != nil {
		host = "headgate"
	}
	sender := &alerts.Sender{Secret: a.secret, Dir: set.Dir}
	dir := a.exceptionsDir(set)
	return &alerts.Alerter{
		Clock: clock{}, Log: log, Send: sender.Send, Host: host, Memory: alerts.File(filepath.Join(a.statePath(set), "alerts.json")),
		Open: func() ([]alerts.Open, error) {
			open, _, err := control.Waiting(s, dir)
			return openGroups(open), err
		},
	}
}

// openGroups groups what waits as a digest tells it.
func openGroups(open []exceptions.State) (groups []alerts.Open) {
	type group struct{ outcome, flow, rule, code string }
	at := make(map[group]int)
	for i := range open {
		x := &open[i]
		name := group{x.Outcome.String(), x.Flow, x.Reason.Rule, x.Reason.Code}
		k, ok := at[name]
		if !ok {
			k = len(groups)
			at[name] = k
			groups = append(groups, alerts.Open{Outcome: name.outcome, Flow: x.Flow, Rule: name.rule, Code: name.code, Oldest: x.Time, Sample: x.Reason.Message})
		}
		g := &groups[k]
		g.Count++
		if x.Time.Before(g.Oldest) {
			g.Oldest = x.Time
		}
		if x.Time.After(g.Newest) {
			g.Newest = x.Time
		}
	}
	return groups
}

// listen takes the socket a socket unit passed, or makes one.
func (d *daemon) listen(set *rules.Ruleset) (net.Listener, string, error) {
	passed, err := systemd.ControlSocket()
	if err != nil {
		return nil, "", err
	}
	if passed != nil {
		return passed, passed.Addr().String(), nil
	}
	path := d.app.socketPath(set)
	made, err := control.Listen(path)
	return made, path, err
}

// beat tells systemd that the scheduler goes round, as often as it wants to hear it.
func (d *daemon) beat(every time.Duration) func() {
	var last time.Time
	return func() {
		if now := time.Now(); every > 0 && now.Sub(last) >= every/2 {
			last = now
			d.told(systemd.Alive())
		}
	}
}

// told logs that systemd could not be told something: it changes nothing else.
func (d *daemon) told(err error) {
	if err != nil {
		d.log.Warn("systemd was not told", "error", err)
	}
}

// summary is how all is, in one line.
func (d *daemon) summary() string {
	set := d.engine.Ruleset()
	failing, running := 0, 0
	for _, f := range d.engine.Schedule() {
		if f.Failing != nil {
			failing++
		}
		if f.Running {
			running++
		}
	}
	text := fmt.Sprintf("ruleset %s, %s: %d running", set.Digest, counted(len(set.Flows), "flow"), running)
	if failing > 0 {
		text += fmt.Sprintf(", %d FAILING", failing)
	}
	if d.reload.wrong() {
		text += "; THE FILES ARE NOT WHAT RUNS"
	}
	return text
}

// report keeps the line that `systemctl status` shows true, until ctx ends.
func (d *daemon) report(ctx context.Context) {
	for last := ""; ; {
		if text := d.summary(); text != last {
			last = text
			d.told(systemd.Status(text))
		}
		if (clock{}).Sleep(ctx, reportEvery) != nil {
			d.told(systemd.Stopping())
			return
		}
	}
}

const reportEvery = 5 * time.Second

// serve lets everything run side by side until ctx ends, or one of it fails.
func (d *daemon) serve(ctx context.Context, set *rules.Ruleset, db *state.DB) error {
	listener, socket, err := d.listen(set)
	if err != nil {
		return err
	}
	beats, err := systemd.WatchdogInterval()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	d.engine.Beat, d.engine.BeatEvery = d.beat(beats), beats
	if err := db.Announce(socket); err != nil {
		return errors.Join(err, listener.Close())
	}
	d.log.Info("headgate runs", "version", version(), "ruleset", set.Digest, "flows", len(set.Flows), "socket", socket)
	_ = d.lookForRoom() // before a flow begins; keepRoom tells what it finds
	err = d.runAll(ctx, d.service(db), listener)
	d.log.Info("headgate ends", "after", time.Since(d.since).Round(time.Second).String())
	return errors.Join(err, db.Announce(""))
}

// runAll runs what a daemon is made of. A state that nobody can be sure of ends it,
// whoever finds that out (R4).
func (d *daemon) runAll(ctx context.Context, service *control.Service, listener net.Listener) error {
	signaled := &control.Inside{Service: service, Actor: engine.Actor{Name: "SIGHUP"}}
	d.reload.hangup = func(ctx context.Context) error { return signaled.Ask(ctx, "reload", nil, nil) }
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	service.Uncertain = end
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return d.engine.Run(ctx) })
	all.Go(func() error { return service.Serve(ctx, listener) })
	for _, beside := range []func(context.Context){
		d.alerts.Run, d.reload.watch, d.report,
		func(ctx context.Context) { d.reload.obey(ctx, hangups) },
		func(ctx context.Context) { d.keeper.run(ctx, d.log, d.alerts.Note) },
		d.keepRoom,
	} {
		all.Go(func() error {
			beside(ctx)
			return nil
		})
	}
	d.told(systemd.Ready(d.summary()))
	return all.Wait()
}

func (d *daemon) service(db *state.DB) *control.Service {
	s := d.app.service(d.engine, db, d.acts)
	s.Keeper = d.keeper
	s.Room = func() error { return d.hasRoom((*room).check) }
	s.Reload = func(ctx context.Context) error { return d.reload.look(ctx, true) }
	s.Daemon = func() *control.Daemon {
		told := &control.Daemon{Process: os.Getpid(), Since: d.since, Version: version(), Goroutines: runtime.NumGoroutine(), Descriptors: descriptors()}
		d.reload.tell(told)
		told.State = d.keeper.tell()
		for _, f := range d.alerts.Failing() {
			told.Alerts = append(told.Alerts, control.Unheard{Alert: f.Alert, Channel: string(f.Channel), Since: f.Since, Waiting: f.Waiting, Why: f.Err.Error()})
		}
		return told
	}
	return s
}

// descriptors is how many files, sockets and the like are open.
func descriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// watchFiles wakes a flow when the directory it reads changes. It does not poll:
// flows have an interval of their own.
func (d *daemon) watchFiles(ctx context.Context, dir string, changed func()) {
	w := &watch.Watcher{Dir: dir, Poll: -1, Blind: func(err error) {
		if err != nil {
			d.log.Warn("files are seen only when their flow is due", "dir", dir, "error", err)
		}
	}}
	w.Run(ctx, changed)
}

// socketPath is where a daemon listens: in its runtime directory, or beside its state.
func (a *app) socketPath(set *rules.Ruleset) string {
	const name = "headgate.sock"
	switch runtime := os.Getenv("RUNTIME_DIRECTORY"); {
	case a.socket != "":
		return a.socket
	case runtime != "":
		return filepath.Join(runtime, name)
	}
	path, err := filepath.Abs(filepath.Join(a.statePath(set), name))
	if err != nil {
		panic(fmt.Sprintf("the working directory has no name: %v", err))
	}
	return path
}
