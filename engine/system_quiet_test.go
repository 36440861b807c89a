package engine

import (
	"errors"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// kept are notes of when systems may be asked again.
type kept map[string]time.Time

func (kept) Crashed() bool                                    { return false }
func (kept) Read(string) (note Note, found bool)              { return note, false }
func (kept) Write(string, Note) error                         { return nil }
func (kept) Clear(string) error                               { return nil }
func (k kept) Quiet(system string) time.Time                  { return k[system] }
func (k kept) KeepQuiet(system string, until time.Time) error { k[system] = until; return nil }

// TestQuietOfTheNextProcess: a time that a system asked for holds for the next process
// too, to the second, and never for longer than a day, whatever the system or a clock
// that was wrong says.
func TestQuietOfTheNextProcess(t *testing.T) {
	t.Parallel()
	now := standing{}.Now()
	erp := &rules.Connector{Name: "erp", Retry: rules.Retry{Attempts: 3}}
	for asked, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, 100 * 365 * longestQuiet: longestQuiet} {
		notes := kept{}
		busy := &connectors.Error{Class: connectors.Down, After: asked, Err: errors.New("429")}
		New(Config{Ruleset: &rules.Ruleset{}, Clock: standing{}, Notes: notes}).system(erp).answered(&asking{run: &run{flow: &rules.Flow{}}}, busy, now, whole)
		if got := New(Config{Ruleset: &rules.Ruleset{}, Clock: standing{}, Notes: notes}).system(erp).quiet.until(); got != now.Add(want) {
			t.Errorf("it asked for %s: the next process waits for %s", asked, got.Sub(now))
		}
		notes["erp"] = now.Add(asked)
		if got := New(Config{Ruleset: &rules.Ruleset{}, Clock: standing{}, Notes: notes}).system(erp).quiet.until(); got != now.Add(want) {
			t.Errorf("it is noted for %s: the next process waits for %s", asked, got.Sub(now))
		}
	}
	if got := New(Config{Ruleset: &rules.Ruleset{}, Clock: standing{}, Notes: kept{}}).system(erp).quiet.until(); !got.IsZero() {
		t.Errorf("nothing was asked for, and it waits until %s", got)
	}
}

// TestQuietOfAllDeclarations: what a system says to a message that was on its way when it
// was declared otherwise, all keep to, and what it said before too.
func TestQuietOfAllDeclarations(t *testing.T) {
	t.Parallel()
	now := standing{}.Now()
	e := New(Config{Ruleset: &rules.Ruleset{}, Clock: standing{}})
	was, is := &rules.Connector{Name: "erp", Digest: "1"}, &rules.Connector{Name: "erp", Digest: "2"}
	before, after := e.system(was), e.system(is)
	busy := &connectors.Error{Class: connectors.Down, After: time.Hour, Err: errors.New("429")}
	before.answered(&asking{run: &run{flow: &rules.Flow{}}}, busy, now, whole)
	if before == after || connectors.AfterOf(e.MayAsk(is)) != time.Hour {
		t.Errorf("the new declaration may be asked: %v", e.MayAsk(is))
	}
	e.systems.forget(&rules.Ruleset{}, now)
	if connectors.AfterOf(e.MayAsk(was)) != time.Hour {
		t.Error("it was forgotten though it wants to be left alone")
	}
}
