package main

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestQuota: a quota that is used up is a full disk of which the disk says nothing. The
// process ends where it is met (R4) and gives the ballast up; the next one finds that no
// ballast can be made, lets all flows stand still, and goes on by itself.
func TestQuota(t *testing.T) {
	t.Parallel()
	s := newCallSite(t)
	var over, tight atomic.Bool // nothing more is granted; not so much as a ballast
	s.gate.decide = func(_ uint32, call string) verdict {
		if over.Load() && call == "write state/headgate.db" || tight.Load() && call == "reserve state/ballast" {
			return verdict{errno: syscall.EDQUOT}
		}
		return verdict{}
	}
	p := s.daemon()
	s.eventually("the first file is delivered, and a ballast kept", patience, func() bool {
		_, err := os.Stat(s.path("state/ballast"))
		f, _ := s.told("list")
		return err == nil && f.State == "waiting" && f.Read == 3
	})
	over.Store(true)
	tight.Store(true)
	s.write("in.csv", []byte("sku,qty\nC,3\nY,none\n"))
	s.must(os.Rename(s.path("in.csv"), s.path("in/2.csv")))
	if <-p.ended; p.code != exitUncertain || !strings.Contains(p.told.String(), "disk quota exceeded") {
		t.Fatalf("it left with %d:\n%s", p.code, p.told)
	}
	if _, err := os.Stat(s.path("state/ballast")); err == nil {
		t.Error("the ballast is still there")
	}
	over.Store(false) // the room of the ballast lets it begin
	p = s.daemon()
	s.eventually("all flows stand still, and it says why", patience, func() bool {
		f, room := s.told("list")
		return strings.Contains(room, "a quota is used up") && strings.HasPrefix(f.Waits, "room")
	})
	tight.Store(false)
	s.eventually("all goes on", patience, func() bool { return s.has("out", "A,1", "B,2", "C,3") })
	s.leave(p)
	s.verify()
}

// daemon starts one whose calls are decided on here.
func (s *callSite) daemon() *process {
	s.Helper()
	p := s.prepare("run")
	s.serve(p)
	go func() {
		p.code = exitCode(p.Wait())
		close(p.ended)
	}()
	s.Cleanup(p.kill)
	return p
}
