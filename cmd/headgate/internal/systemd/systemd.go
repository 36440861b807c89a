// Package systemd tells the service manager how the daemon is, and takes the
// control socket from it. Where none listens (a terminal, a container, another
// init) every call does nothing and succeeds.
//
// The unit says Type=notify with ExecReload=/bin/kill -HUP $MAINPID: Reloading and
// then Ready frame each reload.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// maxStatus is how much of a status is told, in characters: systemctl shows one line.
const maxStatus = 200

// Ready says that the daemon works, after its start or a reload, and what it does.
func Ready(status string) error {
	return notify("tell systemd that headgate is ready", daemon.SdNotifyReady, "STATUS="+line(status))
}

// Reloading says that a reload begins. Ready ends it, also when the reload failed:
// the daemon then works as before.
func Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	return notify("tell systemd of a reload", daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// Status says in one line what the daemon does, as `systemctl status` shows it.
func Status(text string) error { return notify("tell systemd the status", "STATUS="+line(text)) }

// Waiting says what the daemon waits for before it is ready, and that it may take so
// long until the next call.
func Waiting(text string, d time.Duration) error {
	return notify("tell systemd what headgate waits for", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()), "STATUS="+line(text))
}

// Stopping says that the daemon finishes its batches and leaves.
func Stopping() error { return notify("tell systemd that headgate stops", daemon.SdNotifyStopping) }

// Alive holds the watchdog off until the next WatchdogInterval.
func Alive() error { return notify("tell systemd that headgate lives", daemon.SdNotifyWatchdog) }

// WatchdogInterval is how often Alive must be called: half of the time after which
// systemd kills the daemon. 0: no watchdog waits for this process.
func WatchdogInterval() (time.Duration, error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("read the watchdog's time: %w", err)
	}
	return limit / 2, nil
}

// ControlSocket returns the listening socket that a socket unit passed to this
// process, or nil. The environment that names it is taken away, so that a child does
// not take it for its own.
func ControlSocket() (net.Listener, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the control socket from systemd: %w", err)
	}
	if len(passed) == 0 {
		return nil, nil
	}
	if len(passed) == 1 && passed[0] != nil && passed[0].Addr().Network() == "unix" {
		return passed[0], nil
	}
	for _, l := range passed {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return nil, errors.Join(fmt.Errorf("take the control socket from systemd: it passed %d sockets, and headgate takes one: give the socket unit one ListenStream= with a path", len(passed)), err)
}

// notify sends assignments as one datagram.
func notify(what string, assignments ...string) error {
	if _, err := daemon.SdNotify(false, strings.Join(assignments, "\n")); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// line makes text one line that says nothing else to systemd: a line break would
// begin another assignment.
func line(text string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		switch n++; {
		case n > maxStatus:
			return -1
		case n == maxStatus:
			return '…'
		case r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return ' '
		}
		return r
	}, text)
}
