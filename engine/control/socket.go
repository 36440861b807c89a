package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"headgate/engine"
)

// The limits of what passes the socket.
const (
	maxRequest  = 64 << 20         // bytes: a plan brings a whole ruleset
	longestPath = 100              // bytes a socket's path may have; longer ones go through their directory
	readWait    = 30 * time.Second // for a request to arrive
	dialWait    = 2 * time.Second
)

// Listen makes the socket that operators reach a daemon by. Only the daemon's user
// and group may use it. A socket that nobody listens on any more is replaced.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of the socket: %w", err)
	}
	if c, err := dial(context.Background(), path); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("listen on %s: another daemon answers there", path)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	short, done, err := shortened(path)
	if err != nil {
		return nil, err
	}
	defer done()
	old := unix.Umask(0o117) // 0660 from its first moment
	l, err := net.Listen("unix", short)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it knows only the short path
	return &listener{l, path}, nil
}

// removeStale removes a socket that nobody listens on, and nothing that is no socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the socket: %w", err)
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("listen on %s: there is a file which is not a socket: give the socket another path", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("replace the socket: %w", err)
	}
	return nil
}

// listener removes its socket when it is closed.
type listener struct {
	net.Listener
	path string
}

// Close stops listening and removes the socket.
func (l *listener) Close() error {
	err := l.Listener.Close()
	if gone := os.Remove(l.path); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// shortened returns a path of the same socket that is short enough for the kernel.
func shortened(path string) (short string, done func(), err error) {
	if len(path) <= longestPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("open the directory of the socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	short, done, err := shortened(path)
	if err != nil {
		return nil, err
	}
	defer done()
	dialer := net.Dialer{Timeout: dialWait}
	return dialer.DialContext(ctx, "unix", short)
}

// Serve answers on l until ctx ends, and then lets requests under way finish for a
// few seconds.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.handler(), ReadTimeout: readWait,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peer(c))
		},
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(l)
	if stop() {
		return errors.Join(err, l.Close())
	}
	<-closed
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

type peerKey struct{}

// peer names who is at the other end, as the kernel says.
func peer(c net.Conn) engine.Actor {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return engine.Actor{Name: "unknown"}
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return engine.Actor{Name: "unknown"}
	}
	var cred *unix.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) { cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || asked != nil {
		return engine.Actor{Name: "unknown"}
	}
	a := ActorOf(int(cred.Uid))
	a.PID = int(cred.Pid)
	return a
}

// ActorOf names a user of this machine, and its groups.
func ActorOf(uid int) engine.Actor {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return engine.Actor{Name: "uid " + strconv.Itoa(uid), UID: &uid}
	}
	a := engine.Actor{Name: u.Username, UID: &uid}
	ids, err := u.GroupIds()
	if err != nil {
		return a
	}
	for _, id := range ids {
		if g, err := user.LookupGroupId(id); err == nil {
			a.Groups = append(a.Groups, g.Name)
		}
	}
	return a
}

func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{verb}", func(w http.ResponseWriter, r *http.Request) {
		actor, _ := r.Context().Value(peerKey{}).(engine.Actor)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		var result any
		if err == nil {
			result, err = s.doSafely(r.Context(), actor, r.PathValue("verb"), body)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			result = passing(err)
		}
		_ = json.NewEncoder(w).Encode(result) // whoever asked is gone if this fails
	})
	return mux
}

// doSafely lets a mistake of headgate's own in one answer end that answer only: the
// flows of a daemon do not stand still because somebody asked something.
func (s *Service) doSafely(ctx context.Context, actor engine.Actor, verb string, body []byte) (result any, err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			hint := fmt.Sprintf("please report it, with this:\n%s", debug.Stack())
			err = &Error{Message: fmt.Sprintf("%s ended by a mistake of headgate itself: %v", verb, mistake), Hint: hint}
		}
	}()
	return s.do(ctx, actor, verb, body)
}

// Outside is the door to a daemon, through its socket.
type Outside struct {
	Socket string
	client http.Client
}

// Connect returns the door to the daemon that listens on socket. It fails when none does.
func Connect(ctx context.Context, socket string) (*Outside, error) {
	c, err := dial(ctx, socket)
	if err != nil {
		return nil, fmt.Errorf("reach the daemon: %w", err)
	}
	_ = c.Close()
	d := &Outside{Socket: socket}
	d.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, socket) }}
	return d, nil
}

// Ask implements Door.
func (d *Outside) Ask(ctx context.Context, verb string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", verb, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://headgate/"+verb, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", verb, err)
	}
	response, err := d.client.Do(r)
	if err != nil {
		return fmt.Errorf("ask the daemon on %s: %w", d.Socket, err)
	}
	defer func() { _ = response.Body.Close() }()
	decoder := json.NewDecoder(response.Body)
	if response.StatusCode != http.StatusOK {
		told := &Error{}
		if err := decoder.Decode(told); err != nil || told.Message == "" {
			return fmt.Errorf("the daemon on %s answered %s", d.Socket, response.Status)
		}
		return told
	}
	if answer == nil {
		return nil
	}
	if err := decoder.Decode(answer); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// Close implements Door.
func (d *Outside) Close() error {
	d.client.CloseIdleConnections()
	return nil
}

var (
	_ Door = (*Inside)(nil)
	_ Door = (*Outside)(nil)
)
