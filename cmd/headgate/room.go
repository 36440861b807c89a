package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"headgate/rules"
)

// ballastName is a file of nothing that is given up when the disk is full, so that
// what is under way can be settled and told.
const ballastName = "ballast"

// room watches the disk of the state.
type room struct {
	dir     string
	ballast int64
}

func (a *app) roomOf(set *rules.Ruleset) *room {
	return &room{dir: a.statePath(set), ballast: set.Settings.Ballast}
}

// least is how much has to be free before a batch.
func (r *room) least() int64 { return 4 * r.ballast }

// check reports that the disk is nearly full, before it is. Its ballast goes when there
// is less than that free, and comes back when there is room for it again.
func (r *room) check() error {
	free, err := r.free()
	if err != nil {
		return err
	}
	path := filepath.Join(r.dir, ballastName)
	if free < r.ballast {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("give up the ballast: %w", err)
		}
	}
	if free < r.least() {
		return fmt.Errorf("only %d MiB are free in %s, and %d are needed: make room: nothing was lost, and it goes on when there is", free>>20, r.dir, r.least()>>20)
	}
	return nil
}

// keep makes the ballast, where there is room for it.
func (r *room) keep() error {
	path := filepath.Join(r.dir, ballastName)
	if info, err := os.Stat(path); err == nil && info.Size() == r.ballast {
		return nil
	}
	if free, err := r.free(); err != nil || free < r.least()+r.ballast {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep a ballast: %w", err)
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, r.ballast)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		err = nil // a file system that keeps no promise of room: it goes without
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("keep a ballast: %w", err), os.Remove(path))
	}
	return nil
}

func (r *room) free() (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(r.dir, &fs); err != nil {
		return 0, fmt.Errorf("ask how much room is left in %s: %w", r.dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}
