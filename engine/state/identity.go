package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

var (
	metaBucket  = []byte("meta")
	identityKey = []byte("identity")
)

// ErrForeign says that a state belongs to another installation: what it knows was
// delivered elsewhere.
var ErrForeign = errors.New("it belongs to another installation")

// identity is what a state knows of itself.
type identity struct {
	ID       string    // of the installation, given once
	Taken    time.Time // when the backup was taken that this is, or was; zero: it never was one
	Restored time.Time // since when it is in use again; zero: it is a backup
}

func readIdentity(tx *bolt.Tx) (id identity, err error) {
	b := tx.Bucket(metaBucket)
	if b == nil {
		return id, nil
	}
	v := b.Get(identityKey)
	if v == nil {
		return id, nil
	}
	if err := unsealJSON(v, &id); err != nil {
		return id, &DamagedError{Bucket: "meta", Key: string(identityKey), Err: err}
	}
	return id, nil
}

func writeIdentity(tx *bolt.Tx, id identity) error {
	b, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	sealed, err := sealedJSON(id)
	if err != nil {
		return err
	}
	return b.Put(identityKey, sealed)
}

// identify compares the state with what is noted beside it. A state that is older
// than that, or a backup, is a restored one from now on (R12).
func (db *DB) identify(changed time.Time) error {
	beside, err := readInstall(db.dir)
	if err != nil {
		return err
	}
	var at int
	if err := db.view(func(tx *bolt.Tx) error {
		at = tx.ID()
		db.identity, err = readIdentity(tx)
		return err
	}); err != nil {
		return err
	}
	id := db.identity
	switch {
	case id.ID == "" && beside.ID != "":
		id.ID = beside.ID
	case id.ID == "":
		id.ID = rand.Text()
	case beside.ID != "" && beside.ID != id.ID:
		return fmt.Errorf("open the state in %s: %w (%s, and here is %s): put back its own, or move %s away if this one is to be used here",
			db.dir, ErrForeign, id.ID, beside.ID, filepath.Join(db.dir, installName))
	}
	if !id.Taken.IsZero() && id.Restored.IsZero() {
		id.Restored = db.Now()
	} else if at < beside.Transaction {
		id.Taken, id.Restored = changed, db.Now()
	}
	if id != db.identity {
		if err := db.update(func(tx *bolt.Tx) error { return writeIdentity(tx, id) }); err != nil {
			return err
		}
		db.identity = id
	}
	return db.noteInstall()
}

// noteInstall notes beside the state how far it is.
func (db *DB) noteInstall() error {
	i := install{ID: db.identity.ID}
	if err := db.view(func(tx *bolt.Tx) error { i.Transaction = tx.ID(); return nil }); err != nil {
		return err
	}
	if err := writeInstall(db.dir, i); err != nil {
		return fmt.Errorf("note whose the state is: %w", err)
	}
	return nil
}

// Restored implements engine.Restorable.
func (db *DB) Restored() (taken time.Time) {
	if db.identity.Restored.IsZero() {
		return time.Time{}
	}
	return db.identity.Taken
}

// RestoredAt returns when the state was restored last; zero: it never was.
func (db *DB) RestoredAt() time.Time { return db.identity.Restored }

// changedAt is when the file was written last.
func changedAt(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC()
}
