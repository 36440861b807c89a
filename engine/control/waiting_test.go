package control_test

import (
	"context"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/control"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
)

// TestWaitingAfterCrash: a crash came between the log, in which one content of a record
// took the place of another, and the state, which knows of the first only. That one
// waits, and nothing is wrong.
func TestWaitingAfterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := state.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	log, err := exceptions.Open(dir + "/exceptions")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = log.Close(), db.Close() }()
	l, err := db.Ledger("orders", "shop.orders", "erp.orders")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	line := func(id, closed string) engine.Exception {
		return engine.Exception{ID: id, Flow: "orders", Key: "A-1", Time: now, Outcome: engine.Rejected, Closed: closed}
	}
	key := record.Key("A-1")
	counts := engine.Counts{engine.Rejected: 1}
	settled := &engine.Settlement{
		Journal: &engine.JournalRow{Read: 1, Counts: counts, Time: now},
		Entries: []engine.KeyEntry{{Key: key, Entry: &engine.Entry{Outcome: engine.Rejected, Stopped: record.Fingerprint{1}}}},
		Open:    []engine.OpenRecord{{Key: key, Outcome: engine.Rejected, Exception: "first", Since: now}},
	}
	if err := log.Append([]engine.Exception{line("first", "")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Settle(settled); err != nil {
		t.Fatal(err)
	}
	if err := log.Append([]engine.Exception{line("first", "superseded"), line("second", "")}); err != nil {
		t.Fatal(err)
	}

	s := &control.Service{Engine: engine.New(engine.Config{Ruleset: &rules.Ruleset{}}), State: db, Exceptions: dir + "/exceptions"}
	list, err := s.List(context.Background(), engine.Actor{}, &control.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Exceptions) != 1 || list.Exceptions[0].ID != "first" || list.Exceptions[0].Closed != "" {
		t.Errorf("what waits: %+v", list.Exceptions)
	}
	found, err := s.Verify(context.Background(), engine.Actor{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := found.Violations(); n > 0 {
		t.Errorf("%d violations: %+v", n, found.Ledgers)
	}
	if notes := found.Ledgers[0].Notes; len(notes) != 2 {
		t.Errorf("notes: %q", notes)
	}
}
