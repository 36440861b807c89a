package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/state"
	"headgate/rules"
)

// checkVerb is the hidden command that reads a state file in a process of its own:
// a damaged one may end the process that reads it, or keep it for ever.
const checkVerb = "check-state-file"

func (a *app) checkFileCommand() *cobra.Command {
	return &cobra.Command{Use: checkVerb + " FILE", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		found, err := state.Check(args[0])
		switch {
		case errors.Is(err, state.ErrHeld):
			return &exit{exitUnreachable, err}
		case state.Damaged(err):
			return &exit{exitFindings, err}
		case err != nil:
			return err
		}
		return json.NewEncoder(a.out).Encode(found)
	}}
}

// The time that a check may take: a sound file is read at hundreds of MiB a second.
const (
	checkLeast  = 30 * time.Second
	checkAMiB   = 200 * time.Millisecond
	checkOutput = 5 * time.Second // to let go of what it printed, once it was ended
)

// checkFile reads a state file in a child process. That it is damaged is an error that
// wraps state.ErrDamaged, and so is a child that fell over it or did not end.
func checkFile(ctx context.Context, path string) (*state.Checked, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkLeast+time.Duration(info.Size()>>20)*checkAMiB)
	defer cancel()
	return checkBy(ctx, path, exec.CommandContext(ctx, "/proc/self/exe", checkVerb, path))
}

func checkBy(ctx context.Context, path string, c *exec.Cmd) (*state.Checked, error) {
	c.Args[0] = "headgate"
	var out, told bytes.Buffer
	c.Stdout, c.Stderr, c.WaitDelay = &out, &told, checkOutput
	// A check does not outlive who asked for it, however that ends. The signal is sent
	// when the thread ends that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	words, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(told.String()), "headgate: "), "\n")
	switch code := c.ProcessState; {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: the check of %s did not come to its end", state.ErrDamaged, path)
	case err == nil:
		found := &state.Checked{}
		return found, json.Unmarshal(out.Bytes(), found)
	case code == nil:
		return nil, fmt.Errorf("start the check of %s: %w", path, err)
	case code.ExitCode() == exitUnreachable:
		return nil, fmt.Errorf("%w: %s", state.ErrHeld, words)
	case code.ExitCode() == exitFailed:
		return nil, errors.New(words)
	case code.ExitCode() == exitFindings:
		return nil, fmt.Errorf("%w: %s", state.ErrDamaged, strings.TrimPrefix(words, state.ErrDamaged.Error()+": "))
	}
	return nil, fmt.Errorf("%w: the check fell over %s (%w): %s", state.ErrDamaged, path, err, words)
}

// sound opens the state of a ruleset to be written. After a stop that was not clean it
// is checked first; the newest good backup takes the place of a damaged one.
func (a *app) sound(ctx context.Context, set *rules.Ruleset) (*state.DB, error) {
	dir := a.statePath(set)
	unclean, err := state.Unclean(dir)
	if err != nil {
		return nil, fmt.Errorf("look at the state: %w", err)
	}
	if unclean {
		_, err = checkFile(ctx, filepath.Join(dir, state.FileName))
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: %s is gone", state.ErrDamaged, filepath.Join(dir, state.FileName))
		}
		if state.Damaged(err) {
			err = a.replace(ctx, set, err)
		}
		if err != nil && !errors.Is(err, state.ErrHeld) {
			return nil, uncertain(err)
		}
	}
	db, err := state.Open(dir, time.Now)
	if state.Damaged(err) {
		damage := err
		if err = a.replace(ctx, set, damage); err == nil {
			db, err = state.Open(dir, time.Now)
		} else if errors.Is(err, state.ErrHeld) { // bbolt fell over it in this process, and holds it to its end
			err = fmt.Errorf("%w\n  start headgate again: it checks the state first, and restores a backup where there is a good one", damage)
		}
	}
	return db, uncertain(err)
}

// uncertain gives a state that nothing may be done with its exit code.
func uncertain(err error) error {
	if state.Damaged(err) || errors.Is(err, state.ErrForeign) {
		return &exit{exitUncertain, err}
	}
	return err
}

// replace moves a damaged state aside and puts the newest good backup in its place.
func (a *app) replace(ctx context.Context, set *rules.Ruleset, damage error) error {
	dir, log := a.statePath(set), a.logger(set)
	backups, err := state.Backups(a.backupDir(set))
	if err != nil {
		return errors.Join(damage, err)
	}
	for _, backup := range backups {
		if _, err := checkFile(ctx, backup); err != nil {
			log.Error("a backup is not good", "backup", backup, "error", err)
			continue
		}
		aside, err := state.Restore(dir, backup, time.Now())
		if err != nil {
			return err
		}
		log.Error("the state was damaged: the newest good backup takes its place, and all flows find out what was delivered since", "damage", damage, "backup", backup, "aside", aside)
		return nil
	}
	return fmt.Errorf("%w\n  none of %d backups in %s is good: nothing was changed; put a good copy there with `headgate state restore FILE`, or move %s away to begin anew: flows then adopt what destinations that can be asked have",
		damage, len(backups), a.backupDir(set), dir)
}

func (a *app) backupDir(set *rules.Ruleset) string {
	switch dir := set.Settings.Backup.Dir; {
	case dir == "":
		return filepath.Join(a.statePath(set), "backups")
	case filepath.IsAbs(dir):
		return dir
	default:
		return filepath.Join(set.Dir, dir)
	}
}

// restoredEvent tells people of a state that was restored.
func restoredEvent(db *state.DB) engine.Event {
	return engine.Event{Kind: engine.EventState, Time: db.RestoredAt(), Sample: fmt.Sprintf("the state was restored from a backup of %s: all flows find out what was delivered since", db.Restored().Format(time.RFC3339))}
}
