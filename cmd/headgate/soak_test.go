package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"headgate/engine/control"
)

// manyFlows is how many flows the daemons of these tests run.
const manyFlows = 50

// busy is a daemon with many flows, each with files and a table of its own.
type busy struct {
	*living
	next int // of the rounds of files
}

// beginBusy starts a daemon whose flows are due every so often.
func beginBusy(t testing.TB, every time.Duration, pause string) *busy {
	o := &operator{TB: t, dir: t.TempDir()}
	o.must(os.Mkdir(o.path("in"), 0o755))
	var tables strings.Builder
	for i := range manyFlows {
		fmt.Fprintf(&tables, "CREATE TABLE stock_%02d (no INTEGER PRIMARY KEY, qty INTEGER);\n", i)
	}
	o.sql(tables.String())
	o.write("rules/flows.hcl", manyRules(every, pause, 1))
	return &busy{living: o.daemon()}
}

// manyRules is a ruleset of many flows. Rules of another version judge otherwise.
func manyRules(every time.Duration, pause string, version int) []byte {
	var in, out, flows strings.Builder
	for i := range manyFlows {
		fmt.Fprintf(&in, "  resource \"stock_%02d\" {\n    entity = entity.item\n    glob   = \"%02[1]d-*.csv\"\n    settle = \"0s\"\n    csv {\n    }\n  }\n", i)
		fmt.Fprintf(&out, "  resource \"stock_%02d\" {\n    entity = entity.item\n    table  = \"stock_%02[1]d\"\n  }\n", i)
		fmt.Fprintf(&flows, "flow \"stock_%02d\" {\n  from  = connector.shop.stock_%02[1]d\n  to    = connector.erp.stock_%02[1]d\n  mode  = live\n  every = %q\n  batch {\n    size  = 20\n%s  }\n  guard {\n    rejects = \"100%%\"\n  }\n}\n", i, every, pause)
	}
	return fmt.Appendf(nil, `
headgate {
  state = "../state"
}
connector "shop" {
  type = "files"
  dir  = "../in"
%s}
connector "erp" {
  type = "sqlite"
  path = "../erp.db"
%s}
entity "item" {
  key   = [no]
  owner = connector.shop
  field "no" {
    type = int
  }
  field "qty" {
    type = int
  }
  rule "fitting" {
    check   = "qty != %d"
  }
}
%s`, in.String(), out.String(), version, flows.String())
}

// feed puts a file of n items before each flow, whose keys come again and again with
// another content, and takes away the files of some rounds before.
func (b *busy) feed(n int) {
	const kept = 5
	for i := range manyFlows {
		text := []byte("no,qty\n")
		for k := range n {
			text = fmt.Appendf(text, "%d,%d\n", (b.next*n+k)%1000, (b.next+k)%17)
		}
		name := fmt.Sprintf("%02d-%06d.csv", i, b.next)
		b.o.write("next.part", text)
		b.o.must(os.Rename(b.o.path("next.part"), b.o.path("in/"+name)))
		if b.next >= kept {
			_ = os.Remove(b.o.path(fmt.Sprintf("in/%02d-%06d.csv", i, b.next-kept))) // it may be gone
		}
	}
	b.next++
}

// BenchmarkStatus asks a daemon how its many flows do while all of them run: through
// the socket, and by the whole command.
func BenchmarkStatus(b *testing.B) {
	d := beginBusy(b, time.Second, "    pause = \"50ms\"\n")
	running := func(s *control.Status) (n int) {
		for i := range s.Flows {
			if s.Flows[i].State == "running" {
				n++
			}
		}
		return n
	}
	for name, ask := range map[string]func(){
		"socket":  func() { d.status() },
		"command": func() { d.o.ask([]int{exitOK}, "status") },
	} {
		b.Run(name, func(b *testing.B) {
			d.feed(100 * 1000) // more than anybody waits for
			d.o.eventually("all flows run", patience, func() bool { return running(d.status()) == manyFlows })
			for b.Loop() {
				ask()
			}
			b.ReportMetric(float64(running(d.status())), "flows-running")
		})
	}
}

// duration is how long a test that is only made when asked for goes on.
func duration(t *testing.T, variable string) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		t.Skipf("skipped: %s does not say for how long", variable)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return d
}

// TestIdle measures a daemon whose many flows look for work every 30 seconds and find
// none, for as long as HEADGATE_TEST_IDLE says.
func TestIdle(t *testing.T) {
	length := duration(t, "HEADGATE_TEST_IDLE")
	d := beginBusy(t, 30*time.Second, "")
	d.feed(100)
	d.o.eventually("all flows have run", patience, func() bool {
		return !slices.ContainsFunc(d.status().Flows, func(f control.FlowStatus) bool { return f.Known < 100 })
	})
	began, before := time.Now(), d.worked()
	<-time.After(length)
	share := 100 * float64(d.worked()-before) / float64(time.Since(began))
	memory := d.memory()
	t.Logf("%d flows, %s: %.2f %% of a core, %d KiB anonymous memory", manyFlows, length, share, memory>>10)
	if share > 0.5 {
		t.Errorf("an idle daemon takes %.2f %% of a core", share)
	}
	if memory > 40<<20 {
		t.Errorf("an idle daemon takes %d MiB", memory>>20)
	}
}

// sample is what a daemon takes of its machine at one moment.
type sample struct{ memory, goroutines, descriptors int64 }

// TestSoak lets a daemon work under load, with reloads and questions, for as long as
// HEADGATE_TEST_SOAK says. What it takes of the machine must not grow.
func TestSoak(t *testing.T) {
	length := duration(t, "HEADGATE_TEST_SOAK")
	d := beginBusy(t, time.Second, "")
	var samples []sample
	for end := time.Now().Add(length); time.Now().Before(end); {
		d.feed(20)
		if d.next%5 == 0 {
			d.o.write("rules/flows.hcl", manyRules(time.Second, "", d.next/5%2))
		}
		tick := time.After(time.Second)
		for range 5 {
			d.status()
		}
		s := d.status().Daemon
		samples = append(samples, sample{d.memory(), int64(s.Goroutines), int64(s.Descriptors)})
		<-tick
	}
	total := int64(0)
	for _, f := range d.status().Flows {
		total += f.Read
	}
	d.stop()
	d.o.verify()
	quarter := len(samples) / 4
	early, late := middle(samples[quarter:2*quarter]), middle(samples[3*quarter:])
	t.Logf("%d records in %s; early %s, late %s", total, length, early, late)
	for i, s := range samples {
		if i%max(1, len(samples)/20) == 0 {
			t.Logf("  %s", s)
		}
	}
	if late.memory > early.memory*5/4+4<<20 || late.goroutines > early.goroutines*5/4+10 || late.descriptors > early.descriptors+5 {
		t.Error("what the daemon takes of its machine grows")
	}
}

func (s sample) String() string {
	return fmt.Sprintf("%d KiB, %d goroutines, %d descriptors", s.memory>>10, s.goroutines, s.descriptors)
}

// middle returns the medians.
func middle(all []sample) sample {
	of := func(get func(sample) int64) int64 {
		values := make([]int64, len(all))
		for i, s := range all {
			values[i] = get(s)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return sample{
		of(func(s sample) int64 { return s.memory }),
		of(func(s sample) int64 { return s.goroutines }),
		of(func(s sample) int64 { return s.descriptors }),
	}
}

// memory is the anonymous memory of the daemon, in bytes.
func (d *living) memory() int64 {
	d.o.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Process.Pid))
	d.o.must(err)
	_, rest, _ := bytes.Cut(text, []byte("RssAnon:"))
	kib, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
	d.o.must(err)
	return kib << 10
}

// worked is the processor time the daemon took, in user and in kernel mode.
func (d *living) worked() time.Duration {
	d.o.Helper()
	const ticks = 100 // of a second: sysconf(_SC_CLK_TCK) on Linux
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Process.Pid))
	d.o.must(err)
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	total := int64(0)
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(string(f), 10, 64)
		d.o.must(err)
		total += n
	}
	return time.Duration(total) * time.Second / ticks
}
