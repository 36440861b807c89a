package engine_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/notes"
	"headgate/engine/record"
)

// What the child process is told by its environment.
const (
	poisonDir  = "TEST_POISON_DIR"  // its installation; "": this is no child
	poisonStep = "TEST_POISON_STEP" // what panics: see poisonousDesk
)

// poisonousDesk is an installation in which handling the order 07 panics: writing it,
// or judging it, since it alone has a customer to be looked up; "end": no order does,
// but the looking for what there is; "mended": nothing does.
func poisonousDesk(t *testing.T, dir, step string) *desk {
	d := newDesk(t, rulesetText{size: 4, flow: allRejects, entity: `rule "known" {
    check   = "customer == nil or customers(customer) != nil"
    on_fail = hold
  }`, more: customersLookup})
	d.dir = dir
	d.text.whole = strings.Replace(d.hcl(), "connector \"crm\" {\n  type = \"shop\"", "connector \"crm\" {\n  type = \"erp\"", 1)
	d.put(d.erp.Create("customers", "name", "id"), "Ann", 1)
	d.orderMany(1, 6)
	d.order("07", 1, "Ann", nil)
	d.orderMany(8, 10)
	d.sales.Refuse = func(_ connectors.Op, row map[string]record.Value) (string, string) {
		switch {
		case row["no"].Text() != "07":
		case step == "deliver":
			panic("poison")
		case step == "quit":
			_ = syscall.Kill(os.Getpid(), syscall.SIGQUIT)
			select {}
		}
		return "", ""
	}
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if step == "judge" && c.Op == "get" { // of the customers
			panic("poison")
		}
		return nil
	}}
	d.shopFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if step == "list" && c.Op == "parts" {
			panic("poison")
		}
		return nil
	}}
	return d
}

// TestPoisonousProcess is the child process of the tests below: it runs the flow once.
func TestPoisonousProcess(t *testing.T) {
	dir := os.Getenv(poisonDir)
	if dir == "" {
		t.Skip("it is the child of other tests")
	}
	d := poisonousDesk(t, dir, os.Getenv(poisonStep))
	n, err := notes.Open(dir + "/handling")
	if err != nil {
		t.Fatal(err)
	}
	d.notes = n
	fmt.Printf("ran: %s\n", d.run())
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// startPoisonous runs the flow in a process of its own, and returns what it did, or
// "crashed".
func startPoisonous(t *testing.T, dir, step string) string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestPoisonousProcess$", "-test.v")
	child.Env = append(os.Environ(), poisonDir+"="+dir, poisonStep+"="+step)
	out, err := child.CombinedOutput()
	if err != nil && (strings.Contains(string(out), "panic: poison") || strings.Contains(string(out), "SIGQUIT: quit")) {
		return "crashed"
	}
	_, did, ok := strings.Cut(string(out), "ran: ")
	if err != nil || !ok {
		t.Fatalf("%v\n%s", err, out)
	}
	did, _, _ = strings.Cut(did, "\n")
	return did
}

// TestPoison: two processes crash of one record, the third holds it alone, and all
// others are delivered; what is read once more then kills nothing.
func TestPoison(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"judge", "deliver"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			d := &desk{t: t, dir: t.TempDir()}
			d.want("the first start", startPoisonous(t, d.dir, step), "crashed")
			d.want("the second start", startPoisonous(t, d.dir, step), "crashed")
			d.want("the third start", startPoisonous(t, d.dir, step), "3 created, 1 held")
			waits := "07 held poison"
			if step == "judge" {
				waits = "held poison" // its key was never made
			}
			d.want("what waits", d.open(), waits)
			d.want("the fourth start", startPoisonous(t, d.dir, step), "10 unchanged")
			d.want("the fifth start", startPoisonous(t, d.dir, "mended"), "10 unchanged")
			mended := poisonousDesk(t, d.dir, "mended")
			if step == "deliver" {
				mended.want("when a person wants it tried again", mended.retry(mended.ids()), "1 created")
				mended.want("what waits", mended.open(), "")
			}
		})
	}
}

// TestPoisonNoRecord: where no record is to blame, the flow pauses and says what the
// processes were at.
func TestPoisonNoRecord(t *testing.T) {
	t.Parallel()
	d := &desk{t: t, dir: t.TempDir()}
	for range 2 {
		d.want("a start", startPoisonous(t, d.dir, "list"), "crashed")
	}
	const paused = "paused: the process crashed 2 times, the last time at this: list"
	d.want("the third start", startPoisonous(t, d.dir, "list"), paused)
	d.want("the fourth start", startPoisonous(t, d.dir, "mended"), paused)
}

// TestKilledIsNotPoison: a process that is killed, or a machine that loses its power,
// blames nothing, however often that is.
func TestKilledIsNotPoison(t *testing.T) {
	t.Parallel()
	d := poisonousDesk(t, t.TempDir(), "mended")
	n, err := notes.Open(d.dir + "/handling")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Write("orders", engine.Note{Crashes: 1, Step: "deliver", Row: record.Fingerprint{1}}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	d.want("a start", startPoisonous(t, d.dir, "mended"), "10 created")
}

// TestAskedForATraceIsNotPoison: whoever asks a process for its trace kills it, and
// what it was doing is not to blame.
func TestAskedForATraceIsNotPoison(t *testing.T) {
	t.Parallel()
	d := &desk{t: t, dir: t.TempDir()}
	for range 3 {
		d.want("a start", startPoisonous(t, d.dir, "quit"), "crashed")
	}
	d.want("what waits", d.open(), "")
}
