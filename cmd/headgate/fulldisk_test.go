package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk has the state of an operator on a disk of its own, of so many MiB.
func smallDisk(t *testing.T) *operator {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("no small disk: mounting a file system is root's")
	}
	o := &operator{TB: t, dir: t.TempDir()}
	o.must(os.Mkdir(o.path("state"), 0o700))
	if told, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "none", o.path("state")).CombinedOutput(); err != nil {
		t.Skipf("no small disk: %v: %s", err, told)
	}
	t.Cleanup(func() { o.must(exec.Command("umount", o.path("state")).Run()) })
	o.copy("testdata/fulldisk.hcl")
	o.write("in/1.csv", []byte("sku,qty\nA,1\n"))
	o.must(os.Mkdir(o.path("out"), 0o755))
	return o
}

// TestFullDisk: on a full disk the flows of a daemon stand still, it lives and says why,
// and when there is room all goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	o := smallDisk(t)
	ballast := func() bool {
		_, err := os.Stat(o.path("state/ballast"))
		return err == nil
	}
	p := o.start("run")
	o.eventually("the first file is delivered, and a ballast kept", time.Minute, func() bool { return ballast() && o.delivered() == 1 })
	hog, err := os.Create(o.path("state/hog"))
	o.must(err)
	for err == nil { // to the last byte
		_, err = hog.Write(make([]byte, 1<<16))
	}
	o.must(hog.Close())
	o.write("in/2.csv", []byte("sku,qty\nB,2\n"))
	o.eventually("the flow stands still, and the ballast is given up", time.Minute, func() bool {
		s := o.status()
		return !ballast() && strings.Contains(s.Flows[0].Why, "MiB are free") && strings.Contains(s.Daemon.State.Room, "make room")
	})
	if n := o.delivered(); n != 1 {
		t.Errorf("%d files are delivered with no room to settle them", n)
	}
	o.must(os.Remove(o.path("state/hog")))
	o.eventually("all goes on", time.Minute, func() bool { return ballast() && o.delivered() == 2 && o.status().Flows[0].Why == "" })
	o.must(p.Process.Signal(syscall.SIGTERM))
	if <-p.ended; p.code != exitOK {
		t.Errorf("the daemon left with %d:\n%s", p.code, p.told)
	}
	o.verify()
}

// delivered is how many files are in the destination.
func (o *operator) delivered() int {
	o.Helper()
	files, err := filepath.Glob(o.path("out/*.csv"))
	o.must(err)
	return len(files)
}

// TestReadOnlyDisk: what only reads works on a state that may only be read, and what
// would write says what is wrong.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	o := smallDisk(t)
	o.ask([]int{exitOK}, "run", "--once")
	o.must(exec.Command("mount", "-o", "remount,ro", o.path("state")).Run())
	for _, reading := range [][]string{{"status"}, {"verify"}, {"plan", "stock"}, {"checkpoint", "show"}, {"exceptions", "list"}, {"state", "check"}} {
		o.ask([]int{exitOK}, reading...)
	}
	for _, writing := range [][]string{{"run"}, {"run", "--once"}, {"state", "backup"}, {"pause", "stock", "--why", "x"}} {
		p := o.start(writing...)
		if <-p.ended; p.code != exitFailed || !strings.Contains(p.told.String(), "may only be read") {
			t.Errorf("%v left with %d:\n%s", writing, p.code, p.told)
		}
	}
}
