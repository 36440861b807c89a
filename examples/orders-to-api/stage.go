package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stage is where the example plays: a directory, headgate, and the two APIs.
type stage struct {
	ctx          context.Context // of the commands
	dir          string
	binary       string
	out          io.Writer
	erp, carrier *server
}

// setUp writes the files, with the addresses the APIs have got, and builds headgate.
func (s *stage) setUp() error {
	if err := os.CopyFS(s.dir, systems); err != nil {
		return fmt.Errorf("set up the systems: %w", err)
	}
	path := filepath.Join(s.dir, "rules", "systems.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, api := range []*server{s.erp, s.carrier} {
		text = bytes.Replace(text, []byte(api.declared), []byte(api.address()), 1)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	// Without the profile, as tests are compiled: it need not be fast, and all is compiled once.
	build := exec.CommandContext(s.ctx, "go", "build", "-pgo=off", "-o", s.binary, "headgate/cmd/headgate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build headgate: %w", err)
	}
	return nil
}

// headgate is a command of it.
func (s *stage) headgate(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, s.binary, append([]string{"--config", "rules"}, args...)...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "ERP_TOKEN="+token, "CARRIER_TOKEN="+token)
	return cmd
}

// play shows a step, does it, and shows what it prints, with the addresses of the
// ruleset. An exit code that tells of exceptions that wait is part of the show.
func (s *stage) play(step *step) error {
	line, args := step.line, make([]string, len(step.args))
	for i, arg := range step.args {
		if args[i] = arg; arg[0] == '@' {
			id, err := s.exceptionOf(arg[1:])
			if err != nil {
				return err
			}
			args[i] = id
		}
	}
	if step.do == nil {
		line = "headgate --config rules"
		for _, arg := range args {
			if strings.Contains(arg, " ") {
				arg = "'" + arg + "'"
			}
			line += " " + arg
		}
	}
	if _, err := fmt.Fprintf(s.out, "\n# %s\n$ %s\n", step.why, line); err != nil {
		return err
	}
	if step.do != nil {
		return step.do(s)
	}
	cmd := s.headgate(args...)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	for _, api := range []*server{s.erp, s.carrier} {
		said = bytes.ReplaceAll(said, []byte(api.address()), []byte(api.declared))
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.ExitCode() == 5 {
		said, err = fmt.Appendf(said, "(exit %d)\n", e.ExitCode()), nil
	}
	_, shown := s.out.Write(said)
	return errors.Join(err, shown)
}

// exceptionOf returns the id of the exception that waits for an order.
func (s *stage) exceptionOf(order string) (string, error) {
	out, err := s.headgate("exceptions", "list", "--output", "json").Output()
	if err != nil {
		return "", fmt.Errorf("list the exceptions: %w", err)
	}
	var all []struct{ ID, Key string }
	if err := json.Unmarshal(out, &all); err != nil {
		return "", err
	}
	for _, x := range all {
		if x.Key == order {
			return x.ID, nil
		}
	}
	return "", fmt.Errorf("no exception of order %s waits", order)
}
