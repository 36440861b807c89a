package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/control"
	"headgate/rules"
	"headgate/rules/load"
)

// TestStatusWhileLooking: whoever asks for the status does not wait until the files are read and
// compiled, which takes a while, and for ever where they lie on a system that hangs.
func TestStatusWhileLooking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, text := ruleVersion(1), ruleVersion(2)
	if err := os.WriteFile(filepath.Join(dir, "x.hcl"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	set, diags := load.Load(dir, []load.File{{Name: "x.hcl", Bytes: old}}, builtin.Kinds())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var once sync.Once // it is asked where the state is more than once
	hangs, goesOn := make(chan struct{}), make(chan struct{})
	log := slog.New(slog.DiscardHandler)
	r := &reloader{
		dir: dir, log: log, engine: engine.New(engine.Config{Ruleset: set, State: engine.NoState{}, Log: log}), seen: set.Digest,
		state: func(at *rules.Ruleset) string {
			if at.Digest == digestOf("x.hcl", text) {
				once.Do(func() { close(hangs) })
				<-goesOn
				return "elsewhere"
			}
			return ""
		},
	}
	r.backups = func(*rules.Ruleset) {}
	r.alerts = (&app{}).alerter(set, engine.NoState{}, log)
	looked := make(chan error, 1)
	go func() { looked <- r.look(context.Background(), false) }()
	<-hangs
	told := &control.Daemon{}
	r.tell(told)
	if told.Files != set.Digest || told.Failed != nil || r.wrong() {
		t.Errorf("told %+v while the files are looked at", told)
	}
	close(goesOn)
	if err := <-looked; err == nil {
		t.Error("the state moved while headgate ran")
	}
	if r.tell(told); told.Files != digestOf("x.hcl", text) || told.Failed == nil || !r.wrong() {
		t.Errorf("told %+v after that", told)
	}
}
