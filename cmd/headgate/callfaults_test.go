package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// callSite is one installation and the call that fails in it.
type callSite struct {
	*operator
	gate *gate

	mu    sync.Mutex
	calls map[string]int // made so far, by what they do to what
	call  string         // which of them fails
	n     int            // at which use; 0: none
	how   callFault
	hit   bool // it failed
	calm  bool // nothing fails any more, and calls are not counted
	torn  bool // the rest of what was written in half is to fail
}

// callFault is how a call fails.
type callFault string

const (
	callOnce    callFault = "once"
	callForever callFault = "for ever"
	callTorn    callFault = "half done"
	callUnheard callFault = "done"
)

func newCallSite(t *testing.T) *callSite {
	s := &callSite{operator: &operator{TB: t, dir: t.TempDir()}, calls: make(map[string]int)}
	s.gate = &gate{dir: s.dir, decide: s.decide}
	s.copy("testdata/calls.hcl")
	s.write("in/1.csv", []byte("sku,qty\nA,1\nB,2\nX,none\n"))
	s.must(os.MkdirAll(s.path("out"), 0o755))
	return s
}

// named is a call without the parts of names that differ from run to run.
func named(call string) string {
	verb, file, _ := strings.Cut(call, " ")
	switch dir, name, _ := strings.Cut(file, "/"); {
	case dir == "out" && strings.HasSuffix(name, ".sum.json"), dir == "out" && strings.HasSuffix(name, ".sum.json.part"):
		file = "out/LIST.sum.json"
	case dir == "out" && strings.HasSuffix(name, ".part"):
		file = "out/LIST.part"
	case dir == "out" && name != "":
		file = "out/LIST"
	default:
		for _, cut := range []string{".new-", "checked-"} {
			if i := strings.Index(file, cut); i > 0 {
				file = file[:i+len(cut)-1]
			}
		}
	}
	return verb + " " + file
}

// decide says what becomes of a call to a file of this installation.
func (s *callSite) decide(_ uint32, call string) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	call = named(call)
	if s.calm || !strings.Contains(call, " out") && !strings.Contains(call, " state") {
		return verdict{}
	}
	s.calls[call]++
	hit := call == s.call && s.n > 0 && (s.calls[call] == s.n || s.calls[call] > s.n && (s.how == callForever || s.torn))
	if !hit {
		return verdict{}
	}
	s.hit = true
	errno := syscall.ENOSPC
	if verb, _, _ := strings.Cut(call, " "); verb == "sync" || verb == "close" || verb == "remove" {
		errno = syscall.EIO
	}
	if s.how == callTorn && !s.torn {
		s.torn = true
		return verdict{half: true}
	}
	s.torn = false
	return verdict{errno: errno, done: s.how == callUnheard}
}

// runs runs headgate to its end with its calls handed over. Whatever fails, it ends
// with a code of its own, and says why.
func (s *callSite) runs(args ...string) int {
	s.Helper()
	p := s.prepare(args...)
	s.serve(p)
	code := exitCode(p.Wait())
	if !slices.Contains([]int{exitOK, exitFailed, exitOpen, exitUncertain}, code) || code != exitOK && p.told.Len() == 0 || strings.Contains(p.told.String(), "goroutine ") {
		s.Errorf("headgate %v left with %d:\n%.2000s", args, code, p.told)
	}
	return code
}

// serve starts a headgate whose calls are decided on here.
func (s *callSite) serve(p *process) {
	s.Helper()
	serve, err := s.gate.started(p)
	s.must(err)
	s.must(p.Start())
	if err := serve(); err != nil {
		_ = p.Wait()
		s.Skipf("no calls are handed over here: %v: %s", err, p.told)
	}
}

// story is all that happens while a call may fail, and then what has to come of it:
// nothing is lost, and nothing is doubled.
func (s *callSite) story() {
	s.runs("run", "--once")
	s.write("in/2.csv", []byte("sku,qty\nC,3\nY,none\n"))
	s.runs("run", "--once")
	s.runs("pause", "list", "--why", "a look at it")
	s.calmDown()
	s.runs("resume", "list", "--why", "it is well")
	for range 3 {
		if s.runs("run", "--once") == exitOpen && s.has("out", "A,1", "B,2", "C,3") {
			break
		}
	}
}

// calmDown lets nothing fail any more.
func (s *callSite) calmDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

// made is how often each call was made, and whether one failed.
func (s *callSite) made() (calls map[string]int, hit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls), s.hit
}

func (s *callSite) judge() {
	if !s.has("out", "A,1", "B,2", "C,3") {
		s.Errorf("the files hold %v", s.rowsIn("out"))
	}
	s.verify()
	waiting := make(map[string]int)
	for _, x := range s.waiting() {
		waiting[string(x.Key)]++
	}
	if len(waiting) != 2 || waiting["X"] != 1 || waiting["Y"] != 1 {
		s.Errorf("what waits is %v, want X and Y", waiting)
	}
	text, err := os.ReadFile(s.path("state/audit.jsonl"))
	s.must(err)
	if n := strings.Count(string(text), `"act":"resume"`); n != 1 {
		s.Errorf("the audit log has %d resumes:\n%s", n, text)
	}
}

// TestFaultyCalls lets each call that headgate makes to a file of its own or of a
// destination fail, in the real process: at its first use, its second and so on; once,
// from then on, half done, and done all the same.
func TestFaultyCalls(t *testing.T) {
	t.Parallel()
	clean := newCallSite(t)
	clean.story()
	if clean.judge(); t.Failed() {
		return
	}
	every := 97
	if os.Getenv("HEADGATE_TEST_FAULTS") == "all" {
		every = 1
	}
	calls, _ := clean.made()
	var mu sync.Mutex
	at, tried := 0, make(map[string]map[callFault]int)
	t.Run("each", func(t *testing.T) {
		for _, call := range slices.Sorted(maps.Keys(calls)) {
			tried[call] = make(map[callFault]int)
			for n := range calls[call] {
				for _, how := range []callFault{callOnce, callForever, callTorn, callUnheard} {
					verb, _, _ := strings.Cut(call, " ")
					if at++; at%every > 0 || how == callTorn && verb != "write" || how == callUnheard && !changesNames(verb) {
						continue
					}
					t.Run(fmt.Sprintf("%s %d %s", call, n+1, how), func(t *testing.T) {
						t.Parallel()
						s := newCallSite(t)
						s.call, s.n, s.how = call, n+1, how
						s.story()
						s.judge()
						mu.Lock()
						defer mu.Unlock()
						if _, hit := s.made(); hit {
							tried[call][how]++
						}
					})
				}
			}
		}
	})
	for _, call := range slices.Sorted(maps.Keys(tried)) {
		t.Logf("%-45s %3d uses: failed %d once, %d for ever, %d half done, %d though done", call, calls[call], tried[call][callOnce], tried[call][callForever], tried[call][callTorn], tried[call][callUnheard])
	}
}
