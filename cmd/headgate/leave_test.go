package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/engine"
	"headgate/engine/state"
)

// manager is a service manager that hears what a daemon tells it.
type manager struct {
	*operator
	conn *net.UnixConn
}

// manage lets the daemons of o tell a service manager how they are.
func manage(o *operator) *manager {
	o.Helper()
	path := o.path("notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	o.must(err)
	o.Cleanup(func() { o.must(conn.Close()) })
	o.env = append(o.env, "NOTIFY_SOCKET="+path)
	return &manager{o, conn}
}

// hears waits until an assignment is told, and returns what else was told before.
func (m *manager) hears(assignment string) (before []string) {
	m.Helper()
	m.must(m.conn.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buffer)
		if err != nil {
			m.Fatalf("waiting for %s: %v", assignment, err)
		}
		told := strings.Split(string(buffer[:n]), "\n")
		if slices.Contains(told, assignment) {
			return before
		}
		before = append(before, told...)
	}
}

// unhurried is the first ruleset, with batches that follow each other without a pause and an ERP
// that is waited for as long as it takes.
func unhurried() []byte {
	return []byte(strings.NewReplacer(`path = "../erp.db"`, `path = "../erp.db"`+"\n  busy_timeout = \"1h\"", `pause = "20ms"`, "").Replace(string(ruleVersion(1))))
}

// intent returns what a flow was about to write and has not settled.
func (o *operator) intent(flow string) *engine.Intent {
	db, err := state.OpenReadOnly(o.path("state"), time.Now)
	o.must(err)
	l, err := db.Ledger(flow, "shop.stock", "erp.stock")
	o.must(err)
	intent, err := l.Intent()
	o.must(errors.Join(err, db.Close()))
	return intent
}

// TestLeave: told to leave in the midst of an import, a daemon finishes the batch, settles and
// leaves; the next one goes on behind it.
func TestLeave(t *testing.T) {
	t.Parallel()
	o := stockroom(t)
	inPlace(o, unhurried())
	total := o.items(0, 5000)
	d := o.daemon()
	d.awaitRead(10)
	d.stop()
	o.verify()
	if intent := o.intent("stock"); intent != nil {
		t.Errorf("it left a batch open: %+v", intent)
	}
	settled := 0
	for _, row := range o.journal("stock") {
		settled += int(row.Read)
	}
	if settled < 10 || settled >= total || settled%10 != 0 {
		t.Errorf("it left when %d of %d records were settled, want some whole batches of 10", settled, total)
	}
	if got, want := o.rows("SELECT count(*) FROM stock")[0], fmt.Sprint(settled-(settled+18)/20); got != want {
		t.Errorf("the ERP has %s items, want %s", got, want)
	}
	o.ask([]int{exitOpen}, "run", "--once")
	o.verify()
	if got, want := o.rows("SELECT count(*), count(DISTINCT no) FROM stock")[0], fmt.Sprintf("%d|%[1]d", total-total/20); got != want {
		t.Errorf("the ERP has %s items in the end, want %s", got, want)
	}
}

// TestLeaveNow: while a batch cannot be finished, a second signal ends the daemon at once; what
// it had open is looked up by the next one.
func TestLeaveNow(t *testing.T) {
	t.Parallel()
	o := stockroom(t)
	m := manage(o)
	inPlace(o, unhurried())
	total := o.items(0, 5000)
	d := o.daemon()
	m.hears("READY=1")
	d.awaitRead(10)
	db, err := sqlitedb.OpenConn(o.path("erp.db"))
	o.must(err)
	db.SetBusyTimeout(patience)
	o.must(sqlitex.ExecuteTransient(db, "BEGIN IMMEDIATE", nil)) // from now on a batch waits for the ERP
	o.must(d.Process.Signal(syscall.SIGTERM))
	m.hears("STOPPING=1")
	select {
	case <-d.ended:
		t.Fatalf("it left without finishing its batch, with %d:\n%s", d.code, d.told)
	default:
	}
	o.must(d.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.ended:
	case <-time.After(patience):
		t.Fatal("it does not leave")
	}
	if d.code != -1 {
		t.Errorf("it left with %d, and not by the signal:\n%s", d.code, d.told)
	}
	o.must(errors.Join(sqlitex.ExecuteTransient(db, "ROLLBACK", nil), db.Close()))
	if o.intent("stock") == nil {
		t.Error("it left no batch open")
	}
	o.verify()
	o.ask([]int{exitOpen}, "run", "--once")
	o.verify()
	if got, want := o.rows("SELECT count(*), count(DISTINCT no) FROM stock")[0], fmt.Sprintf("%d|%[1]d", total-total/20); got != want {
		t.Errorf("the ERP has %s items, want %s", got, want)
	}
}

// TestWatchdog: the daemon says that it lives as often as its service manager asks, while its
// flows run and while it drains.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	o := stockroom(t)
	m := manage(o)
	o.env = append(o.env, "WATCHDOG_USEC=400000")
	inPlace(o, ruleVersion(1))
	o.items(0, 2000)
	d := o.daemon()
	m.hears("READY=1")
	for range 10 {
		m.hears("WATCHDOG=1")
	}
	d.hangUp()
	if told := m.hears("RELOADING=1"); slices.Contains(told, "STOPPING=1") {
		t.Errorf("told %q", told)
	}
	m.hears("READY=1")
	m.hears("WATCHDOG=1")
	d.stop()
	m.hears("STOPPING=1")
}
