package state_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

func now() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC) }

func open(t testing.TB, dir string) *state.DB {
	t.Helper()
	db, err := state.Open(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func ledger(t testing.TB, db *state.DB) engine.Ledger {
	t.Helper()
	l, err := db.Ledger("orders", "shop.orders", "erp.orders")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// settlement is one batch of n new keys, of which the first is rejected.
func settlement(batch, n int) *engine.Settlement {
	to := record.Position(fmt.Sprintf("row %d", (batch+1)*n))
	from := record.Position("")
	if batch > 0 {
		from = record.Position(fmt.Sprintf("row %d", batch*n))
	}
	s := &engine.Settlement{
		Journal:  &engine.JournalRow{Part: "a.csv", From: from, To: to, Read: int64(n), Pass: 1, Time: now()},
		Position: &to,
		Header:   &engine.Header{From: "files:in", To: "sqlite:erp", Digest: "d", Pass: 1},
		Intent:   &engine.Intent{Part: "a.csv", From: to, Keys: []record.Key{"\x01next"}, Hashes: []record.Fingerprint{{1, 2}}, Time: now()},
	}
	for i := range n {
		key := record.Key(fmt.Sprintf("\x01A-%09d", batch*n+i))
		e := engine.Entry{Outcome: engine.Created, Delivered: true, Fingerprint: record.Fingerprint{byte(i), 9}, Shape: 7, Hashes: []record.Hash{1, 2, 3}, Version: record.IntValue(int64(i)), Pass: 1}
		if i == 0 {
			e = engine.Entry{Outcome: engine.Rejected, Stopped: record.Fingerprint{8}, Pass: 1}
			s.Open = append(s.Open, engine.OpenRecord{Key: key, Outcome: engine.Rejected, Exception: fmt.Sprint("x", batch), Part: "a.csv", Where: "line 2", Row: record.Row{record.StringValue("ü"), record.NullValue()}, Columns: []string{"a", "b"}, Digest: "d", Since: now()})
			s.Journal.Counts[engine.Rejected]++
		} else {
			s.Journal.Counts[engine.Created]++
			s.ToIDs = append(s.ToIDs, engine.Identifier{Key: key[1:], ID: record.IntValue(int64(batch*n + i))})
		}
		s.Entries = append(s.Entries, engine.KeyEntry{Key: key, Entry: &e})
	}
	return s
}

// TestSettleAndReadBack: what was settled is what is read, also after opening again.
func TestSettleAndReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	for batch := range 3 {
		if err := ledger(t, db).Settle(settlement(batch, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	defer func() { _ = db.Close() }()
	l := ledger(t, db)
	keys := []record.Key{"\x01A-000000000", "\x01A-000000007", "\x01A-000000007x", "\x01A-000000029", "\x01Z"}
	entries := make([]engine.Entry, len(keys))
	if err := l.Find(keys, entries); err != nil {
		t.Fatal(err)
	}
	known := []bool{true, true, false, true, false}
	for i := range entries {
		if entries[i].Known() != known[i] {
			t.Errorf("%q: %+v", keys[i], entries[i])
		}
	}
	want := engine.Entry{Outcome: engine.Created, Delivered: true, Fingerprint: record.Fingerprint{7, 9}, Shape: 7, Hashes: []record.Hash{1, 2, 3}, Version: record.IntValue(7), Pass: 1, Number: 8, Journal: 1}
	if diff := cmp.Diff(want, entries[1], cmp.Comparer(record.Value.Equal)); diff != "" {
		t.Error(diff)
	}
	h, err := l.Header()
	if err != nil || h.Known != 30 || h.Read != 30 || h.Journal != 3 || h.Counts[engine.Created] != 27 {
		t.Errorf("%+v, %v", h, err)
	}
	checkParts(t, db, l)
}

func checkParts(t *testing.T, db *state.DB, l engine.Ledger) {
	if p, err := l.Position("a.csv"); err != nil || p != "row 30" {
		t.Errorf("position %q, %v", p, err)
	}
	if intent, err := l.Intent(); err != nil || intent == nil || intent.Keys[0] != "\x01next" || intent.Hashes[0] != (record.Fingerprint{1, 2}) {
		t.Errorf("intent %+v, %v", intent, err)
	}
	opens, err := l.Opens("", 10)
	if err != nil || len(opens) != 3 || opens[0].Row[0].Str() != "ü" || !opens[0].Row[1].IsNull() || !opens[0].Since.Equal(now()) {
		t.Errorf("opens %+v, %v", opens, err)
	}
	ids := make([]record.Value, 2)
	if err := db.IDs("erp.orders", []record.Key{"A-000000007", "none"}, ids); err != nil || ids[0].Int() != 7 || !ids[1].IsAbsent() {
		t.Errorf("ids %v, %v", ids, err)
	}
	if key, found, err := db.KeyOf("erp.orders", record.StringValue("7")); err != nil || !found || key != "A-000000007" {
		t.Errorf("key of 7 is %q, %v, %v", key, found, err)
	}
	report, err := engine.Verify("orders", l, map[string]bool{"x0": true, "x1": true, "x2": true})
	if err != nil || len(report.Violations) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestRewind: a position moved by hand has a journal row, and the ledger verifies.
func TestRewind(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	l := ledger(t, db)
	if err := l.Settle(settlement(0, 5)); err != nil {
		t.Fatal(err)
	}
	if err := l.SetPosition("a.csv", "", "the file was wrong"); err != nil {
		t.Fatal(err)
	}
	rows, err := l.Journal(1, 10)
	if err != nil || len(rows) != 1 || rows[0].Why != "the file was wrong" || rows[0].From != "row 5" {
		t.Errorf("%+v, %v", rows, err)
	}
	if report, err := engine.Verify("orders", l, nil); err != nil || len(report.Violations) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestVerifyFinds: each kind of damage that verify is for is found by it.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*engine.Settlement){
		"outcomes":                 func(s *engine.Settlement) { s.Journal.Read++ },
		"batch before ended":       func(s *engine.Settlement) { s.Journal.From = "elsewhere" },
		"wait, and":                func(s *engine.Settlement) { s.Open = nil },
		"is not in the log":        func(s *engine.Settlement) { s.Open[0].Exception = "unknown" },
		"and its last batch ended": func(s *engine.Settlement) { p := record.Position("beyond"); s.Position = &p },
	}
	for want, damage := range tests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			db := open(t, t.TempDir())
			defer func() { _ = db.Close() }()
			s := settlement(0, 5)
			damage(s)
			if err := ledger(t, db).Settle(s); err != nil {
				t.Fatal(err)
			}
			report, err := engine.Verify("orders", ledger(t, db), map[string]bool{"x0": true})
			if err != nil || !strings.Contains(strings.Join(report.Violations, "\n"), want) {
				t.Errorf("%v, %v", report, err)
			}
		})
	}
}

// TestFlippedBits: a value with any flipped bit is an error, never wrong data.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	if err := ledger(t, db).Settle(settlement(0, 2)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	flip := func(bit int) (more bool) {
		raw, err := bolt.Open(filepath.Join(dir, state.FileName), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = raw.Close() }()
		err = raw.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("ledgers")).Bucket([]byte("orders")).Bucket([]byte("entries"))
			key := []byte("\x01A-000000001")
			v := append([]byte(nil), b.Get(key)...)
			if more = bit/8 < len(v); more {
				v[bit/8] ^= 1 << (bit % 8)
			}
			return b.Put(key, v)
		})
		if err != nil {
			t.Fatal(err)
		}
		return more
	}
	for bit := 0; flip(bit); bit += 5 {
		db := open(t, dir)
		err := ledger(t, db).Find([]record.Key{"\x01A-000000001"}, make([]engine.Entry, 1))
		if _, damaged := errors.AsType[*state.DamagedError](err); !damaged {
			t.Fatalf("bit %d: %v", bit, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		flip(bit) // back
	}
}

// TestSecondHolder: a second process is told who holds the state.
func TestSecondHolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	defer func() { _ = db.Close() }()
	_, err := state.Open(dir, now)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Error(err)
	}
	if _, err := state.OpenReadOnly(t.TempDir(), now); !state.Missing(err) {
		t.Error(err)
	}
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, state.FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(empty, now); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Error(err)
	}
}

// TestKilled: a process that settles without end is killed thirty times; every time
// what is left verifies.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("HEADGATE_TEST_SETTLE"); dir != "" {
		settleForever(t, dir)
	}
	t.Parallel()
	dir := t.TempDir()
	for kill := range 30 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "HEADGATE_TEST_SETTLE="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		before := size(dir)
		for deadline := time.Now().Add(10 * time.Second); size(dir) == before && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
		<-time.After(time.Duration(kill%7) * time.Millisecond)
		_ = child.Process.Kill()
		_ = child.Wait()
		db := open(t, dir)
		report, err := engine.Verify("orders", ledger(t, db), nil)
		if err != nil || len(report.Violations) > 0 {
			t.Fatalf("after kill %d: %+v, %v", kill, report, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func size(dir string) int64 {
	info, err := os.Stat(filepath.Join(dir, state.FileName))
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

func settleForever(t *testing.T, dir string) {
	db := open(t, dir)
	h, err := ledger(t, db).Header()
	if err != nil {
		t.Fatal(err)
	}
	for batch := int(h.Journal); ; batch++ {
		if err := ledger(t, db).Settle(settlement(batch, 50)); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkSettle settles batches of 1,000: of growing keys, and of any of the
// 200,000 there are.
func BenchmarkSettle(b *testing.B) {
	for _, order := range []string{"growing", "any"} {
		b.Run(order, func(b *testing.B) {
			db := open(b, b.TempDir())
			defer func() { _ = db.Close() }()
			l, batch := ledger(b, db), 0
			settle := func(keys func(i int) int) {
				s := settlement(batch, 1000)
				s.ToIDs, s.Open = nil, nil
				for i := range s.Entries {
					s.Entries[i].Key = record.Key(fmt.Sprintf("\x01A-%09d", keys(i)))
					s.Entries[i].Entry.Hashes = make([]record.Hash, 10)
				}
				slices.SortFunc(s.Entries, func(a, b engine.KeyEntry) int { return strings.Compare(string(a.Key), string(b.Key)) })
				s.Entries = slices.CompactFunc(s.Entries, func(a, b engine.KeyEntry) bool { return a.Key == b.Key })
				if err := l.Settle(s); err != nil {
					b.Fatal(err)
				}
				batch++
			}
			next := func(i int) int { return batch*1000 + i }
			if order == "any" {
				for batch < 200 {
					settle(next)
				}
				any := rand.New(rand.NewPCG(1, 2))
				next = func(int) int { return any.IntN(200_000) }
			}
			for b.Loop() {
				settle(next)
			}
		})
	}
}

// TestForgottenID: an id that is not known any more names nothing, and still leads to the
// record that had it.
func TestForgottenID(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	l, name := ledger(t, db), record.Key("A-1")
	for _, id := range []record.Value{record.IntValue(7), {}} {
		if err := l.Settle(&engine.Settlement{ToIDs: []engine.Identifier{{Key: name, ID: id}}}); err != nil {
			t.Fatal(err)
		}
		ids := make([]record.Value, 1)
		if err := db.IDs("erp.orders", []record.Key{name}, ids); err != nil || !ids[0].Equal(id) {
			t.Errorf("its id is %s, %v, want %s", ids[0].Text(), err, id.Text())
		}
		if key, known, err := db.KeyOf("erp.orders", record.IntValue(7)); err != nil || !known || key != name {
			t.Errorf("7 leads to %q, %v, %v", key, known, err)
		}
	}
}
