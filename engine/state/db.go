package state

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"headgate/engine"
	"headgate/engine/durable"
	"headgate/engine/record"
)

// FileName is the name of the state file in the state directory.
const FileName = "headgate.db"

// lockWait is how long opening waits for another process to let go of the file.
const lockWait = 2 * time.Second

var (
	ledgersBucket = []byte("ledgers")
	idsBucket     = []byte("ids")
	linksBucket   = []byte("links")
)

// DB is the state of one installation: all its ledgers in one file. It is safe for
// use by many goroutines.
type DB struct {
	Now      func() time.Time
	dir      string
	bolt     *bolt.DB
	identity identity
	readOnly bool
	failed   atomic.Pointer[error] // why nothing is read or written any more; nil: it is
	broken   atomic.Bool           // bbolt fell over the file
}

// Open opens the state in dir for one process, making it when it is new.
func Open(dir string, now func() time.Time) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	if lost, err := gone(dir); err != nil || lost {
		return nil, errors.Join(err, fmt.Errorf("open the state: %w: %s is gone, and was there before", ErrDamaged, filepath.Join(dir, FileName)))
	}
	if err := makeNew(filepath.Join(dir, FileName)); err != nil {
		return nil, fmt.Errorf("make the state: %w", err)
	}
	return open(dir, now, false)
}

// makeNew makes an empty state under another name and then gives it its own: a
// process killed meanwhile leaves no half-made state, so that an empty file always
// means that something was lost.
func makeNew(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := fmt.Sprintf("%s.new-%d", path, os.Getpid())
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := bolt.Open(fresh, 0o600, nil)
	if err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(os.Remove(fresh), durable.SyncDir(filepath.Dir(path)))
}

// OpenReadOnly opens the state in dir to be read, beside other readers. A state
// that was never written is an error that wraps fs.ErrNotExist.
func OpenReadOnly(dir string, now func() time.Time) (*DB, error) {
	if _, err := os.Stat(filepath.Join(dir, FileName)); err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	return open(dir, now, true)
}

func open(dir string, now func() time.Time, readOnly bool) (*DB, error) {
	path := filepath.Join(dir, FileName)
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return nil, fmt.Errorf("open the state %s: %w: the file is empty: restore a backup, or move its directory away to begin anew", path, ErrDamaged)
	}
	changed := changedAt(path)
	b, err := openWhole(path, readOnly)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open the state %s: %w (%s): stop it first, or ask it", path, ErrHeld, holder(dir))
	case errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("open the state %s: it is on a file system that may only be read: mount it to be written; what only reads works meanwhile: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("open the state %s: %w", path, err)
	}
	db := &DB{bolt: b, Now: now, dir: dir, readOnly: readOnly}
	if readOnly {
		err = db.view(func(tx *bolt.Tx) error {
			db.identity, err = readIdentity(tx)
			return err
		})
	} else {
		err = db.begin(changed)
	}
	if err != nil && !db.broken.Load() {
		err = errors.Join(err, db.bolt.Close())
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// begin notes that the state is in use, before anything of it is changed.
func (db *DB) begin(changed time.Time) error {
	if err := db.Announce(""); err != nil {
		return err
	}
	if err := durable.Replace(filepath.Join(db.dir, markName), nil); err != nil {
		return fmt.Errorf("note that the state is in use: %w", err)
	}
	return db.identify(changed)
}

// Announce notes beside the state who holds it, and the socket on which to ask it,
// "" where there is none.
func (db *DB) Announce(socket string) error {
	note := fmt.Sprintf("process %d\n", os.Getpid())
	if socket != "" {
		note += socketNote + socket + "\n"
	}
	if err := os.WriteFile(filepath.Join(db.dir, lockName), []byte(note), 0o600); err != nil {
		return fmt.Errorf("note who holds the state: %w", err)
	}
	return nil
}

const (
	lockName   = "lock"
	socketNote = "socket "
)

// SocketOf returns the socket that was announced last beside the state in dir, "" when none was.
func SocketOf(dir string) string {
	note, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(note)) {
		if socket, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), socketNote); ok {
			return socket
		}
	}
	return ""
}

// holder says who noted last that it holds the state.
func holder(dir string) string {
	note, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil {
		return "it left no note of itself"
	}
	return strings.ReplaceAll(strings.TrimSpace(string(note)), "\n", ", ")
}

// Ledger implements engine.State. The ledger is made when something is settled.
func (db *DB) Ledger(name, from, to string) (engine.Ledger, error) {
	return &ledger{db: db, name: name, from: from, to: to}, nil
}

// Ledgers implements engine.State.
func (db *DB) Ledgers() (names []string, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		owners, err := ledgerNames(tx)
		names = slices.Sorted(maps.Values(owners))
		return err
	})
	return names, err
}

// Drop implements engine.State.
func (db *DB) Drop(name string) error {
	names, err := db.Ledgers()
	if err != nil {
		return err
	}
	for _, n := range names {
		if n == name {
			return db.update(func(tx *bolt.Tx) error {
				return tx.Bucket(ledgersBucket).DeleteBucket([]byte(bucketName(tx, name)))
			})
		}
	}
	return nil
}

// IDs implements engine.State.
func (db *DB) IDs(resource string, keys []record.Key, ids []record.Value) error {
	clear(ids)
	return db.resourceView(idsBucket, resource, func(b *bolt.Bucket) error {
		for i, key := range keys {
			v := b.Get([]byte(key))
			if v == nil {
				continue
			}
			body, err := unseal(v)
			if err == nil {
				ids[i], _, err = record.DecodeValue(body)
			}
			if err != nil {
				return &DamagedError{Bucket: "ids/" + resource, Key: string(key), Err: err}
			}
		}
		return nil
	})
}

// KeyOf implements engine.State.
func (db *DB) KeyOf(resource string, id record.Value) (key record.Key, found bool, err error) {
	err = db.resourceView(linksBucket, resource, func(b *bolt.Bucket) error {
		v := b.Get(idKey(id))
		if v == nil {
			return nil
		}
		body, err := unseal(v)
		if err != nil {
			return &DamagedError{Bucket: "links/" + resource, Key: id.Text(), Err: err}
		}
		key, found = record.Key(body), true
		return nil
	})
	return key, found, err
}

func (db *DB) resourceView(kind []byte, resource string, f func(*bolt.Bucket) error) error {
	return db.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(kind)
		if b != nil {
			b = b.Bucket([]byte(resource))
		}
		if b == nil {
			return nil
		}
		return f(b)
	})
}

// Missing reports whether err says that there is no state yet.
func Missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

var _ engine.State = (*DB)(nil)
