package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"headgate/engine"
	"headgate/engine/control"
	"headgate/engine/state"
	"headgate/rules"
)

// keeper takes backups of the state that is open.
type keeper struct {
	db   *state.DB
	dir  string // of the state
	room func() *room

	mu     sync.Mutex // one backup at a time
	into   string     // directory of the backups
	plan   rules.Backup
	last   time.Time
	failed error
}

func (a *app) keeper(set *rules.Ruleset, db *state.DB) *keeper {
	k := &keeper{db: db, dir: a.statePath(set), room: func() *room { return a.roomOf(set) }}
	k.apply(a.backupDir(set), set.Settings.Backup)
	return k
}

// apply takes what a ruleset says about backups.
func (k *keeper) apply(into string, plan rules.Backup) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.into, k.plan = into, plan
	if backups, err := state.Backups(into); err == nil && len(backups) > 0 {
		k.last, _ = state.BackupTime(backups[0])
	}
}

// Backup implements control.Keeper.
func (k *keeper) Backup(ctx context.Context, file string) (*control.Backup, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if file != "" {
		return k.take(ctx, file)
	}
	if err := os.MkdirAll(k.into, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of backups: %w", err)
	}
	now := time.Now()
	b, err := k.take(ctx, filepath.Join(k.into, state.BackupName(now)))
	if err == nil {
		k.last = now
		err = state.PruneBackups(k.into, k.plan.Keep)
	}
	return b, err
}

func (k *keeper) take(ctx context.Context, file string) (*control.Backup, error) {
	if err := k.fits(filepath.Dir(file)); err != nil {
		return nil, fmt.Errorf("back up the state: %w", err)
	}
	b := &control.Backup{}
	err := k.db.Backup(file, func(path string) error {
		found, err := checkFile(ctx, path)
		if err == nil {
			b.Checked = *found
			b.File = file
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// fits reports that a copy of the state in dir would leave flows too little room.
func (k *keeper) fits(dir string) error {
	info, err := os.Stat(filepath.Join(k.dir, state.FileName))
	if err != nil {
		return err
	}
	return k.room().fits(dir, info.Size())
}

// Check implements control.Keeper: the state itself is locked, so a copy is read.
func (k *keeper) Check(ctx context.Context) (found *state.Checked, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fits(k.dir); err != nil {
		return nil, fmt.Errorf("check a copy of the state: %w", err)
	}
	copied := filepath.Join(k.dir, fmt.Sprintf("checked-%d.db", os.Getpid()))
	_ = os.Remove(copied + ".new") // of a process with this number that died
	if err := k.db.Backup(copied, func(path string) error {
		found, err = checkFile(ctx, path)
		return err
	}); err != nil {
		return nil, err
	}
	found.File, found.Taken = filepath.Join(k.dir, state.FileName), time.Time{}
	return found, os.Remove(copied)
}

// run takes a backup as often as it is due, until ctx ends.
func (k *keeper) run(ctx context.Context, log *slog.Logger, notify func(engine.Event)) {
	for (clock{}).Sleep(ctx, k.wait()) == nil {
		_, err := k.Backup(ctx, "")
		if ctx.Err() != nil {
			return
		}
		if k.note(err) && err != nil {
			log.Error("the state could not be backed up", "error", err)
			notify(engine.Event{Kind: engine.EventState, Time: time.Now(), Sample: err.Error()})
		}
	}
}

// firstBackup leaves the start of a daemon alone; betweenTries is how often a backup
// that failed is tried again, and a changed ruleset looked at.
const (
	firstBackup  = 10 * time.Second
	betweenTries = time.Minute
)

func (k *keeper) wait() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed != nil {
		return betweenTries
	}
	return max(firstBackup, time.Until(k.last.Add(k.plan.Every)))
}

// note keeps why the last backup failed, and reports whether that is news.
func (k *keeper) note(err error) (news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	news = (err == nil) != (k.failed == nil)
	k.failed = err
	return news
}

// tell adds what a status says of the state.
func (k *keeper) tell() *control.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	told := &control.State{Restored: k.db.RestoredAt(), Backup: k.db.Restored(), Last: k.last}
	if k.failed != nil {
		told.Failed = k.failed.Error()
	}
	return told
}

var _ control.Keeper = (*keeper)(nil)
