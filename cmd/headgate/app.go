package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"headgate/connectors"
	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/notes"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

const defaultState = "/var/lib/headgate"

// app is what all commands share.
type app struct {
	out, err    io.Writer
	config      string
	stateDir    string
	credentials string
	output      string
	asJSON      bool // --json: output is json
	socket      string
	level       slog.LevelVar
}

// load reads and compiles a ruleset. Mistakes are shown; errors among them end
// the command with the given code.
func (a *app) load(dir string, code int) (*rules.Ruleset, error) {
	files, err := load.Read(dir)
	return a.compiled(dir, files, err, code)
}

// compiled compiles files that were read from dir, or could not be read.
func (a *app) compiled(dir string, files []load.File, err error, code int) (*rules.Ruleset, error) {
	if err != nil {
		return nil, &exit{code, fmt.Errorf("%w: give the directory with --config, or make one with `headgate init`", err)}
	}
	set, diags := load.Load(dir, files, builtin.Kinds())
	if !diags.HasErrors() {
		return set, nil
	}
	wrong := errorsOnly(diags)
	_, _ = io.WriteString(a.err, safe(wrong.String()))
	return nil, &exit{code, fmt.Errorf("the ruleset in %s has %s: nothing was done", dir, counted(len(wrong), "mistake"))}
}

// statePath is where the state of a ruleset is kept.
func (a *app) statePath(set *rules.Ruleset) string { return a.stateAt(set.Dir, set.Settings.State) }

// stateAt is where the state is that a ruleset in dir names.
func (a *app) stateAt(dir, named string) string {
	switch {
	case a.stateDir != "":
		return a.stateDir
	case named == "":
		return defaultState
	case filepath.IsAbs(named):
		return named
	}
	return filepath.Join(dir, named)
}

// engine makes an engine of a ruleset over a state.
func (a *app) engine(set *rules.Ruleset, s engine.State, log engine.ExceptionLog) *engine.Engine {
	e := engine.New(engine.Config{
		Ruleset: set, State: s, Exceptions: log, Clock: clock{},
		Jitter: rand.N[time.Duration],
		Log:    a.logger(set),
	})
	e.Open = a.opener(set, e.MayAsk)
	e.Room = lately(func() error { return a.roomOf(e.Ruleset()).begin() })
	return e
}

func (a *app) logger(set *rules.Ruleset) *slog.Logger {
	a.setLevel(set)
	options := &slog.HandlerOptions{Level: &a.level, ReplaceAttr: readable}
	format := set.Settings.Log.Format
	if format == "text" || format == "" && isTerminal(a.err) {
		return slog.New(slog.NewTextHandler(safeWriter{a.err}, options))
	}
	return slog.New(slog.NewJSONHandler(jsonWriter{a.err}, options))
}

// readable writes durations as people do, in JSON too, where they would be nanoseconds.
func readable(_ []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() == slog.KindDuration {
		attr.Value = slog.StringValue(attr.Value.Duration().Round(time.Millisecond).String())
	}
	return attr
}

// setLevel logs from now on what the ruleset wants logged.
func (a *app) setLevel(set *rules.Ruleset) {
	level := slog.LevelInfo
	if text := set.Settings.Log.Level; text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			panic(fmt.Sprintf("a ruleset with log level %q was loaded", text))
		}
	}
	a.level.Set(level)
}

// clock is the real time.
type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// opener opens connectors of their kinds.
func (a *app) opener(set *rules.Ruleset, mayAsk func(*rules.Connector) error) func(*rules.Connector) (connectors.Connector, error) {
	return func(c *rules.Connector) (connectors.Connector, error) {
		for _, kind := range builtin.Kinds() {
			if kind.Name == c.Type {
				return kind.Open(c.Settings, connectors.Tools{Now: time.Now, Timeout: c.Timeout, Wait: waiter(c.Rate, func() error { return mayAsk(c) }), Secret: a.secret, Renew: renewer(a.statePath(set), c.Name), Dir: set.Dir})
			}
		}
		return nil, fmt.Errorf("no connector type is called %q", c.Type)
	}
}

// waiter keeps to a rate of requests, and asks before each whether it may be made.
func waiter(r rules.Rate, mayAsk func() error) func(context.Context) error {
	limiter := rate.NewLimiter(rate.Inf, 1)
	if r.Count > 0 {
		limiter = rate.NewLimiter(rate.Limit(float64(r.Count)/r.Per.Seconds()), 1)
	}
	return func(ctx context.Context) error {
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
		return mayAsk()
	}
}

// secret resolves a secret. A file that others may read is refused.
func (a *app) secret(s connectors.Secret) (string, error) {
	switch s.From {
	case "env":
		v, ok := os.LookupEnv(s.Name)
		if !ok {
			return "", fmt.Errorf("%s: the environment has no such variable", s.Reference())
		}
		return v, nil
	case "credential":
		if a.credentials == "" {
			return "", fmt.Errorf("%s: there is no directory of credentials: use LoadCredential= in the unit, or --credentials", s.Reference())
		}
		others := os.FileMode(0o077)
		if a.credentials == os.Getenv("CREDENTIALS_DIRECTORY") {
			others = 0o007 // systemd may grant a credential by an access list, whose mask is shown as the group's bits
		}
		return secretFile(s, filepath.Join(a.credentials, filepath.Base(s.Name)), others)
	}
	return secretFile(s, s.Name, 0o077)
}

// secretFile reads a secret from a file, unless its mode lets others read it.
func secretFile(s connectors.Secret, path string, others os.FileMode) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Reference(), err)
	}
	if info.Mode().Perm()&others != 0 {
		return "", fmt.Errorf("%s: %s may be read by others: chmod 600 it", s.Reference(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Reference(), err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (a *app) exceptionsDir(set *rules.Ruleset) string {
	return filepath.Join(a.statePath(set), "exceptions")
}

// noted has what e handles noted for the process after this one, which holds what
// this one dies of.
func (a *app) noted(e *engine.Engine, set *rules.Ruleset) (*notes.Notes, error) {
	n, err := notes.Open(filepath.Join(a.statePath(set), "handling"))
	if err != nil {
		return nil, err
	}
	if n.Crashed() {
		e.Log.Error("the process before this one crashed", "trace", n.Trace())
	}
	e.Notes = n
	return n, nil
}

// writable opens state and exception log to be written. The ballast that a process
// before this one left is given up where they would not find room.
func (a *app) writable(ctx context.Context, set *rules.Ruleset) (*state.DB, *exceptions.Log, error) {
	if err := ours(a.statePath(set)); err != nil {
		return nil, nil, err
	}
	room := a.roomOf(set)
	if full(room.begin()) {
		if err := room.spare(); err != nil {
			return nil, nil, noRoom(err)
		}
	}
	db, err := a.sound(ctx, set)
	if err != nil {
		return nil, nil, noRoom(err)
	}
	log, err := exceptions.Open(a.exceptionsDir(set))
	if err != nil {
		_ = db.Close()
		return nil, nil, noRoom(err)
	}
	return db, log, nil
}
