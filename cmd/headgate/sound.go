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
// wraps state.ErrDamaged, and so is a child that fell over what it read, or read for
// ever. A child that came to no answer for another reason is errUnchecked.
func checkFile(ctx context.Context, path string) (*state.Checked, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return checkBy(ctx, path, checkLeast+time.Duration(info.Size()>>20)*checkAMiB, exec.Command("/proc/self/exe", checkVerb, path))
}

// errUnchecked says that a state was not checked: nobody knows whether it is damaged,
// and it is neither used nor replaced.
var errUnchecked = errors.New("the state could not be checked, and nothing was changed")

func checkBy(ctx context.Context, path string, within time.Duration, c *exec.Cmd) (*state.Checked, error) {
	var out, told bytes.Buffer
	c.Args[0], c.Stdout, c.Stderr, c.WaitDelay = "headgate", &out, &told, checkOutput
	code, err := ends(ctx, within, c)
	words := ""
	if code != nil {
		words, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(told.String()), "headgate: "), "\n")
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errTooLong) && code != nil && code.UserTime()+code.SystemTime() > within/20:
		return nil, fmt.Errorf("%w: the check of %s read on and on, and was ended after %s", state.ErrDamaged, path, within)
	case errors.Is(err, errTooLong):
		return nil, fmt.Errorf("%w: the check of %s waited for its disk for %s: look at the kernel's log, mend the disk, then start again", errUnchecked, path, within)
	case code == nil:
		return nil, fmt.Errorf("%w: start the check of %s: %w", errUnchecked, path, err)
	case err == nil:
		found := &state.Checked{}
		if err := json.Unmarshal(out.Bytes(), found); err != nil {
			return nil, fmt.Errorf("%w: the check of %s says %.100q: is the binary of headgate whole?", errUnchecked, path, out.String())
		}
		return found, nil
	case code.ExitCode() == exitUnreachable:
		return nil, fmt.Errorf("%w: %s", state.ErrHeld, words)
	case code.ExitCode() == exitFailed:
		return nil, errors.New(words)
	case code.ExitCode() == exitFindings:
		return nil, fmt.Errorf("%w: %s", state.ErrDamaged, strings.TrimPrefix(words, state.ErrDamaged.Error()+": "))
	case fellOver(code, words):
		return nil, fmt.Errorf("%w: the check fell over %s (%w): %s", state.ErrDamaged, path, err, words)
	}
	return nil, fmt.Errorf("%w: the check of %s was ended (%w) %s: if the kernel's log says that memory ran out, give headgate more; then start again", errUnchecked, path, err, words)
}

// fellOver reports whether a check died of what it read: of a page that is not there,
// or that leads round in circles. Neither the want of memory nor a kill is that.
func fellOver(code *os.ProcessState, words string) bool {
	const crashed = 2 // a Go process that panics, or meets a fault it cannot handle
	status, ok := code.Sys().(syscall.WaitStatus)
	fault := ok && status.Signaled() && (status.Signal() == syscall.SIGBUS || status.Signal() == syscall.SIGSEGV)
	return fault || code.ExitCode() == crashed && !strings.Contains(words, "memory")
}

var errTooLong = errors.New("it did not come to its end")

// ends runs a command to its end, which comes within a time. One that cannot even be
// killed, since it waits for a disk, is left alone, and is nil.
func ends(ctx context.Context, within time.Duration, c *exec.Cmd) (*os.ProcessState, error) {
	// A check does not outlive who asked for it, however that ends. The signal is sent
	// when the thread ends that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	limit := time.NewTimer(within)
	defer limit.Stop()
	why := errTooLong
	select {
	case err := <-ended:
		return c.ProcessState, err
	case <-limit.C:
	case <-ctx.Done():
		why = ctx.Err()
	}
	_ = c.Process.Kill() // it may have ended by itself
	patience := time.NewTimer(checkOutput)
	defer patience.Stop()
	select {
	case <-ended:
		return c.ProcessState, why
	case <-patience.C:
		return nil, why
	}
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
		_, err := checkFile(ctx, backup)
		if errors.Is(err, errUnchecked) {
			return errors.Join(damage, err) // it may be the best there is
		}
		if err != nil {
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
