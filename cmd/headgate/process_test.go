package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/control"
)

// operator runs headgate as processes of its own, on one directory: its ruleset is in
// rules, and everything it names lies beside.
type operator struct {
	testing.TB
	dir string
	env []string

	totals map[string]string // of the orders that were written, by number
}

func (o *operator) path(name string) string { return filepath.Join(o.dir, name) }

// command is headgate with arguments, not started.
func (o *operator) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	o.must(err)
	return &exec.Cmd{
		Path: self, Args: append([]string{"headgate", "--config", o.path("rules")}, args...),
		Dir: o.dir, Env: append(os.Environ(), append(o.env, "NO_COLOR=1")...),
	}
}

func (o *operator) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// ask runs headgate to its end, which must come with one of the exit codes, and
// returns what it prints.
func (o *operator) ask(codes []int, args ...string) string {
	o.Helper()
	c := o.command(args...)
	var out, told bytes.Buffer
	c.Stdout, c.Stderr = &out, &told
	code := exitCode(c.Run())
	for _, wanted := range codes {
		if code == wanted {
			return out.String()
		}
	}
	o.Fatalf("headgate %s left with %d:\n%s%s", strings.Join(args, " "), code, out.String(), told.String())
	return ""
}

// exitCode is the code a process left with, -1 when a signal ended it.
func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -2
	}
	return 0
}

// verify audits the state.
func (o *operator) verify() {
	o.Helper()
	o.ask([]int{exitOK}, "verify")
}

// status asks how all flows do.
func (o *operator) status() *control.Status {
	o.Helper()
	s := &control.Status{}
	o.must(json.Unmarshal([]byte(o.ask([]int{exitOK}, "status", "--output", "json")), s))
	return s
}

// waiting returns the exceptions that wait for a person.
func (o *operator) waiting() (all []engine.Exception) {
	o.Helper()
	o.must(json.Unmarshal([]byte(o.ask([]int{exitOK}, "exceptions", "list", "--output", "json")), &all))
	return all
}

// exceptions returns every line of the exception log.
func (o *operator) exceptions() []engine.Exception {
	o.Helper()
	names, err := filepath.Glob(o.path("state/exceptions/*.jsonl"))
	o.must(err)
	var all []engine.Exception
	for _, name := range names {
		text, err := os.ReadFile(name)
		o.must(err)
		for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
			var x engine.Exception
			if err := decoder.Decode(&x); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				o.Fatalf("%s: %v", name, err)
			}
			all = append(all, x)
		}
	}
	return all
}

// process is a headgate that goes on while the test does something else.
type process struct {
	*exec.Cmd
	ended chan struct{} // closed when it has; then code and told may be read
	code  int
	told  *bytes.Buffer
}

// prepare makes a process that is not started.
func (o *operator) prepare(args ...string) *process {
	p := &process{Cmd: o.command(args...), ended: make(chan struct{}), told: &bytes.Buffer{}}
	p.Stdout, p.Stderr = p.told, p.told
	return p
}

// start starts headgate. It is killed, if it has not ended, when the test ends.
func (o *operator) start(args ...string) *process {
	o.Helper()
	p := o.prepare(args...)
	o.must(p.Start())
	go func() {
		p.code = exitCode(p.Wait())
		close(p.ended)
	}()
	o.Cleanup(p.kill)
	return p
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.Process.Kill() // it may have ended by itself
	<-p.ended
}

// killedAfter waits, then kills the process; it reports whether that ended it.
func (p *process) killedAfter(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.kill()
	}
	return p.code == -1
}

// write writes a file under the operator's directory.
func (o *operator) write(name string, content []byte) {
	o.Helper()
	o.must(os.MkdirAll(filepath.Dir(o.path(name)), 0o755))
	o.must(os.WriteFile(o.path(name), content, 0o644))
}

// copy copies files of a ruleset into it.
func (o *operator) copy(names ...string) {
	o.Helper()
	for _, name := range names {
		text, err := os.ReadFile(name)
		o.must(err)
		o.write("rules/"+filepath.Base(name), text)
	}
}

// eventually waits until a condition holds.
func (o *operator) eventually(what string, within time.Duration, holds func() bool) {
	o.Helper()
	for end := time.Now().Add(within); !holds(); {
		if time.Now().After(end) {
			o.Fatalf("%s: not within %s", what, within)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// reaches waits until a number has come to what it must be: for as long as it grows.
func (o *operator) reaches(want int64, what string, number func() int64) {
	o.Helper()
	for at := number(); at != want; {
		was := at
		o.eventually(fmt.Sprintf("%s: %d of %d, and then no more", what, was, want), patience, func() bool { at = number(); return at != was })
	}
}

// dice returns random numbers that HEADGATE_TEST_SEED repeats.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("HEADGATE_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("HEADGATE_TEST_SEED: %v", err)
		}
	}
	t.Logf("HEADGATE_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// times is how often a test does what it does: as an environment variable says, or
// as often as is modest.
func times(t testing.TB, variable string, modest int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return modest
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", variable, err))
	}
	return n
}
