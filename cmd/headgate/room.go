package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/state"
	"headgate/rules"
)

// ballastName is a file of nothing that is given up when the disk is full, so that
// what is under way can be settled and told, and operators can act.
const ballastName = "ballast"

// room watches the disks that headgate's own files are on.
type room struct {
	dirs    []string // that of the state first; those that are not there yet are on its disk
	files   []string // that are written there
	ballast int64
}

func (a *app) roomOf(set *rules.Ruleset) *room {
	dir, log := a.statePath(set), a.exceptionsDir(set)
	return &room{
		dirs:    []string{dir, log},
		files:   []string{filepath.Join(dir, state.FileName), filepath.Join(log, exceptions.FileName)},
		ballast: set.Settings.Ballast,
	}
}

// least is how much has to be free before a batch.
func (r *room) least() int64 { return 4 * r.ballast }

// check reports that the disk is nearly full, before it is, or may not be written.
func (r *room) check() error { return whenMade(r.has(r.least())) }

// spare reports that there is not even room for what an operator does: the ballast was
// given up, and used up.
func (r *room) spare() error { return whenMade(r.has(r.ballast / 2)) }

func whenMade(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: nothing is lost, and flows go on by themselves then", err)
}

// begin is check before something is begun: the ballast is given up where less than
// it is free, for what is under way.
func (r *room) begin() error {
	err := r.check()
	if err != nil && r.has(r.ballast) != nil {
		err = errors.Join(err, r.giveUp())
	}
	return err
}

// lately looks at most once in a while for as long as all is well: small batches ask
// hundreds of times a second.
func lately(look func() error) func() error {
	const fresh = 10 * time.Millisecond // no disk loses four times the ballast meanwhile
	var mu sync.Mutex
	var well time.Time
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(well) < fresh {
			return nil
		}
		err := look()
		if err == nil {
			well = time.Now()
		}
		return err
	}
}

func (r *room) has(least int64) error {
	for _, dir := range r.dirs {
		if err := roomIn(dir, least); err != nil {
			return err
		}
	}
	for _, file := range r.files {
		// A file system that found an error says nowhere that it may only be read.
		if fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
			_ = unix.Close(fd)
		} else if errors.Is(err, unix.EROFS) {
			return errReadOnlyDisk(filepath.Dir(file))
		}
	}
	return nil
}

func errReadOnlyDisk(dir string) error {
	return fmt.Errorf("the disk of %s may only be read: the kernel's log says why: mount it to be written", whole(dir))
}

// errFull is in every error that says that there is too little room.
var errFull = errors.New("make room")

// leastFiles is how many more files a disk that counts them must take.
const leastFiles = 64

// roomIn reports that less than so many bytes, or no more files, can be written in a directory.
func roomIn(dir string, least int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("ask how much room is left in %s: %w", dir, err)
	}
	free := int64(disk.Bavail) * disk.Bsize
	switch {
	case disk.Flags&unix.ST_RDONLY != 0:
		return errReadOnlyDisk(dir)
	case free < least:
		return fmt.Errorf("the disk of %s is full: %s of %s free, %s needed: %w", whole(dir), bytesText(free), bytesText(int64(disk.Blocks)*disk.Bsize), bytesText(least), errFull)
	case disk.Files > 0 && disk.Ffree < leastFiles:
		return fmt.Errorf("the disk of %s holds as many files as it can (df -i): %w", whole(dir), errFull)
	}
	return nil
}

// whole is the whole path of a directory, as people need it.
func whole(dir string) string {
	if path, err := filepath.Abs(dir); err == nil {
		return path
	}
	return dir
}

// fits reports that a file of so many bytes in dir would not leave the room that
// flows need, where it is on one of their disks, or not fit at all.
func (r *room) fits(dir string, size int64) error {
	var there, ours unix.Stat_t
	if err := unix.Stat(dir, &there); err != nil {
		return &fs.PathError{Op: "look at", Path: dir, Err: err}
	}
	for _, own := range r.dirs {
		if unix.Stat(own, &ours) == nil && ours.Dev == there.Dev {
			size += r.least()
			break
		}
	}
	return roomIn(dir, size)
}

// full reports whether an error says that there was no room to write: a quota that is
// used up is a full disk, and is seen only when it is met.
func full(err error) bool {
	return errors.Is(err, errFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// noRoom gives an error of a full disk its name.
func noRoom(err error) error {
	if err == nil || !full(err) || errors.Is(err, engine.ErrNoRoom) {
		return err
	}
	return fmt.Errorf("%w: %w", engine.ErrNoRoom, err)
}

func (r *room) path() string { return filepath.Join(r.dirs[0], ballastName) }

// giveUp takes the ballast away.
func (r *room) giveUp() error {
	if err := os.Remove(r.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("give up the ballast: %w", err)
	}
	return nil
}

// keep makes the ballast, where there is room for it and more.
func (r *room) keep() error {
	if info, err := os.Stat(r.path()); err == nil && info.Size() == r.ballast {
		return nil
	}
	if r.has(r.least()+r.ballast) != nil {
		return nil
	}
	f, err := os.OpenFile(r.path(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep a ballast: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, r.ballast)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = io.CopyN(f, zeros{}, r.ballast)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		if full(err) {
			err = whenMade(fmt.Errorf("its disk says that there is room, so a quota is used up: %w: %w", err, errFull))
		}
		return errors.Join(fmt.Errorf("keep a ballast in %s: %w", r.dirs[0], err), os.Remove(r.path()))
	}
	return nil
}

// zeros is what a ballast is made of where room cannot be asked for.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// bytesText is an amount of bytes as people say it.
func bytesText(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
