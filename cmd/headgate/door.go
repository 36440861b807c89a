package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/audit"
	"headgate/engine/control"
	"headgate/engine/exceptions"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

// serviceSocket is where the daemon of the packaged unit listens.
const serviceSocket = "/run/headgate/headgate.sock"

// access says what a command does with the state when no daemon holds it.
type access bool

const (
	reads access = false
	acts  access = true
)

// door opens the way to ask: the daemon that holds the state, or the state itself.
func (a *app) door(ctx context.Context, what access) (control.Door, error) {
	if d, err := a.daemonDoor(ctx); d != nil || err != nil {
		return d, err
	}
	set, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return nil, err
	}
	d, err := a.inside(ctx, set, what)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w\n  ask the daemon instead: become one of the group that may use its socket, or name it with --socket", err)
	}
	return d, err
}

// daemonDoor returns the door to a running daemon, nil where none runs: the one that
// --socket names, or the one that holds the state.
func (a *app) daemonDoor(ctx context.Context) (control.Door, error) {
	if a.socket != "" {
		d, err := control.Connect(ctx, a.socket)
		if err != nil {
			return nil, &exit{exitUnreachable, fmt.Errorf("%w: is it running, and may you use its socket?", err)}
		}
		return d, nil
	}
	dir := a.stateDir
	if dir == "" {
		if files, err := load.Read(a.config); err == nil {
			dir = a.stateAt(a.config, load.StateDir(files))
		}
	}
	socket := ""
	if dir != "" {
		socket = state.SocketOf(dir)
	}
	if _, err := os.Stat(dir); socket == "" && (dir == "" || dir == defaultState || errors.Is(err, os.ErrPermission)) {
		socket = serviceSocket
	}
	if socket == "" {
		return nil, nil
	}
	if d, err := control.Connect(ctx, socket); err == nil {
		return d, nil
	}
	return nil, nil // it is gone, and its socket or note with it: the state is free, or says who holds it
}

// inside opens the state and answers in this process.
func (a *app) inside(ctx context.Context, set *rules.Ruleset, what access) (control.Door, error) {
	var s engine.State
	var log engine.ExceptionLog
	var closers []func() error
	var kept control.Auditor
	var keeper control.Keeper
	if what == acts {
		db, l, err := a.writable(ctx, set)
		if err != nil {
			return nil, err
		}
		acts, err := audit.Open(a.statePath(set), time.Now)
		if err != nil {
			return nil, errors.Join(err, l.Close(), db.Close())
		}
		s, log, closers, kept = db, l, []func() error{acts.Close, l.Close, db.Close}, acts
		keeper = a.keeper(set, db)
	} else {
		db, closeState, err := planState(a.statePath(set))
		if err != nil {
			return nil, err
		}
		s, closers = db, []func() error{closeState}
	}
	e := a.engine(set, s, log)
	closers = append([]func() error{e.Close}, closers...)
	service := a.service(e, s, kept)
	service.Keeper = keeper
	return &control.Inside{Service: service, Actor: control.ActorOf(os.Getuid()), Closer: func() error {
		var errs []error
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}}, nil
}

// service is what both doors lead to.
func (a *app) service(e *engine.Engine, s engine.State, kept control.Auditor) *control.Service {
	return &control.Service{
		Engine: e, State: s, Exceptions: a.exceptionsDir(e.Ruleset()), Acts: a.statePath(e.Ruleset()), Audit: kept, Now: time.Now,
		Room: func() error { return a.roomOf(e.Ruleset()).check() }, Spare: func() error { return a.roomOf(e.Ruleset()).spare() },
		Compile: compile, Secret: a.secret, Backups: func() string { return a.backupDir(e.Ruleset()) },
		Other: func(set *rules.Ruleset) *engine.Engine { return a.engine(set, s, nil) },
	}
}

// compile compiles files that came with a request.
func compile(dir string, files []control.File) (*rules.Ruleset, error) {
	read := make([]load.File, len(files))
	for i, f := range files {
		read[i] = load.File{Name: filepath.Base(f.Name), Bytes: f.Bytes}
	}
	set, diags := load.Load(dir, read, builtin.Kinds())
	if diags.HasErrors() {
		return nil, errors.New(errorsOnly(diags).String())
	}
	return set, nil
}

// errorsOnly leaves out warnings.
func errorsOnly(diags load.Diagnostics) load.Diagnostics {
	var wrong load.Diagnostics
	for _, d := range diags {
		if d.Severity == load.Error {
			wrong = append(wrong, d)
		}
	}
	return wrong
}

// ask opens the door, asks once, and closes it.
func (a *app) ask(ctx context.Context, what access, verb string, request, answer any) error {
	d, err := a.door(ctx, what)
	if err != nil {
		return err
	}
	return errors.Join(a.refused(d.Ask(ctx, verb, request, answer)), d.Close())
}

// refused gives an error that passed the door its exit code.
func (a *app) refused(err error) error {
	told, ok := errors.AsType[*control.Error](err)
	if !ok {
		return err
	}
	code := exitFailed
	switch told.Code {
	case control.Usage:
		code = exitUsage
	case control.BadRuleset:
		code = exitBadRuleset
	case control.Uncertain:
		code = exitUncertain
	}
	text := told.Message
	if told.Hint != "" {
		text += "\n  " + told.Hint
	}
	return &exit{code, errors.New(text)}
}

// files reads a ruleset's files, to go with a request.
func (a *app) files(dir string) ([]control.File, error) {
	read, err := load.Read(dir)
	if err != nil {
		return nil, err
	}
	if len(read) == 0 {
		return nil, usage("%s holds no *.hcl file", dir)
	}
	files := make([]control.File, len(read))
	for i, f := range read {
		files[i] = control.File{Name: f.Name, Bytes: f.Bytes}
	}
	return files, nil
}

var _ engine.ExceptionLog = (*exceptions.Log)(nil)
