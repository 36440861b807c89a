package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine/audit"
	"headgate/engine/control"
	"headgate/engine/state"
)

func (a *app) stateCommand() *cobra.Command {
	c := &cobra.Command{Use: "state", Short: "back up, restore, check and compact the state", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var why string
	var yes bool
	backup := &cobra.Command{Use: "backup [FILE]", Short: "copy the state as it is now, and check the copy", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args, why) }}
	check := &cobra.Command{Use: "check [FILE]", Short: "read all of the state, or of a copy of it", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error { return a.checkState(cmd.Context(), args) }}
	restore := &cobra.Command{Use: "restore FILE", Short: "put a backup in the place of the state; flows find out what was delivered since", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeBackups, RunE: func(cmd *cobra.Command, args []string) error {
		if !yes || why == "" {
			return usage("restoring needs --why \"…\" and --yes: what was settled since the backup is found out anew, or waits for a person")
		}
		return a.restore(cmd.Context(), args[0], why)
	}}
	compact := &cobra.Command{Use: "compact", Short: "rewrite the state without the room that nothing needs any more", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return a.compact(cmd.Context(), why) }}
	for _, x := range []*cobra.Command{backup, restore, compact} {
		x.Flags().StringVar(&why, "why", "", "the reason, kept in the audit log")
	}
	restore.Flags().BoolVar(&yes, "yes", false, "do it")
	c.AddCommand(backup, restore, check, compact)
	return c
}

// completeBackups completes the backups there are.
func (a *app) completeBackups(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	set := a.quietRuleset()
	if set == nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	backups, err := state.Backups(a.backupDir(set))
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return backups, cobra.ShellCompDirectiveDefault
}

func (a *app) backup(ctx context.Context, args []string, why string) error {
	q, taken := &control.BackupRequest{Why: why}, &control.Backup{}
	if len(args) > 0 {
		path, err := filepath.Abs(args[0]) // the daemon is in a directory of its own
		if err != nil {
			return err
		}
		q.File = path
	}
	if err := a.ask(ctx, acts, "backup", q, taken); err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(taken)
	}
	a.printf("%s: %s, %s, checked\n", oneLine(taken.File), counted(taken.Ledgers, "ledger"), counted(int(taken.Values), "value"))
	return nil
}

func (a *app) checkState(ctx context.Context, args []string) error {
	found, err := a.checked(ctx, args)
	if err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(found)
	}
	a.printf("%s: %s, %s, as written\n", oneLine(found.File), counted(found.Ledgers, "ledger"), counted(int(found.Values), "value"))
	return nil
}

// checked reads a file, or the state: the daemon's copy of it where one runs.
func (a *app) checked(ctx context.Context, args []string) (*state.Checked, error) {
	if len(args) > 0 {
		return damagedExit(checkFile(ctx, args[0]))
	}
	if d, err := a.daemonDoor(ctx); d != nil || err != nil {
		if err != nil {
			return nil, err
		}
		found := &state.Checked{}
		return found, errors.Join(a.refused(d.Ask(ctx, "check-state", nil, found)), d.Close())
	}
	set, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return nil, err
	}
	return damagedExit(checkFile(ctx, filepath.Join(a.statePath(set), state.FileName)))
}

// damagedExit: a damaged file is what a check looks for.
func damagedExit(found *state.Checked, err error) (*state.Checked, error) {
	if state.Damaged(err) {
		return nil, &exit{exitFindings, err}
	}
	return found, err
}

// alone does something with a state that no process has, and keeps that it was done.
func (a *app) alone(ctx context.Context, name, why string, request any, do func(dir string) (any, error)) error {
	d, err := a.daemonDoor(ctx)
	if err != nil {
		return err
	}
	if d != nil {
		return errors.Join(&exit{exitFailed, fmt.Errorf("%s: the daemon has the state: stop it first (`systemctl stop headgate`)", name)}, d.Close())
	}
	set, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return err
	}
	dir := a.statePath(set)
	if err := ours(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	log, err := audit.Open(dir, time.Now)
	if err != nil {
		return err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return errors.Join(err, log.Close())
	}
	act := &audit.Act{Actor: control.ActorOf(os.Getuid()), Act: name, Why: why, Request: body}
	if err := log.Begin(act); err != nil {
		return errors.Join(err, log.Close())
	}
	answer, failed := do(dir)
	result, err := json.Marshal(answer)
	return errors.Join(uncertain(failed), err, log.End(act, result, nil, failed), log.Close())
}

func (a *app) restore(ctx context.Context, file, why string) error {
	type restored struct {
		File  string    `json:"file"`
		Aside string    `json:"aside,omitempty"` // where the state is that was there
		Taken time.Time `json:"taken,omitzero"`
	}
	var done restored
	err := a.alone(ctx, "state restore", why, map[string]string{"file": file, "why": why}, func(dir string) (any, error) {
		found, err := checkFile(ctx, file)
		if err != nil {
			return nil, err
		}
		done = restored{File: file, Taken: found.Taken}
		done.Aside, err = state.Restore(dir, file, time.Now())
		return done, err
	})
	if err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(done)
	}
	a.printf("%s is the state now; flows compare all of their sources with their destinations, or wait for a person\n", oneLine(file))
	if done.Aside != "" {
		a.printf("  what was there is %s\n", oneLine(done.Aside))
	}
	return nil
}

func (a *app) compact(ctx context.Context, why string) error {
	type compacted struct {
		Before int64 `json:"before"`
		After  int64 `json:"after"`
	}
	var done compacted
	err := a.alone(ctx, "state compact", why, map[string]string{"why": why}, func(dir string) (_ any, err error) {
		if _, err := checkFile(ctx, filepath.Join(dir, state.FileName)); err != nil {
			return nil, err
		}
		done.Before, done.After, err = state.Compact(dir, func(path string) error { _, err := checkFile(ctx, path); return err })
		return done, err
	})
	if err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(done)
	}
	a.printf("%d KiB were %d KiB\n", done.After>>10, done.Before>>10)
	return nil
}
