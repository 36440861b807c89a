package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"headgate/engine"
	"headgate/engine/record"
)

// ErrDamaged says that a state file is not as it was written.
var ErrDamaged = errors.New("the state is damaged")

// ErrHeld says that another process has the state.
var ErrHeld = errors.New("another headgate holds it")

// Damaged reports whether err says that the state is not as it was written.
func Damaged(err error) bool {
	if _, value := errors.AsType[*DamagedError](err); value {
		return true
	}
	return errors.Is(err, ErrDamaged) || errors.Is(err, errBroken)
}

// Checked is what a check read.
type Checked struct {
	File    string    `json:"file"`
	Bytes   int64     `json:"bytes"`
	Ledgers int       `json:"ledgers"`
	Values  int64     `json:"values"`
	Install string    `json:"install,omitempty"`
	Taken   time.Time `json:"taken,omitzero"` // it is a backup, of then
}

// mostFindings is how much of what is wrong with the pages is told.
const mostFindings = 5

// Check reads all of a state file: its pages, and every value against its checksum.
// A damaged file may end the process that reads it or keep it for ever: call it in a
// process of its own.
func Check(path string) (*Checked, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("%w: %s is empty", ErrDamaged, path)
	}
	b, err := openWhole(path, true)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("check %s: %w", path, ErrHeld)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("check the state: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: open %s: %w", ErrDamaged, path, err)
	}
	found := &Checked{File: path, Bytes: info.Size()}
	if err := guarded(func() error { return b.View(found.read) }); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return found, b.Close()
}

func (c *Checked) read(tx *bolt.Tx) error {
	var wrong []error
	for err := range tx.Check() { // to its end: it reads tx until then
		if len(wrong) < mostFindings {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	names, err := ledgerNames(tx)
	if err != nil {
		return err
	}
	id, err := readIdentity(tx)
	if err != nil {
		return err
	}
	c.Ledgers, c.Install = len(names), id.ID
	if id.Restored.IsZero() {
		c.Taken = id.Taken
	}
	if err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if string(name) == string(namesBucket) {
			return nil // names of ledgers, which have no checksum
		}
		return c.values(string(name), b)
	}); err != nil {
		return err
	}
	for _, name := range names {
		if err := complete(tx, name); err != nil {
			return err
		}
	}
	return nil
}

// complete compares what a ledger has with its own counters. Pages that took the place of
// others are sound in themselves, and keys have no checksum: a record that is not known
// any more would be delivered once more.
func complete(tx *bolt.Tx, name string) error {
	l, b := &ledger{name: name}, bucketOf(tx, name)
	if b == nil || b.Bucket(entriesBucket) == nil || b.Bucket(opensBucket) == nil {
		return fmt.Errorf("ledger %s is named, and is not there", name)
	}
	var h engine.Header
	if err := l.readHeader(b, &h); err != nil {
		return err
	}
	var known, stopped, open int64
	var e engine.Entry
	var hashes record.Hashes
	if err := b.Bucket(entriesBucket).ForEach(func(k, v []byte) error {
		if err := decodeEntry(v, &e, &hashes); err != nil {
			return l.damaged(string(entriesBucket), k, err)
		}
		if known++; e.Outcome.Open() {
			stopped++
		}
		return nil
	}); err != nil {
		return err
	}
	if err := b.Bucket(opensBucket).ForEach(func(_, _ []byte) error { open++; return nil }); err != nil {
		return err
	}
	if known != h.Known || open != stopped {
		return fmt.Errorf("ledger %s knows %d of its %d keys, and %d of %d records that wait", name, known, h.Known, open, stopped)
	}
	return nil
}

// values reads a bucket and those in it.
func (c *Checked) values(name string, b *bolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return c.values(name+"/"+string(k), b.Bucket(k))
		}
		c.Values++
		if len(v) == 1 && v[0] == version {
			return nil // a key that is there, and says no more
		}
		if _, err := unseal(v); err != nil {
			return &DamagedError{Bucket: name, Key: string(k), Err: err}
		}
		return nil
	})
}
