package state

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"headgate/engine"
)

// errBroken ends every message of a file that bbolt cannot read any more.
var errBroken = errors.New("the file is damaged: keep it; a run sets it aside and takes the newest good backup, where there is one")

// mapped is how much of the file has its addresses from the start. Each time bbolt
// outgrows them it waits for all readers and copies what it holds in memory.
const mapped = 256 << 20

// guarded runs what reads mapped pages. In a damaged file bbolt panics, and behind
// its end a read is a fault that would end the process: both are errors here.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w (%v)", errBroken, r)
		}
	}()
	return f()
}

// openWhole opens the file, if it has all the pages that it says it has. It is
// looked at before it is opened to be written: nothing of a damaged file is changed.
func openWhole(path string, readOnly bool) (b *bolt.DB, err error) {
	options := bolt.Options{Timeout: lockWait, ReadOnly: true, FreelistType: bolt.FreelistMapType}
	err = guarded(func() error {
		if b, err = bolt.Open(path, 0o600, &options); err != nil {
			return unreadable(err)
		}
		if err := whole(b, path); err != nil {
			return errors.Join(err, b.Close())
		}
		if readOnly {
			return nil
		}
		if err := b.Close(); err != nil {
			return err
		}
		options.ReadOnly, options.InitialMmapSize = false, mapped
		b, err = bolt.Open(path, 0o600, &options)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// unreadable is why bbolt did not open a file: what is not the system's no, and not
// another process's lock, is about what the file holds.
func unreadable(err error) error {
	if _, system := errors.AsType[syscall.Errno](err); system || errors.Is(err, berrors.ErrTimeout) {
		return err
	}
	return fmt.Errorf("%w (%w)", errBroken, err)
}

func whole(b *bolt.DB, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return b.View(func(tx *bolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("%w (it has %d bytes of %d)", errBroken, info.Size(), tx.Size())
		}
		return nil
	})
}

func (db *DB) view(f func(*bolt.Tx) error) error {
	if err := db.uncertain(); err != nil {
		return err
	}
	err := db.noted(guarded(func() error { return db.bolt.View(f) }))
	if !db.readOnly && Damaged(err) { // the process that comes next checks it, and restores a backup
		db.failed.CompareAndSwap(nil, &err)
		return db.uncertain()
	}
	return err
}

// update commits one transaction. After an error nobody knows what the file holds,
// and nothing is read from it or written to it any more (R4).
func (db *DB) update(f func(*bolt.Tx) error) error {
	if err := db.uncertain(); err != nil {
		return err
	}
	if err := db.noted(guarded(func() error { return db.bolt.Update(f) })); err != nil {
		db.failed.CompareAndSwap(nil, &err)
		return db.uncertain()
	}
	return nil
}

// uncertain says why nothing is read or written any more.
func (db *DB) uncertain() error {
	if why := db.failed.Load(); why != nil {
		return fmt.Errorf("%w: %w", engine.ErrStateUncertain, *why)
	}
	return nil
}

// noted remembers that bbolt fell over the file: it may still hold its locks.
func (db *DB) noted(err error) error {
	if errors.Is(err, errBroken) {
		db.broken.Store(true)
		db.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// Close closes the state. One that bbolt fell over is left to the end of the process:
// closing would wait for its locks. Only after a clean close the next process opens the
// state without a check.
func (db *DB) Close() error {
	if db.broken.Load() {
		return nil
	}
	if db.readOnly || db.failed.Load() != nil {
		return db.bolt.Close()
	}
	noted := db.noteInstall()
	if err := errors.Join(noted, db.bolt.Close()); err != nil {
		return err
	}
	return unmark(db.dir)
}
