package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"headgate/engine/control"
)

// smallDisks has directories of an operator on a small disk of their own.
func smallDisks(t *testing.T, size string, dirs ...string) *operator {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("no small disk: mounting a file system is root's")
	}
	o := &operator{TB: t, dir: t.TempDir()}
	for _, dir := range dirs {
		o.must(os.MkdirAll(o.path(dir), 0o700))
		if told, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "none", o.path(dir)).CombinedOutput(); err != nil {
			t.Skipf("no small disk: %v: %s", err, told)
		}
		t.Cleanup(func() { o.unmount(dir) })
	}
	o.copy("testdata/fulldisk.hcl")
	o.write("in/1.csv", []byte("sku,qty\nA,1\nX,none\n"))
	for _, dir := range []string{"state", "out", "elsewhere"} {
		o.must(os.MkdirAll(o.path(dir), 0o700))
	}
	return o
}

// unmount takes a disk away, which a process that was killed may have for a moment.
func (o *operator) unmount(dir string) {
	o.Helper()
	o.eventually(dir+" is unmounted", patience, func() bool { return exec.Command("umount", o.path(dir)).Run() == nil })
}

// fill fills the disk of a directory to its last byte, into the file hog.
func (o *operator) fill(dir string) {
	o.Helper()
	hog, err := os.OpenFile(o.path(dir+"/hog"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	o.must(err)
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = hog.Write(make([]byte, size))
		}
	}
	o.must(hog.Close())
}

// rowsIn is how often each item is in the files of a destination.
func (o *operator) rowsIn(dir string) map[string]int {
	o.Helper()
	names, err := filepath.Glob(o.path(dir + "/*.csv"))
	o.must(err)
	items := make(map[string]int)
	for _, name := range names {
		text, err := os.ReadFile(name)
		o.must(err)
		for line := range bytes.Lines(text) {
			items[strings.TrimSpace(string(line))]++
		}
		items["sku,qty"]--
	}
	delete(items, "sku,qty")
	return items
}

// has reports whether a destination has these items, each once, and no others.
func (o *operator) has(dir string, want ...string) bool {
	o.Helper()
	got := o.rowsIn(dir)
	for _, item := range want {
		if got[item] != 1 {
			return false
		}
	}
	return len(got) == len(want)
}

// told is what a status tells of one flow, and why all stand still. It is empty while
// a daemon begins: it holds the state, and does not answer yet.
func (o *operator) told(flow string) (f control.FlowStatus, room string) {
	o.Helper()
	s := &control.Status{}
	text, err := o.command("status", "--output", "json").Output()
	if err == nil {
		o.must(json.Unmarshal(text, s))
	}
	for _, f = range s.Flows {
		if f.Flow == flow {
			return f, s.Room
		}
	}
	return control.FlowStatus{}, s.Room
}

// rests reports whether both flows have delivered the first file, and wait for another.
func (o *operator) rests() bool {
	o.Helper()
	f, _ := o.told("stock")
	g, _ := o.told("copy")
	return f.State == "waiting" && f.Read == 2 && g.State == "waiting" && g.Read == 2
}

// refused asks for what must not be done, and must be refused for this reason.
func (o *operator) refused(why string, args ...string) {
	o.Helper()
	p := o.start(args...)
	if <-p.ended; p.code != exitFailed || !strings.Contains(p.told.String(), why) {
		o.Fatalf("%v left with %d, want a refusal that says %q:\n%s", args, p.code, why, p.told)
	}
}

// leave ends a daemon in order.
func (o *operator) leave(p *process) {
	o.Helper()
	o.must(p.Process.Signal(syscall.SIGTERM))
	if <-p.ended; p.code != exitOK {
		o.Fatalf("the daemon left with %d:\n%s", p.code, p.told)
	}
}

// delivered checks the end of it all: nothing is lost and nothing doubled.
func (o *operator) delivered(items ...string) {
	o.Helper()
	for _, dir := range []string{"out", "elsewhere"} {
		if !o.has(dir, items...) {
			o.Errorf("%s holds %v, want %v, each once", dir, o.rowsIn(dir), items)
		}
	}
	o.verify()
	if n := len(o.waiting()); n != 4 { // X and Y, of two flows
		o.Errorf("%d exceptions wait, want 4", n)
	}
}

// TestFullDisk: on a full disk the flows of a daemon stand still, it lives and says why;
// what operators do works, or is refused with the reason; and when there is room all
// goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		disks []string // each of its own
		fill  string
	}{
		"state":         {[]string{"state"}, "state"},
		"exception log": {[]string{"state/exceptions"}, "state/exceptions"},
		"everything":    {[]string{""}, "state"},
		"each its own":  {[]string{"state", "out", "elsewhere"}, "state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := smallDisks(t, "24m", test.disks...)
			o.write("in/1.csv", []byte("sku,qty\nA,1\nX,none\n"))
			ballast := func() bool {
				_, err := os.Stat(o.path("state/ballast"))
				return err == nil
			}
			p := o.start("run")
			o.eventually("the first file is delivered, and a ballast kept", patience, func() bool { return ballast() && o.rests() })
			o.write("in.csv", []byte("sku,qty\nB,2\nY,none\n"))
			waiting := o.waiting()[0].ID
			o.fill(test.fill)
			o.must(os.Rename(o.path("in.csv"), o.path("in/2.csv")))
			o.eventually("the flows stand still, and the ballast is given up", patience, func() bool {
				stock, room := o.told("stock")
				list, _ := o.told("copy")
				return !ballast() && strings.Contains(room, "make room") && stock.Waits != "" && list.Waits != ""
			})
			if test.fill == "state" { // with the room of the ballast
				o.ask([]int{exitOK}, "pause", "stock", "--why", "I am tired")
				o.ask([]int{exitOK}, "resume", "stock")
			}
			o.fill(test.fill)
			o.refused("make room", "pause", "stock", "--why", "I am tired")
			o.refused("make room", "exceptions", "dismiss", waiting, "--why", "I am tired")
			p.kill()
			o.refused("make room", "run", "--once")
			p = o.start("run")
			o.eventually("it waits for room", patience, func() bool {
				_, room := o.told("stock")
				return strings.Contains(room, "make room")
			})
			if !o.has("out", "A,1") || !o.has("elsewhere", "A,1") {
				t.Errorf("with no room to settle it, there is %v", o.rowsIn("out"))
			}
			o.must(os.Remove(o.path(test.fill + "/hog")))
			o.eventually("all goes on", patience, func() bool {
				f, room := o.told("stock")
				return ballast() && o.has("out", "A,1", "B,2") && o.has("elsewhere", "A,1", "B,2") && f.State != "" && room == ""
			})
			o.leave(p)
			o.delivered("A,1", "B,2")
		})
	}
}

// TestFullDestination: a full disk of a destination stops the flow that writes there,
// and no other.
func TestFullDestination(t *testing.T) {
	t.Parallel()
	o := smallDisks(t, "256k", "out")
	p := o.start("run")
	o.eventually("the first file is delivered", patience, o.rests)
	o.fill("out")
	o.write("in.csv", []byte("sku,qty\nB,2\nY,none\n"))
	o.must(os.Rename(o.path("in.csv"), o.path("in/2.csv")))
	o.eventually("its flow stands still and says why", patience, func() bool {
		f, _ := o.told("stock")
		return strings.Contains(f.Why, "no space left") && strings.Contains(f.Hint, "make room")
	})
	o.eventually("the other goes on", patience, func() bool {
		f, room := o.told("copy")
		return o.has("elsewhere", "A,1", "B,2") && f.State != "" && f.Why == "" && room == ""
	})
	o.must(os.Remove(o.path("out/hog")))
	o.eventually("all goes on", patience, func() bool { return o.has("out", "A,1", "B,2") })
	o.leave(p)
	o.delivered("A,1", "B,2")
}

// TestFullInABatch: the disk of the exception log is filled by a batch itself. The
// process ends (R4), the line that was torn is cut off, and when there is room every
// exception is there, once.
func TestFullInABatch(t *testing.T) {
	t.Parallel()
	o := smallDisks(t, "4500k", "state/exceptions")
	o.write("in/1.csv", []byte("sku,qty\nA,1\nX,none\nB,2\nY,none\n"))
	o.ask([]int{exitOpen}, "run", "--once")
	var many strings.Builder
	many.WriteString("sku,qty\n")
	for i := range 300 {
		fmt.Fprintf(&many, "Z%d,%s\n", i, strings.Repeat("x", 8<<10))
	}
	o.write("in/2.csv", []byte(many.String()))
	p := o.start("run")
	if <-p.ended; p.code != exitUncertain || !strings.Contains(p.told.String(), "no space left") {
		t.Fatalf("it left with %d:\n%s", p.code, p.told)
	}
	p = o.start("run")
	o.eventually("it waits for room", patience, func() bool {
		_, room := o.told("stock")
		return strings.Contains(room, "make room")
	})
	o.must(exec.Command("mount", "-o", "remount,size=64m", o.path("state/exceptions")).Run())
	o.eventually("all goes on", patience, func() bool {
		f, _ := o.told("stock")
		g, _ := o.told("copy")
		return f.Open["rejected"] == 302 && g.Open["rejected"] == 302
	})
	if n := len(o.waiting()); n != 604 {
		t.Errorf("%d exceptions wait, want 604", n)
	}
	o.leave(p)
	o.verify()
	if torn, err := filepath.Glob(o.path("state/exceptions/*.torn")); err != nil || len(torn) != 1 {
		t.Errorf("torn lines are kept in %v, %v", torn, err)
	}
}

// TestReadOnlyDisk: what only reads works on a state that may only be read, and what
// would write says what is wrong.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	o := smallDisks(t, "24m", "state")
	o.ask([]int{exitOpen}, "run", "--once")
	o.must(exec.Command("mount", "-o", "remount,ro", o.path("state")).Run())
	for _, reading := range [][]string{{"status"}, {"verify"}, {"plan", "stock"}, {"checkpoint", "show"}, {"exceptions", "list"}, {"state", "check"}} {
		o.ask([]int{exitOK}, reading...)
	}
	for _, writing := range [][]string{{"run"}, {"run", "--once"}, {"state", "backup"}, {"pause", "stock", "--why", "x"}} {
		o.refused("may only be read", writing...)
	}
}

// TestDiskThatFails: a file system that finds an error in itself may only be read from
// then on, and says so nowhere. Flows stand still, and the daemon lives and says why.
func TestDiskThatFails(t *testing.T) {
	t.Parallel()
	disk := mountDisk(t)
	disk.run("mount", "-o", "remount,errors=remount-ro", disk.at)
	o := smallDisks(t, "")
	o.must(os.Remove(o.path("state")))
	o.must(os.Symlink(disk.at, o.path("state")))
	p := o.start("run")
	o.eventually("the first file is delivered, and nothing runs", patience, o.rests)
	disk.fail()
	o.write("in/2.csv", []byte("sku,qty\nB,2\nY,none\n"))
	o.eventually("the flows stand still", patience, func() bool {
		f, room := o.told("stock")
		return p.left() || strings.Contains(room, "may only be read: the kernel's log says why") && f.Waits != ""
	})
	if !p.left() {
		o.refused("may only be read", "pause", "stock", "--why", "I am tired")
	} else if p.code != exitUncertain { // a run was just settling (R4)
		t.Fatalf("the daemon left with %d:\n%s", p.code, p.told)
	}
	p.kill()
	disk.remount()
	p = o.start("run")
	o.eventually("all goes on", patience, func() bool { return o.has("out", "A,1", "B,2") && o.has("elsewhere", "A,1", "B,2") })
	o.leave(p)
	o.delivered("A,1", "B,2")
}

// fail lets the file system find an error in itself.
func (d *disk) fail() {
	d.Helper()
	device, err := exec.Command("findmnt", "-no", "SOURCE", d.at).Output()
	if err == nil {
		err = os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(strings.TrimSpace(string(device))), "trigger_fs_error"), []byte("x"), 0)
	}
	if err != nil {
		d.Skipf("no file system that fails: %v", err)
	}
}

// left reports whether a process has ended.
func (p *process) left() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
