package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gateVariable names the descriptor on which a headgate that is tested hands over its
// file system calls: each then waits for the test to say whether it is made or fails.
// Nothing in headgate knows of it, so what is tested is what is shipped.
const gateVariable = "HEADGATE_TEST_CALLS"

// gatedCalls are the system calls that change files, and what they are called.
var gatedCalls = map[uint32]string{
	unix.SYS_OPENAT: "open", unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "write",
	unix.SYS_FSYNC: "sync", unix.SYS_FDATASYNC: "sync", unix.SYS_FTRUNCATE: "cut", unix.SYS_CLOSE: "close",
	unix.SYS_RENAMEAT: "rename", unix.SYS_RENAMEAT2: "rename", unix.SYS_LINKAT: "link", unix.SYS_UNLINKAT: "remove", unix.SYS_MKDIRAT: "mkdir",
	unix.SYS_FALLOCATE: "reserve",
}

// handOver has all further calls of this process, and of those it starts, ask the test.
func handOver() error {
	to, err := strconv.Atoi(os.Getenv(gateVariable))
	if err != nil {
		return nil // nobody wants them
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the number of the call
	for number := range gatedCalls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("hand over calls: %w", err)
	}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	listener, _, no := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if no != 0 {
		return fmt.Errorf("hand over calls: %w", no)
	}
	err = unix.Sendmsg(to, []byte{1}, unix.UnixRights(int(listener)), nil, 0)
	return errors.Join(err, unix.Close(to), unix.Close(int(listener)), os.Unsetenv(gateVariable)) // what it starts is handed over already
}

// notified and answered are how the kernel asks about a call and is told.
type notified struct {
	id         uint64
	pid, flags uint32
	number     uint32
	arch       uint32
	pointer    uint64
	args       [6]uint64
}

type answered struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

const goOn = 1 // the kernel makes the call

// exitUngated says that this system lets no calls be handed over.
const exitUngated = 99

// gate answers for the calls of processes to files in a directory.
type gate struct {
	dir    string
	decide func(thread uint32, call string) verdict // what becomes of "sync state/audit.jsonl"
}

// verdict is what becomes of a call: its zero value lets it be made.
type verdict struct {
	errno syscall.Errno
	half  bool // half of it is written, and the rest is asked for again
	done  bool // names are changed as it says, and it fails all the same
	never bool // it does not return
}

// started makes a command hand over its calls, and serves them until it has ended. It
// must be called before the command starts, and what it returns behind that.
func (g *gate) started(p *process) (serve func() error, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "calls")
	p.Env = append(p.Env, gateVariable+"="+strconv.Itoa(3+len(p.ExtraFiles)))
	p.ExtraFiles = append(p.ExtraFiles, theirs)
	return func() error {
		defer func() { _ = unix.Close(pair[0]) }()
		if err := theirs.Close(); err != nil {
			return err
		}
		rights := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), rights, 0)
		if err != nil {
			return err
		}
		messages, err := unix.ParseSocketControlMessage(rights[:n])
		if err != nil || len(messages) != 1 {
			return errors.Join(err, errNoCalls)
		}
		got, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return err
		}
		go g.serve(got[0])
		return nil
	}, nil
}

var errNoCalls = errors.New("no calls are handed over here")

// serve answers until all processes behind the listener have ended.
func (g *gate) serve(listener int) {
	defer func() { _ = unix.Close(listener) }()
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && err != unix.EINTR {
			return
		}
		switch {
		case ready[0].Revents&unix.POLLIN != 0:
			n := notified{}
			if ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) == nil {
				a, never := g.answer(&n)
				if never {
					continue
				}
				_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) // it may have been killed
			}
		case ready[0].Revents != 0:
			return
		}
	}
}

func ioctl(fd int, request uint, p unsafe.Pointer) error {
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(p)); no != 0 {
		return no
	}
	return nil
}

func (g *gate) answer(n *notified) (a answered, never bool) {
	a = answered{id: n.id, flags: goOn}
	call, path := gatedCalls[n.number], ""
	switch call {
	case "open", "remove", "mkdir":
		path = pathAt(n.pid, n.args[0], n.args[1])
	case "rename", "link":
		path = pathAt(n.pid, n.args[2], n.args[3])
	default:
		path = pathOf(n.pid, n.args[0])
	}
	name, ours := strings.CutPrefix(path, g.dir+"/")
	if !ours {
		return a, false
	}
	v := g.decide(n.pid, call+" "+name)
	switch {
	case v.half && call == "write" && n.args[2] > 1:
		if wrote := g.half(n); wrote > 0 {
			a.value, a.flags = wrote, 0
		}
	case v.done && changesNames(call) && g.done(call, n) != nil: // it fails by itself: let it
	case v.errno != 0:
		a.errno, a.flags = -int32(v.errno), 0
	}
	return a, v.never
}

// changesNames reports whether a call does nothing but that.
func changesNames(call string) bool { return call == "rename" || call == "link" || call == "remove" }

// done does what a call is to do, in its place.
func (g *gate) done(call string, n *notified) error {
	path := pathAt(n.pid, n.args[0], n.args[1])
	switch call {
	case "remove":
		return unix.Unlinkat(unix.AT_FDCWD, path, int(n.args[2]))
	case "link":
		return os.Link(path, pathAt(n.pid, n.args[2], n.args[3]))
	}
	flags := uint(0)
	if n.number == unix.SYS_RENAMEAT2 {
		flags = uint(n.args[4])
	}
	return unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, pathAt(n.pid, n.args[2], n.args[3]), flags)
}

// half writes the first half of what a call was to write.
func (g *gate) half(n *notified) int64 {
	process, err := unix.PidfdOpen(tgid(n.pid), 0)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(process) }()
	fd, err := unix.PidfdGetfd(process, int(n.args[0]), 0)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }()
	b := memory(n.pid, n.args[1], int(n.args[2]/2))
	var wrote int
	if n.number == unix.SYS_PWRITE64 {
		wrote, err = unix.Pwrite(fd, b, int64(n.args[3]))
	} else {
		wrote, err = unix.Write(fd, b)
	}
	if err != nil {
		return 0
	}
	return int64(wrote)
}

// tgid is the process of a thread.
func tgid(thread uint32) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "Tgid:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(id))
			return n
		}
	}
	return int(thread)
}

// memory copies what a process has at an address.
func memory(pid uint32, at uint64, n int) []byte {
	b := make([]byte, n)
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	read, _ := f.ReadAt(b, int64(at))
	return b[:read]
}

func pathOf(pid uint32, fd uint64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, int32(fd)))
	return strings.TrimSuffix(path, " (deleted)")
}

func pathAt(pid uint32, dir, name uint64) string {
	path := string(memory(pid, name, unix.PathMax))
	if i := strings.IndexByte(path, 0); i >= 0 {
		path = path[:i]
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	if int32(dir) == unix.AT_FDCWD {
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		return filepath.Join(cwd, path)
	}
	return filepath.Join(pathOf(pid, dir), path)
}
