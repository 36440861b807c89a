package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// stage is where the demo plays: a directory with the systems, and headgate.
type stage struct {
	dir    string
	binary string
	out    io.Writer
	daemon *exec.Cmd // nil: none runs
	log    *os.File  // of the daemon
}

// patience is how long the daemon has for what a step waits for.
const patience = 30 * time.Second

// command is headgate with arguments, in the stage's directory.
func (s *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, append([]string{"--config", "rules"}, args...)...)
	cmd.Dir = s.dir
	return cmd
}

// say shows what is done now.
func (s *stage) say(why, line string) {
	_, _ = fmt.Fprintf(s.out, "\n# %s\n$ %s\n", why, line)
}

// start starts the daemon; what it logs goes to a file.
func (s *stage) start(ctx context.Context) error {
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "daemon.log")); err != nil {
		return err
	}
	s.daemon = s.command(ctx, "run")
	s.daemon.Stderr = s.log
	if err := s.daemon.Start(); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	return nil
}

// stop lets the daemon finish what it is at.
func (s *stage) stop() error {
	if s.daemon == nil {
		return nil
	}
	err := errors.Join(s.daemon.Process.Signal(syscall.SIGTERM), s.daemon.Wait(), s.log.Close())
	s.daemon = nil
	return err
}

// until asks until the answer matches, and returns it.
func (s *stage) until(ctx context.Context, pattern string, args ...string) ([]byte, error) {
	want := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); ; {
		answer, _ := s.command(ctx, args...).Output() // an exit code is part of the show
		if want.Match(answer) {
			return answer, nil
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "daemon.log"))
			return nil, fmt.Errorf("headgate %v never printed %q; last:\n%s\nits log:\n%s", args, pattern, answer, log)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// sql changes the ERP by hand, as a colleague would.
func (s *stage) sql(statement string) error {
	db, err := sqlitedb.OpenConn(filepath.Join(s.dir, "erp.db"))
	if err != nil {
		return fmt.Errorf("open the ERP: %w", err)
	}
	db.SetBusyTimeout(patience)
	return errors.Join(sqlitex.ExecuteTransient(db, statement, nil), db.Close())
}

// edit replaces text in a file and saves it.
func (s *stage) edit(name, old, text string) error {
	path := filepath.Join(s.dir, name)
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(content, []byte(old)) {
		return fmt.Errorf("%s does not hold %q", name, old)
	}
	return os.WriteFile(path, bytes.Replace(content, []byte(old), []byte(text), 1), 0o644)
}
