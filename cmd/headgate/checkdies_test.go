package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"headgate/engine/state"
)

// TestCheckEnds: whatever a check of the state comes to, it is told apart: damage, or
// that nobody knows, and then nothing is replaced and nothing used.
func TestCheckEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		within time.Duration
		want   error
		says   string
	}{
		"well":      {`echo '{"file":"x","values":3}'`, time.Minute, nil, ""},
		"damage":    {`echo "headgate: page 7 is torn" >&2; exit 3`, time.Minute, state.ErrDamaged, "page 7 is torn"},
		"held":      {`echo "headgate: by process 7" >&2; exit 4`, time.Minute, state.ErrHeld, "process 7"},
		"panic":     {`echo "panic: page 7 already freed" >&2; exit 2`, time.Minute, state.ErrDamaged, "fell over"},
		"fault":     {`kill -BUS $$`, time.Minute, state.ErrDamaged, "fell over"},
		"memory":    {`echo "fatal error: runtime: out of memory" >&2; exit 2`, time.Minute, errUnchecked, "give headgate more"},
		"killed":    {`kill -KILL $$`, time.Minute, errUnchecked, "memory ran out"},
		"nonsense":  {`echo who am I`, time.Minute, errUnchecked, "is the binary of headgate whole?"},
		"no answer": {`true`, time.Minute, errUnchecked, "is the binary of headgate whole?"},
		"no code":   {`echo "no idea" >&2; exit 42`, time.Minute, errUnchecked, "no idea"},
		"stuck":     {`exec sleep 600`, time.Second, errUnchecked, "mend the disk"},
		"circles":   {`while :; do :; done`, 3 * time.Second, state.ErrDamaged, "on and on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := checkBy(t.Context(), "x.db", test.within, exec.Command("/bin/sh", "-c", test.script))
			if !errors.Is(err, test.want) || (err == nil) != (found != nil) {
				t.Fatalf("%+v, %v; want %v", found, err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %q, want %q in it", err, test.says)
			}
			if errors.Is(err, errUnchecked) == state.Damaged(err) && err != nil && !errors.Is(err, state.ErrHeld) {
				t.Errorf("nobody knows whether it is damaged: %v", err)
			}
		})
	}
}

// TestCheckDies: the process that checks the state after a stop that was not clean dies,
// as the kernel lets it. A kill says nothing of the state: it is left as it is. A fault
// says that a page is not there: the newest good backup takes its place.
func TestCheckDies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		signal syscall.Signal
		code   int
		says   []string
		aside  int
	}{
		"killed for want of memory": {syscall.SIGKILL, exitFailed, []string{"could not be checked, and nothing was changed", "state/headgate.db", "memory ran out", "start again"}, 0},
		"fault":                     {syscall.SIGBUS, exitFailed, []string{"the newest good backup takes its place", "fell over", "state/headgate.db", "resume list"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCallSite(t)
			s.ask([]int{exitOpen}, "run", "--once")
			s.ask([]int{exitOK}, "state", "backup")
			s.write("state/unclean", nil)
			before, err := os.ReadFile(s.path("state/headgate.db"))
			s.must(err)
			p := s.prepare("run", "--once")
			var headgate atomic.Int64
			s.gate.decide = func(thread uint32, call string) verdict {
				process := tgid(thread)
				headgate.CompareAndSwap(0, int64(process)) // it is the first that makes a call
				if call == "open state/headgate.db" && process != int(headgate.Load()) {
					_ = syscall.Kill(process, test.signal)
					return verdict{never: true}
				}
				return verdict{}
			}
			s.serve(p)
			if code := exitCode(p.Wait()); code != test.code {
				t.Errorf("it left with %d, want %d", code, test.code)
			}
			for _, says := range test.says {
				if !strings.Contains(p.told.String(), says) {
					t.Errorf("it does not say %q:\n%s", says, p.told)
				}
			}
			aside, err := filepath.Glob(s.path("state/headgate.db.aside-*"))
			s.must(err)
			if len(aside) != test.aside {
				t.Errorf("put aside: %v", aside)
			}
			if after, err := os.ReadFile(s.path("state/headgate.db")); test.aside == 0 && (err != nil || !bytes.Equal(before, after)) {
				t.Errorf("the state is another, %v", err)
			}
			s.verify()
		})
	}
}
