package main

import (
	"context"
	"syscall"
	"time"

	"headgate/engine/control"
)

// living is a daemon that runs while the test does something else.
type living struct {
	*process
	o *operator
}

// daemon starts a daemon and returns when it answers.
func (o *operator) daemon() *living {
	o.Helper()
	d := &living{o.start("run"), o}
	o.eventually("the daemon answers", patience, func() bool {
		select {
		case <-d.ended:
			o.Fatalf("the daemon left with %d:\n%s", d.code, d.told)
		default:
		}
		_, err := d.ask()
		return err == nil
	})
	return d
}

func (d *living) ask() (*control.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	door, err := control.Connect(ctx, d.o.path("state/headgate.sock"))
	if err != nil {
		return nil, err
	}
	s := &control.Status{}
	if err := door.Ask(ctx, "status", nil, s); err != nil {
		return nil, err
	}
	return s, door.Close()
}

// status asks how all flows do, through the socket.
func (d *living) status() *control.Status {
	d.o.Helper()
	s, err := d.ask()
	if err != nil {
		d.o.Fatalf("%v\n%s", err, d.told)
	}
	return s
}

// awaitRead waits until so many different records were read of the first flow.
func (d *living) awaitRead(n int) {
	d.o.Helper()
	d.o.eventually("the records are read", patience, func() bool { return d.status().Flows[0].Known >= int64(n) })
}

// awaitRuleset waits until a ruleset runs.
func (d *living) awaitRuleset(digest string) {
	d.o.Helper()
	d.o.eventually("the ruleset is taken", patience, func() bool { return d.status().Ruleset == digest })
}

// hangUp lets the daemon look at its files now.
func (d *living) hangUp() { d.o.must(d.Process.Signal(syscall.SIGHUP)) }

// stop lets the daemon finish what it does and leave.
func (d *living) stop() {
	d.o.Helper()
	d.o.must(d.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.o.Fatal("the daemon does not leave")
	}
	if d.code != exitOK {
		d.o.Fatalf("the daemon left with %d:\n%s", d.code, d.told)
	}
}
