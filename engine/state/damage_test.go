package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// damaged makes a state of some batches, closes it, and changes its file, without the
// room that was kept at its end.
func damaged(t *testing.T, change func(file []byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	db := open(t, dir)
	for batch := range 20 {
		if err := ledger(t, db).Settle(settlement(batch, 200)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, state.FileName)
	used, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	if err := errors.Join(used.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }), used.Close(), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readAll opens a state, reads all of it and settles one more batch.
func readAll(dir string) error {
	db, err := state.Open(dir, now)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	l, err := db.Ledger("orders", "shop.orders", "erp.orders")
	if err != nil {
		return err
	}
	if _, err := engine.Verify("orders", l, nil); err != nil {
		return err
	}
	keys := []record.Key{"\x01A-000000007", "\x01A-000002007"}
	if err := l.Find(keys, make([]engine.Entry, len(keys))); err != nil {
		return err
	}
	if err := db.IDs("erp.orders", []record.Key{"A-000000007"}, make([]record.Value, 1)); err != nil {
		return err
	}
	return l.Settle(settlement(20, 200))
}

// TestTruncated: a state that lost its end is told as that. It is mapped into memory:
// reading behind its end would end the process.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, keep := range []func(size int) int{
		func(size int) int { return size - size/2 }, func(size int) int { return size - size/3 },
		func(size int) int { return size - size/10 }, func(size int) int { return size - size/100 },
		func(int) int { return 1 }, func(int) int { return 100 }, func(int) int { return 4096 }, func(int) int { return 5000 }, func(int) int { return 9000 },
	} {
		dir := damaged(t, func(file []byte) []byte { return file[:keep(len(file))] })
		before, _ := os.ReadFile(filepath.Join(dir, state.FileName))
		if err := readAll(dir); !state.Damaged(err) || !strings.Contains(err.Error(), "the file is damaged") || !strings.Contains(err.Error(), "newest good backup") {
			t.Errorf("with %d bytes: %v", len(before), err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, state.FileName)); string(after) != string(before) {
			t.Error("the damaged file was changed")
		}
	}
}

// TestScribbledPages: pages of zeros or of noise are an error, and never the end of
// the process.
func TestScribbledPages(t *testing.T) {
	t.Parallel()
	for name, scribble := range map[string]func(int) byte{"zeros": func(int) byte { return 0 }, "noise": func(i int) byte { return byte(i*7919>>3) | 1 }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := 0
			for from := 2; from < 40; from += 3 {
				dir := damaged(t, func(file []byte) []byte {
					for i := from * 4096; i < min((from+2)*4096, len(file)); i++ {
						file[i] = scribble(i)
					}
					return file
				})
				if err := readAll(dir); err != nil {
					told++
				}
			}
			if told == 0 {
				t.Error("no damage was told")
			}
		})
	}
}

// TestLostKeys: keys have no checksum, and a page of them that took the place of another
// is sound in itself: a check counts them.
func TestLostKeys(t *testing.T) {
	t.Parallel()
	dir := damaged(t, func(file []byte) []byte { return file })
	path := filepath.Join(dir, state.FileName)
	if _, err := state.Check(path); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("ledgers")).Bucket([]byte("orders")).Bucket([]byte("entries")).Delete([]byte("\x01A-000000007"))
	}), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Check(path); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "ledger orders knows 3999 of its 4000 keys") {
		t.Errorf("a key is gone: %v", err)
	}
}
