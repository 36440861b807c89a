package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"headgate/engine"
	"headgate/engine/audit"
	"headgate/engine/control"
	"headgate/rules"
)

// served is a service without flows behind a real socket.
type served struct {
	*control.Service
	socket string
	stop   context.CancelFunc
	ended  chan error
}

func serve(t *testing.T, socket string, change func(*control.Service)) *served {
	t.Helper()
	s := &served{socket: socket, ended: make(chan error, 1), Service: &control.Service{
		Engine: engine.New(engine.Config{Ruleset: &rules.Ruleset{Digest: "abc"}}), State: engine.NoState{}, Exceptions: t.TempDir(),
	}}
	if change != nil {
		change(s.Service)
	}
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go func() { s.ended <- s.Serve(ctx, l) }()
	t.Cleanup(s.stop)
	return s
}

func socketIn(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "headgate.sock")
}

// ask asks through the door that a command would open.
func (s *served) ask(verb string, request, answer any) error {
	d, err := control.Connect(context.Background(), s.socket)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Ask(context.Background(), verb, request, answer)
}

// post sends a body as it is.
func (s *served) post(t *testing.T, method, verb string, body io.Reader) (int, control.Error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequest(method, "http://headgate/"+verb, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var told control.Error
	_ = json.NewDecoder(response.Body).Decode(&told) // what is no error of ours stays empty
	return response.StatusCode, told
}

func TestSocket(t *testing.T) {
	t.Parallel()
	s := serve(t, filepath.Join(t.TempDir(), "run", "headgate.sock"), nil)
	status := &control.Status{}
	if err := s.ask("status", nil, status); err != nil || status.Ruleset != "abc" {
		t.Fatalf("%+v, %v", status, err)
	}
	info, err := os.Stat(s.socket)
	if err != nil || info.Mode().Perm() != 0o660 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	if dir, err := os.Stat(filepath.Dir(s.socket)); err != nil || dir.Mode().Perm()&0o027 != 0 {
		t.Errorf("its directory is %v, %v", dir.Mode(), err)
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	if err := s.ask("status", nil, nil); err == nil {
		t.Error("nobody listens, and somebody answers")
	}
}

// TestNonsense: what makes no sense is told, and the next question is answered.
func TestNonsense(t *testing.T) {
	t.Parallel()
	s := serve(t, socketIn(t), nil)
	for _, c := range []struct {
		name, method, verb string
		body               string
		status             int
		code               control.Code
		says               string
	}{
		{"a verb there is not", "POST", "destroy", "null", 422, control.Usage, "trace"},
		{"a verb with a path", "POST", "status/etc", "null", 404, "", ""},
		{"another method", "GET", "status", "", 405, "", ""},
		{"no JSON", "POST", "plan", "{", 422, control.Usage, "read the request"},
		{"nothing", "POST", "plan", "", 422, control.Usage, "read the request"},
		{"another type", "POST", "plan", `{"limit":"x"}`, 422, control.Usage, "read the request"},
		{"a negative limit", "POST", "plan", `{"limit":-1}`, 422, control.Usage, "negative"},
		{"a flow there is not", "POST", "positions", `{"flow":"x"}`, 422, control.Usage, "no flow"},
		{"an entity there is not", "POST", "trace", `{"entity":"x"}`, 422, control.Usage, "no flow moves"},
		{"an act on what is only read", "POST", "pause", `{"flow":"x","why":"y"}`, 422, "", "opened to be read"},
		{"a number too large", "POST", "plan", `{"limit":1e999}`, 422, control.Usage, "read the request"},
		{"deep nesting", "POST", "plan", strings.Repeat("[", 100_000), 422, control.Usage, "read the request"},
	} {
		status, told := s.post(t, c.method, c.verb, strings.NewReader(c.body))
		if status != c.status || told.Code != c.code || !strings.Contains(told.Message, c.says) {
			t.Errorf("%s: %d, %+v", c.name, status, told)
		}
	}
	if err := s.ask("status", nil, nil); err != nil {
		t.Error(err)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestOversized(t *testing.T) {
	t.Parallel()
	s := serve(t, socketIn(t), nil)
	status, told := s.post(t, "POST", "plan", io.LimitReader(zeros{}, 65<<20))
	if status != 422 || !strings.Contains(told.Message, "too large") {
		t.Errorf("%d, %+v", status, told)
	}
	if err := s.ask("status", nil, nil); err != nil {
		t.Error(err)
	}
}

// keeper keeps who asked.
type keeper struct {
	mu   sync.Mutex
	acts []audit.Act
}

func (k *keeper) Begin(a *audit.Act) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.acts = append(k.acts, *a)
	return nil
}

func (k *keeper) End(*audit.Act, json.RawMessage, []audit.Record, error) error { return nil }

// TestPeer: who asks is known from the kernel, not from what is sent.
func TestPeer(t *testing.T) {
	t.Parallel()
	kept := &keeper{}
	s := serve(t, socketIn(t), func(s *control.Service) { s.Audit = kept })
	me, err := user.Current()
	if err != nil {
		t.Skip("this user has no name: ", err)
	}
	if err := s.ask("pause", map[string]any{"flow": "x", "why": "w", "actor": "somebody"}, nil); err == nil {
		t.Error("a flow there is not was paused")
	}
	if len(kept.acts) != 1 || kept.acts[0].Actor.Name != me.Username || kept.acts[0].Actor.PID != os.Getpid() || kept.acts[0].Actor.UID == nil || *kept.acts[0].Actor.UID != os.Getuid() || kept.acts[0].Act != "pause" || kept.acts[0].Why != "w" {
		t.Errorf("%+v, want by %s (%d), process %d", kept.acts, me.Username, os.Getuid(), os.Getpid())
	}
}

func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	s := serve(t, socketIn(t), nil)
	if _, err := control.Listen(s.socket); err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("%v", err)
	}
	if err := s.ask("status", nil, nil); err != nil {
		t.Errorf("the first is gone: %v", err)
	}
}

// TestStaleSocket: the socket of a daemon that was killed is replaced, and nothing else is.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	path := socketIn(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := serve(t, path, nil)
	if err := s.ask("status", nil, nil); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := control.Listen(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file was taken for a socket: %v, %v", l, err)
	}
	if content, err := os.ReadFile(file); err != nil || !bytes.Equal(content, []byte("kept")) {
		t.Errorf("it holds %q, %v", content, err)
	}
}

// TestLongPath: the kernel takes 108 bytes, and directories may be longer.
func TestLongPath(t *testing.T) {
	t.Parallel()
	s := serve(t, filepath.Join(t.TempDir(), strings.Repeat("long/", 40), "headgate.sock"), nil)
	if err := s.ask("status", nil, nil); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// TestShutdown: a request under way is answered before the service ends.
func TestShutdown(t *testing.T) {
	t.Parallel()
	began, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, socketIn(t), func(s *control.Service) {
		s.Daemon = func() *control.Daemon {
			close(began)
			<-finish
			return &control.Daemon{Process: 7}
		}
	})
	status, answered := &control.Status{}, make(chan error, 1)
	go func() { answered <- s.ask("status", nil, status) }()
	<-began
	s.stop()
	select {
	case err := <-s.ended:
		t.Fatalf("it ended with a request under way: %v", err)
	default:
	}
	close(finish)
	if err := <-answered; err != nil || status.Daemon == nil || status.Daemon.Process != 7 {
		t.Errorf("%+v, %v", status, err)
	}
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

// TestPanicOfARequest: a mistake of headgate's own in one answer ends neither the
// daemon nor the other answers.
func TestPanicOfARequest(t *testing.T) {
	t.Parallel()
	s := serve(t, socketIn(t), func(s *control.Service) {
		s.Daemon = func() *control.Daemon { panic("nobody thought of this") }
	})
	err := s.ask("status", nil, nil)
	told, ok := errors.AsType[*control.Error](err)
	if !ok || !strings.Contains(told.Message, "nobody thought of this") {
		t.Errorf("%v", err)
	}
	if err := s.ask("positions", &control.PositionsRequest{}, &control.Positions{}); err != nil {
		t.Error(err)
	}
}

// TestGroups: an operator may be asked by the groups it is in.
func TestGroups(t *testing.T) {
	t.Parallel()
	if a := control.ActorOf(0); a.Name != "root" || !slices.Contains(a.Groups, "root") {
		t.Errorf("%+v", a)
	}
	if a := control.ActorOf(1 << 30); a.Name != "uid 1073741824" || len(a.Groups) > 0 {
		t.Errorf("%+v", a)
	}
}
