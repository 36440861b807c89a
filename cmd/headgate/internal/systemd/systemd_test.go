package systemd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the binary of the tests be the daemon that is given a socket.
func TestMain(m *testing.M) {
	if os.Getenv("HEADGATE_TEST_ACTIVATED") != "" {
		os.Exit(activated())
	}
	os.Exit(m.Run())
}

// manager listens as systemd does.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func TestNotify(t *testing.T) {
	conn := manager(t)
	for name, test := range map[string]struct {
		send func() error
		want string // a pattern for the whole datagram
	}{
		"ready":     {func() error { return Ready("2 flows") }, "READY=1\nSTATUS=2 flows"},
		"reloading": {Reloading, `RELOADING=1\nMONOTONIC_USEC=\d+`},
		"stopping":  {Stopping, "STOPPING=1"},
		"alive":     {Alive, "WATCHDOG=1"},
		"waiting":   {func() error { return Waiting("for room", time.Minute) }, "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=for room"},
		"status":    {func() error { return Status("shop.orders waits: zażółć") }, "STATUS=shop.orders waits: zażółć"},
		"injection": {func() error { return Status("a\nMAINPID=1\r\x1b[31m\u202e\u2028b") }, "STATUS=a MAINPID=1  \\[31m  b"},
		"not UTF-8": {func() error { return Status("a\xffb") }, "STATUS=a\uFFFDb"},
		"long":      {func() error { return Status(strings.Repeat("ä", 5000)) }, "STATUS=ä{199}…"},
	} {
		if err := test.send(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		buffer := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := string(buffer[:n]); !regexp.MustCompile("^(?s:" + test.want + ")$").MatchString(got) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestReloadingNow: systemd compares the time with its own monotonic clock.
func TestReloadingNow(t *testing.T) {
	conn := manager(t)
	before := monotonic(t)
	if err := Reloading(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(buffer[:n]), "MONOTONIC_USEC=")
	usec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || usec < before || usec > monotonic(t) {
		t.Errorf("%q is not between %d and now, %v", text, before, err)
	}
}

func monotonic(t *testing.T) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// TestNobodyListens: without a service manager nothing happens and nothing fails.
func TestNobodyListens(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS"} {
		t.Setenv(name, "")
	}
	for _, send := range []func() error{func() error { return Ready("") }, Reloading, Stopping, Alive, func() error { return Status("x") }, func() error { return Waiting("x", time.Second) }} {
		if err := send(); err != nil {
			t.Error(err)
		}
	}
	if every, err := WatchdogInterval(); every != 0 || err != nil {
		t.Errorf("a watchdog every %v, %v", every, err)
	}
	if l, err := ControlSocket(); l != nil || err != nil {
		t.Errorf("a socket %v, %v", l, err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Alive(); err == nil || !strings.Contains(err.Error(), "tell systemd") {
		t.Errorf("a manager that is gone: %v", err)
	}
}

func TestWatchdogInterval(t *testing.T) {
	for name, test := range map[string]struct {
		usec, pid string
		want      time.Duration
		fails     bool
	}{
		"half of it":         {usec: "30000000", want: 15 * time.Second},
		"for this process":   {usec: "30000000", pid: strconv.Itoa(os.Getpid()), want: 15 * time.Second},
		"for another":        {usec: "30000000", pid: "1"},
		"none":               {pid: strconv.Itoa(os.Getpid())},
		"nonsense":           {usec: "soon", fails: true},
		"a nonsense process": {usec: "30000000", pid: "me", fails: true},
	} {
		t.Setenv("WATCHDOG_USEC", test.usec)
		t.Setenv("WATCHDOG_PID", test.pid)
		if got, err := WatchdogInterval(); got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// activated answers one greeting on the socket it was given.
func activated() int {
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // as systemd does between fork and exec
	l, err := ControlSocket()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if os.Getenv("LISTEN_FDS") != "" {
		fmt.Println("a child would take the socket too")
		return 1
	}
	conn, err := l.Accept()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_, err = conn.Write([]byte("hello"))
	if err != nil || conn.Close() != nil {
		return 1
	}
	return 0
}

// given starts the binary of the tests with files passed as systemd does.
func given(t *testing.T, files ...*os.File) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "HEADGATE_TEST_ACTIVATED=1", fmt.Sprint("LISTEN_FDS=", len(files)))
	c.ExtraFiles = files
	said := &strings.Builder{}
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, said
}

func TestControlSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c, said := given(t, file)
	_ = file.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 10)
	n, _ := conn.Read(buffer)
	_ = conn.Close()
	if err := c.Wait(); err != nil || string(buffer[:n]) != "hello" {
		t.Errorf("%q, %v: %s", buffer[:n], err, said)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the socket belongs to systemd, and is gone: ", err)
	}
}

// TestOtherSockets: what cannot be the control socket is refused with a hint.
func TestOtherSockets(t *testing.T) {
	t.Parallel()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	file, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, files := range [][]*os.File{{file}, {file, file}} {
		c, said := given(t, files...)
		if err := c.Wait(); err == nil || !strings.Contains(said.String(), "ListenStream=") {
			t.Errorf("%d sockets: %v: %s", len(files), err, said)
		}
	}
}
