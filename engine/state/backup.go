package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"headgate/engine/durable"
)

const (
	backupName = "headgate-"
	backupTime = "20060102T150405.000Z" // two within a second are two
	backupEnd  = ".db"
)

// Backup copies the state as it is now into the file, which gets its name when verify
// found it good. Settling goes on meanwhile.
func (db *DB) Backup(path string, verify func(path string) error) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("back up the state: %s is there already", path))
	}
	fresh := path + ".new"
	err := db.copyTo(fresh)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("back up the state: a backup that did not come to its end is in the way: %w", err)
	}
	if err == nil {
		err = verify(fresh)
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("back up the state: %w", err)
	}
	return durable.SyncDir(filepath.Dir(path))
}

// copyTo copies all pages into a file that says when that was.
func (db *DB) copyTo(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // whoever asks for a backup overwrites nothing
	if err != nil {
		return err
	}
	taken := db.Now().UTC()
	err = db.view(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return setTaken(path, taken, false)
}

// setTaken makes a copy of a state a backup that was taken then, if it is none yet or
// anew is asked for.
func setTaken(path string, taken time.Time, keep bool) error {
	return guarded(func() error {
		b, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return err
		}
		return errors.Join(b.Update(func(tx *bolt.Tx) error {
			id, err := readIdentity(tx)
			if err != nil || keep && !id.Taken.IsZero() && id.Restored.IsZero() {
				return err
			}
			id.Taken, id.Restored = taken, time.Time{}
			return writeIdentity(tx, id)
		}), b.Close())
	})
}

// BackupName names a backup that is taken now.
func BackupName(now time.Time) string { return backupName + now.UTC().Format(backupTime) + backupEnd }

// Backups returns the backups in dir, the newest first.
func Backups(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range slices.Backward(entries) {
		if _, ok := BackupTime(e.Name()); ok {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, err
}

// BackupTime returns when a backup was taken, as its name says.
func BackupTime(path string) (time.Time, bool) {
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), backupName), backupEnd)
	taken, err := time.Parse(backupTime, name)
	return taken, err == nil && BackupName(taken) == filepath.Base(path)
}

// PruneBackups removes all backups in dir but so many of the newest, and what was left
// of those that did not come to their end.
func PruneBackups(dir string, keep int) error {
	paths, err := Backups(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range paths[min(keep, len(paths)):] {
		errs = append(errs, os.Remove(path))
	}
	left, err := filepath.Glob(filepath.Join(dir, backupName+"*"+backupEnd+".new"))
	for _, path := range left {
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(append(errs, err)...)
}

// Restore puts a good backup in the place of the state in dir, in the mode of R12, and
// moves what was there aside. No other process may have the state.
func Restore(dir, backup string, now time.Time) (aside string, err error) {
	path := filepath.Join(dir, FileName)
	held, err := lock(path)
	if err != nil {
		return "", fmt.Errorf("restore %s: %w", backup, err)
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := ownBackup(dir, backup); err != nil {
		return "", fmt.Errorf("restore %s: %w", backup, err)
	}
	fresh := fmt.Sprintf("%s.new-%d", path, os.Getpid())
	if err := copyFile(backup, fresh); err != nil {
		return "", errors.Join(fmt.Errorf("restore %s: %w", backup, err), os.Remove(fresh))
	}
	if err := setTaken(fresh, changedAt(backup), true); err != nil {
		return "", errors.Join(fmt.Errorf("restore %s: %w", backup, err), os.Remove(fresh))
	}
	aside, err = setAside(path, now)
	if err != nil {
		return "", err
	}
	if err := os.Rename(fresh, path); err != nil { // what was there has another name already: there is a state at all times
		return "", err
	}
	return aside, durable.SyncDir(dir)
}

// setAside gives the state another name too, where there is one.
func setAside(path string, now time.Time) (string, error) {
	for n := range 100 {
		aside := path + ".aside-" + now.UTC().Format(backupTime)
		if n > 0 {
			aside = fmt.Sprintf("%s-%d", aside, n)
		}
		err := os.Link(path, aside)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", nil
		case !errors.Is(err, fs.ErrExist):
			return aside, err
		}
	}
	return "", fmt.Errorf("move %s aside: all names are taken", path)
}

// ownBackup refuses a backup of another installation.
func ownBackup(dir, backup string) error {
	beside, err := readInstall(dir)
	if err != nil || beside.ID == "" {
		return err
	}
	b, err := openWhole(backup, true)
	if err != nil {
		return err
	}
	return errors.Join(guarded(func() error {
		return b.View(func(tx *bolt.Tx) error {
			id, err := readIdentity(tx)
			if err == nil && id.ID != "" && id.ID != beside.ID {
				err = fmt.Errorf("%w (%s, and here is %s)", ErrForeign, id.ID, beside.ID)
			}
			return err
		})
	}), b.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close(), in.Close())
}

// lock takes the lock that bbolt takes, on a file that may be damaged or not be there.
func lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%s): stop it first", ErrHeld, holder(filepath.Dir(path))), f.Close())
	}
	return f, nil
}

// Compact rewrites the state in dir without the room that nothing needs any more, if
// verify finds the new file good. No other process may have the state.
func Compact(dir string, verify func(path string) error) (before, after int64, err error) {
	path := filepath.Join(dir, FileName)
	held, err := lock(path)
	if err != nil {
		return 0, 0, fmt.Errorf("compact the state: %w", err)
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	// bbolt would wait for the lock that is held here: it reads a copy.
	fresh := fmt.Sprintf("%s.new-%d", path, os.Getpid())
	whole := fresh + ".read"
	defer func() { _ = os.Remove(whole) }()
	err = copyFile(path, whole)
	if err == nil {
		err = compactInto(whole, fresh)
	}
	if err == nil {
		err = verify(fresh)
	}
	if err != nil {
		return 0, 0, errors.Join(fmt.Errorf("compact the state: %w", err), os.Remove(fresh))
	}
	beside, err := readInstall(dir)
	if err != nil {
		return 0, 0, err
	}
	if beside.Transaction = 0; beside.ID != "" { // they are counted anew
		if err := writeInstall(dir, beside); err != nil {
			return 0, 0, err
		}
	}
	before, after = size(path), size(fresh)
	if err := os.Rename(fresh, path); err != nil {
		return 0, 0, err
	}
	return before, after, durable.SyncDir(dir)
}

// compactStep is how many bytes are written in one transaction.
const compactStep = 1 << 20

func compactInto(from, to string) error {
	return guarded(func() error {
		src, err := openWhole(from, true)
		if err != nil {
			return err
		}
		dst, err := bolt.Open(to, 0o600, nil)
		if err != nil {
			return errors.Join(err, src.Close())
		}
		return errors.Join(bolt.Compact(dst, src, compactStep), dst.Sync(), dst.Close(), src.Close())
	})
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
