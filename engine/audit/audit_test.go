package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/audit"
)

func now() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }

func open(t *testing.T, dir string) *audit.Log {
	t.Helper()
	log, err := audit.Open(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func acts(t *testing.T, dir string) (all []audit.Act) {
	t.Helper()
	for a, err := range audit.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// TestActs: an act keeps who, why and what came of it, and is found by the exception it named.
func TestActs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir)
	first := &audit.Act{Actor: engine.Actor{Name: "ann"}, Act: "dismiss", Why: "a test order"}
	second := &audit.Act{Actor: engine.Actor{Name: "bob"}, Act: "pause", Flow: "orders"}
	for _, a := range []*audit.Act{first, second} {
		if err := log.Begin(a); err != nil {
			t.Fatal(err)
		}
	}
	record := audit.Record{Flow: "orders", Entity: "order", Key: "A", Exception: "x", Became: "dismissed"}
	if err := log.End(first, []byte(`{"n":1}`), []audit.Record{record}, errors.New("not all")); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	all := acts(t, dir)
	if len(all) != 2 || all[0].ID == all[1].ID || !all[0].Ended || all[1].Ended {
		t.Fatalf("%+v", all)
	}
	if all[0].Error != "not all" || string(all[0].Result) != `{"n":1}` || all[0].Why != "a test order" {
		t.Errorf("%+v", all[0])
	}
	if found, err := audit.Naming(dir, map[string]bool{"x": true}); err != nil || len(found) != 1 || found[0].Actor.Name != "ann" {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := audit.Naming(dir, map[string]bool{"y": true}); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestTornAct: a crash in the middle of a line loses nothing that was on disk, and
// the log goes on.
func TestTornAct(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	log := open(t, whole)
	for range 2 {
		if err := log.Begin(&audit.Act{Act: "pause", Flow: "orders"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(whole, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(text) / 2; cut < len(text); cut++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "audit.jsonl"), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		log := open(t, dir)
		if err := log.Begin(&audit.Act{Act: "resume"}); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		all := acts(t, dir)
		if len(all) != 2 || all[0].Act != "pause" || all[1].Act != "resume" {
			t.Fatalf("cut at %d of %d: %+v", cut, len(text), all)
		}
	}
}

// TestAppendOnly: whatever happens, what the log said it goes on saying: nothing is
// rewritten, by acts, by their ends, by opening it again, or by mending a torn line.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	var said []byte // all whole lines there ever were
	still := func(when string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(text, said) {
			t.Fatalf("after %s the log has not what it said before: %q, want %q, %v", when, text, said, err)
		}
		said = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	var torn []byte
	for n := range 5 {
		log := open(t, dir)
		still("opening it")
		act := &audit.Act{Actor: engine.Actor{Name: "ann"}, Act: "pause", Why: strconv.Itoa(n)}
		if err := log.Begin(act); err != nil {
			t.Fatal(err)
		}
		still("an act")
		if err := errors.Join(log.End(act, nil, nil, errors.New("no")), log.Close()); err != nil {
			t.Fatal(err)
		}
		still("its end")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		torn = fmt.Appendf(nil, `{"id":"torn%d`, n)
		if _, err := f.Write(torn); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	still("a torn line")
	if kept, err := os.ReadFile(filepath.Join(dir, "audit-000005.torn")); err != nil || !bytes.Equal(kept, torn) {
		t.Errorf("the torn line is kept as %q, %v", kept, err)
	}
	if all := acts(t, dir); len(all) != 5 || !all[4].Ended {
		t.Errorf("%+v", all)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the log is %v, %v", info.Mode(), err)
	}
}

// TestManyRecords: an act that named very many records is one act, in lines that can
// be read.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir)
	act := &audit.Act{Act: "dismiss"}
	if err := log.Begin(act); err != nil {
		t.Fatal(err)
	}
	named := make([]audit.Record, 25_001)
	for i := range named {
		named[i] = audit.Record{Flow: "orders", Entity: "order", Key: strconv.Itoa(i), Exception: "x" + strconv.Itoa(i), Became: "dismissed"}
	}
	if err := errors.Join(log.End(act, []byte("{}"), named, nil), log.Close()); err != nil {
		t.Fatal(err)
	}
	all := acts(t, dir)
	if len(all) != 1 || !all[0].Ended || !slices.Equal(all[0].Records, named) {
		t.Fatalf("%d acts, the first with %d records", len(all), len(all[0].Records))
	}
	text, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if len(line) > 2<<20 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}
