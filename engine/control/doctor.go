package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/state"
)

// Doctor is what was looked at, in the order an operator would.
type Doctor struct {
	Checks []Check `json:"checks"`
}

// Check is one thing that was looked at.
type Check struct {
	Name string `json:"name"` // "state", "connector erp.orders", …
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"` // what to do about it
}

// Well reports whether nothing is wrong.
func (d *Doctor) Well() bool {
	for _, c := range d.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}

func (d *Doctor) well(name, format string, args ...any) {
	d.Checks = append(d.Checks, Check{Name: name, OK: true, Text: fmt.Sprintf(format, args...)})
}

func (d *Doctor) ill(name, do, format string, args ...any) {
	d.Checks = append(d.Checks, Check{Name: name, Text: fmt.Sprintf(format, args...), Do: do})
}

// Doctor looks at all that a run needs, changes nothing, and says what to do.
func (s *Service) Doctor(ctx context.Context, _ engine.Actor, _ *Nothing) (*Doctor, error) {
	d := &Doctor{Checks: []Check{}}
	s.checkState(d)
	s.checkBackups(d)
	s.checkLedgers(d)
	s.checkExceptions(d)
	s.checkSecrets(d)
	s.checkAlerts(d)
	s.checkDaemon(d)
	s.checkClock(d)
	d.Checks = append(d.Checks, Reached(s.Engine.Probe(ctx))...)
	return d, nil
}

// Reached tells what probing the resources of a ruleset found.
func Reached(all []engine.Probed) []Check {
	checks := make([]Check, len(all))
	for i, p := range all {
		c := Check{Name: "read " + p.Resource, OK: p.Err == nil, Text: "reached, with every column that is read"}
		if p.Rows == 0 {
			c.Text = "reached; it has nothing to read now"
		}
		if p.Flow != "" {
			c.Name, c.Text = "write "+p.Resource+" (flow "+p.Flow+")", "reached, with every column that is written"
		}
		if p.Flow != "" && p.Unproven {
			c.Text = "reached; it cannot be asked for its columns"
		}
		if p.Err != nil {
			c.Text, c.Do = p.Err.Error(), cmp.Or(connectors.HintOf(p.Err), classHints[connectors.ClassOf(p.Err)])
		}
		checks[i] = c
	}
	return checks
}

// classHints say what to do about an error that brings no hint of its own.
var classHints = map[connectors.Class]string{
	connectors.Down:    "is it up, and may this machine reach it? its flows go on by themselves",
	connectors.Denied:  "its login, token or certificate is refused, or lacks a right: mend it there, or change the secret",
	connectors.Unclear: "is it up, and what does it say to other clients?",
}

// checkState looks at the state directory: who may use it, and how much room it has.
func (s *Service) checkState(d *Doctor) {
	const name = "state directory"
	dir := filepath.Dir(s.Exceptions)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.well(name, "%s is not there yet: the first run makes it", dir)
		return
	case err != nil:
		d.ill(name, "headgate must be its owner", "%v", err)
		return
	case info.Mode().Perm()&0o077 != 0:
		d.ill(name, "chmod 700 "+dir, "others may look into %s, which holds rows unmasked", dir)
	case unix.Access(dir, unix.W_OK|unix.X_OK) != nil:
		d.ill(name, "run as the user that owns it", "%s may not be written by this user", dir)
	default:
		d.well(name, "%s", dir)
	}
	if s.Room == nil {
		return
	}
	if err := s.Room(); err != nil {
		d.ill("room", "make room: flows do not run meanwhile, and lose nothing", "%v", err)
		return
	}
	d.well("room", "enough is free")
}

// checkBackups looks at the directory of the backups, which the first of them makes.
func (s *Service) checkBackups(d *Doctor) {
	const name, do = "backups", "let headgate write there, or name another directory in `backup`"
	if s.Backups == nil {
		return
	}
	dir := s.Backups()
	all, err := state.Backups(dir)
	if err == nil {
		err = writable(dir)
	}
	switch {
	case err != nil:
		d.ill(name, do, "no backup can be taken: %v", err)
	case len(all) == 0:
		d.well(name, "there is none yet in %s", dir)
	default:
		taken, _ := state.BackupTime(all[0])
		d.well(name, "%d in %s, the newest of %s", len(all), dir, taken.Format(time.RFC3339))
	}
}

// writable reports why no file can be made in a directory, which may have to be made
// itself.
func writable(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is no directory", dir)
		}
		if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			return &fs.PathError{Op: "write in", Path: dir, Err: err}
		}
		return nil
	}
}

// checkLedgers reads what each ledger says of itself and its last batch; `verify` reads all of it.
func (s *Service) checkLedgers(d *Doctor) {
	const name, help = "state", "stop headgate, keep the state directory as it is, and run `headgate verify`"
	names, err := s.State.Ledgers()
	if err != nil {
		d.ill(name, help, "%v", err)
		return
	}
	for _, ledger := range names {
		h, last, err := s.lastOf(ledger)
		switch {
		case err != nil:
			d.ill(name, help, "%s: %v", ledger, err)
			return
		case h.Read != h.Counts.Sum():
			d.ill(name, help, "%s: %d records were read and %d have an outcome", ledger, h.Read, h.Counts.Sum())
			return
		case h.Journal > 0 && last.Number != h.Journal:
			d.ill(name, help, "%s: its last batch is %d, and its journal ends at %d", ledger, h.Journal, last.Number)
			return
		}
	}
	d.well(name, "opens, %d ledgers; `headgate verify` reads all of it", len(names))
}

// lastOf returns the header of a ledger and its last journal row.
func (s *Service) lastOf(ledger string) (h engine.Header, last engine.JournalRow, err error) {
	l, err := s.State.Ledger(ledger, "", "")
	if err != nil {
		return h, last, err
	}
	if h, err = l.Header(); err != nil || h.Journal == 0 {
		return h, last, err
	}
	rows, err := l.Journal(h.Journal-1, 1)
	if err == nil && len(rows) == 1 {
		last = rows[0]
	}
	return h, last, err
}

func (s *Service) checkExceptions(d *Doctor) {
	const name = "exception log"
	open, damaged, err := exceptions.Current(s.Exceptions)
	switch {
	case err != nil:
		d.ill(name, "headgate must own "+s.Exceptions, "%v", err)
	case len(damaged) > 0:
		d.ill(name, "keep the file and look at the line: the ones around it are read", "%v", damaged[0])
	default:
		d.well(name, "readable, %d wait for a person", len(open))
	}
}

func (s *Service) checkSecrets(d *Doctor) {
	for _, secret := range secretsOf(s.Engine.Ruleset()) {
		name := "secret " + secret.Reference()
		if _, err := s.Secret(secret); err != nil {
			d.ill(name, "give it to headgate as the message says", "%v", err)
			continue
		}
		d.well(name, "there")
	}
}

// checkAlerts looks whether the programs that alerts run are there, before one is needed.
func (s *Service) checkAlerts(d *Doctor) {
	set := s.Engine.Ruleset()
	for _, alert := range set.Alerts {
		if len(alert.Command) == 0 {
			continue
		}
		program := alert.Command[0]
		if strings.Contains(program, "/") && !filepath.IsAbs(program) {
			program = filepath.Join(set.Dir, program)
		}
		if _, err := exec.LookPath(program); err != nil {
			d.ill("alert "+alert.Name, "a path that is relative starts at the ruleset; headgate must be able to run it", "its command: %v", err)
			continue
		}
		d.well("alert "+alert.Name, "its command is there")
	}
}

func (s *Service) checkDaemon(d *Doctor) {
	if s.Daemon == nil {
		d.well("daemon", "none runs: `headgate run` or `systemctl start headgate`")
		return
	}
	running := s.Daemon()
	d.well("daemon", "process %d answers on its socket", running.Process)
	if f := running.Failed; f != nil {
		d.ill("ruleset", "`headgate check` shows them; mend the files, and they are taken", "the files are not what runs (mistakes: %d)", f.Mistakes)
		return
	}
	d.well("ruleset", "%s runs, as the files are", s.Engine.Ruleset().Digest)
}

// built is a time before which no clock that is right stands.
var built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// checkClock: a clock that was set back makes new batches older than settled ones.
func (s *Service) checkClock(d *Doctor) {
	const name, do = "clock", "set the clock, and let something keep it (systemd-timesyncd, chrony)"
	now := s.Now()
	if now.Before(built) {
		d.ill(name, do, "it shows %s", now.UTC().Format(time.RFC3339))
		return
	}
	names, err := s.State.Ledgers()
	if err != nil {
		return // told above
	}
	for _, ledger := range names {
		_, last, err := s.lastOf(ledger)
		if err == nil && last.Time.After(now.Add(time.Minute)) {
			d.ill(name, do, "it shows %s, and %s settled a batch at %s", now.UTC().Format(time.RFC3339), ledger, last.Time.UTC().Format(time.RFC3339))
			return
		}
	}
	d.well(name, "it goes forward")
}
