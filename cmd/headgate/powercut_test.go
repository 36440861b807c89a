package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What EXT4_IOC_SHUTDOWN takes: with the journal as it is in memory, or without.
const (
	ext4Shutdown   = 0x8004587d
	flushJournal   = 1
	noFlushJournal = 2
)

// TestPowerCut lets the power fail at random moments of an import: the file system
// loses what was not synced, under headgate, its state and its destination. In the end
// nothing is lost and nothing doubled. HEADGATE_TEST_CUTS says how many must land inside
// an import.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(testing.TB) *till{"sqlite": sqliteTill, "jsonl": jsonlTill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cutImports(t, name, begin(t))
		})
	}
}

func cutImports(t *testing.T, name string, erp *till) {
	disk := mountDisk(t)
	dice, cuts := dice(t), times(t, "HEADGATE_TEST_CUTS", 2)
	sales := manySales(dice, linesToImport)
	calm := beginImport(t, name, erp, sales)
	began := time.Now()
	calm.ask([]int{exitOpen}, "run", "--once")
	took, want := time.Since(began), accountOf(calm, erp)
	window := took
	landed, imports, all := 0, 0, 0
	for ; landed < cuts; imports++ {
		o := beginImport(t, name, erp, sales)
		on := &operator{TB: t, dir: filepath.Join(disk.at, filepath.Base(o.dir)), env: o.env}
		o.must(os.CopyFS(on.dir, os.DirFS(o.dir)))
		disk.sync()
		n, tried := cutOneImport(t, dice, on, erp, disk, &window, want)
		landed, all = landed+n, all+tried
		o.must(os.RemoveAll(on.dir))
		if imports > 3*cuts+10 {
			t.Fatalf("only %d of %d power cuts landed inside %d imports", landed, all, imports)
		}
	}
	t.Logf("%d of %d power cuts landed inside %d imports of %d lines, each of which took %s undisturbed", landed, all, imports, len(sales), took)
}

// cutOneImport brings one import to its end, with cuts on the way, and one behind it.
func cutOneImport(t *testing.T, dice *rand.Rand, o *operator, erp *till, disk *disk, window *time.Duration, want *account) (landed, cuts int) {
	read := int64(0)
	for ended := false; !ended; cuts++ {
		p := o.start("run", "--once")
		timer := time.NewTimer(time.Duration(dice.Int64N(int64(*window))))
		select {
		case <-p.ended:
			ended = true
		case <-timer.C:
		}
		timer.Stop()
		disk.cut(flushJournal + dice.IntN(2))
		p.kill()
		disk.remount()
		if ended && p.code != exitOpen {
			t.Fatalf("after %d power cuts the import left with %d:\n%s", cuts, p.code, p.told)
		}
		if _, err := os.Stat(o.path("state/headgate.db")); !errors.Is(err, os.ErrNotExist) {
			o.verify()
			if now := o.status().Flows[0].Read; now > read && now < linesToImport {
				landed, read = landed+1, now
			}
		}
		if ended {
			*window -= *window / 8
		} else {
			*window += *window / 8
		}
	}
	if diff := cmp.Diff(want, accountOf(o, erp)); diff != "" {
		t.Fatalf("after %d power cuts the end is another (- undisturbed, + cut):\n%s", cuts, diff)
	}
	return landed, cuts
}

// disk is an ext4 file system of its own, in a file.
type disk struct {
	testing.TB
	image, at string
}

// mountDisk makes one, where this process may.
func mountDisk(t testing.TB) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("no power cuts: mounting a file system is root's")
	}
	d := &disk{TB: t, image: filepath.Join(t.TempDir(), "disk"), at: t.TempDir()}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 512<<20); err != nil {
		t.Fatal(err)
	}
	if told, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("no power cuts: mkfs.ext4: %v: %s", err, told)
	}
	if told, err := exec.Command("mount", "-o", "loop", d.image, d.at).CombinedOutput(); err != nil {
		t.Skipf("no power cuts: no file can be mounted here: %v: %s", err, told)
	}
	t.Cleanup(d.unmount)
	if err := d.shutdown(flushJournal); err != nil {
		t.Skipf("no power cuts: EXT4_IOC_SHUTDOWN: %v", err)
	}
	d.remount()
	return d
}

func (d *disk) run(name string, args ...string) {
	d.Helper()
	if told, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.Fatalf("%s %v: %v: %s", name, args, err, told)
	}
}

func (d *disk) shutdown(flags int) error {
	root, err := os.Open(d.at)
	if err != nil {
		return err
	}
	return errors.Join(unix.IoctlSetPointerInt(int(root.Fd()), ext4Shutdown, flags), root.Close())
}

// cut takes the power away: from now on nothing is written any more.
func (d *disk) cut(flags int) {
	d.Helper()
	if err := d.shutdown(flags); err != nil {
		d.Fatalf("cut the power: %v", err)
	}
}

// unmount waits for what a killed headgate leaves behind: its check of the state ends
// a moment after it.
func (d *disk) unmount() {
	d.Helper()
	o := &operator{TB: d.TB}
	o.eventually(d.at+" is unmounted", patience, func() bool { return exec.Command("umount", d.at).Run() == nil })
}

// remount gives it back.
func (d *disk) remount() {
	d.Helper()
	d.unmount()
	d.run("mount", "-o", "loop", d.image, d.at)
}

func (d *disk) sync() {
	d.Helper()
	d.run("sync", "-f", d.at)
}
