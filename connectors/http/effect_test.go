package http

import (
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors"
)

func opened(t *testing.T, url string) *connector {
	t.Helper()
	c, err := open(&Settings{URL: url, MaxBody: 1000}, connectors.Tools{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestEffectLeavesOnce: when a kept connection dies under a request that has an
// effect, the transport does not send it again by itself, with or without a body, and
// not for an idempotency key either.
func TestEffectLeavesOnce(t *testing.T) {
	t.Parallel()
	for _, m := range []*message{
		{method: "POST", path: "/a", body: []byte("{}"), headers: [][2]string{{"Idempotency-Key", "k"}}},
		{method: "DELETE", path: "/a", headers: [][2]string{{"Idempotency-Key", "k"}}},
		{method: "PUT", path: "/a", body: []byte("{}")},
	} {
		var heard atomic.Int64
		server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			_, _ = io.ReadAll(r.Body)
			if r.Method == nethttp.MethodGet {
				_, _ = w.Write([]byte("{}"))
				return
			}
			heard.Add(1)
			conn, _, _ := w.(nethttp.Hijacker).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}))
		t.Cleanup(server.Close)
		c := opened(t, server.URL)
		if _, err := c.do(t.Context(), "read", &message{method: "GET", path: "/a"}, false); err != nil {
			t.Fatal(err)
		}
		_, err := c.do(t.Context(), "send", m, true)
		if connectors.ClassOf(err) != connectors.Unclear || err == nil || heard.Load() != 1 {
			t.Errorf("%s: got %v (%s), heard %d times, want unclear, once", m.method, err, connectors.ClassOf(err), heard.Load())
		}
	}
}

// TestEffectNotLedOn: a redirect of an effect is an answer, and is not followed.
func TestEffectNotLedOn(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		var heard atomic.Int64
		server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			heard.Add(1)
			nethttp.Redirect(w, r, "/b", status)
		}))
		t.Cleanup(server.Close)
		a, err := opened(t, server.URL).do(t.Context(), "send", &message{method: "POST", path: "/a", body: []byte("{}")}, true)
		if err != nil || a.status != status || heard.Load() != 1 {
			t.Errorf("%d: got %v, %v, heard %d times", status, a, err, heard.Load())
		}
	}
}

// TestEachRequestWaits: no request leaves before the engine lets it, not even where one
// is led on.
func TestEachRequestWaits(t *testing.T) {
	t.Parallel()
	var heard, waited atomic.Int64
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if heard.Add(1); r.URL.Path == "/moved" {
			nethttp.Redirect(w, r, "/a", nethttp.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	c := opened(t, server.URL)
	closed := errors.New("not now")
	c.tools.Wait = func(context.Context) error {
		if waited.Add(1) > 3 {
			return closed
		}
		return nil
	}
	for _, m := range []*message{{method: "GET", path: "/moved"}, {method: "POST", path: "/a"}} {
		if _, err := c.do(t.Context(), "ask", m, m.method == "POST"); err != nil {
			t.Error(err)
		}
	}
	if heard.Load() != waited.Load() {
		t.Errorf("%d requests, and %d were let", heard.Load(), waited.Load())
	}
	if _, err := c.do(t.Context(), "ask", &message{method: "POST", path: "/a"}, true); !errors.Is(err, closed) || heard.Load() != 3 {
		t.Errorf("one that is not let gives %v, and %d were heard", err, heard.Load())
	}
}

// TestLedOn: a read is led on within one origin only, and not without end. What logs it
// in goes along.
func TestLedOn(t *testing.T) {
	t.Parallel()
	asked := func(url string) *nethttp.Request {
		r, err := nethttp.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	c := opened(t, "https://shop.example/api")
	for url, may := range map[string]bool{
		"https://shop.example/other":         true,
		"http://shop.example/other":          false,
		"https://shop.example:8443/other":    false,
		"https://other.example/api":          false,
		"https://someone@shop.example/other": false,
	} {
		if err := c.redirected(asked(url), []*nethttp.Request{asked("https://shop.example/api")}); (err == nil) != may {
			t.Errorf("%s gave %v", url, err)
		}
	}
	before := make([]*nethttp.Request, maxRedirects+1)
	for i := range before {
		before[i] = asked("https://shop.example/api")
	}
	if c.redirected(asked("https://shop.example/api"), before) == nil {
		t.Error("it is led on without end")
	}
}

// TestEffectClasses: what found nobody is not done; what may have been heard is unclear.
func TestEffectClasses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = w.Write(make([]byte, 2000)) }))
	m := &message{method: "POST", path: "/a", body: []byte("{}")}
	c := opened(t, server.URL)
	if _, err := c.do(t.Context(), "send", m, true); connectors.ClassOf(err) != connectors.Unclear || err == nil {
		t.Errorf("an answer that is too long: got %v (%s), want unclear", err, connectors.ClassOf(err))
	}
	server.Close()
	if _, err := opened(t, server.URL).do(t.Context(), "send", m, true); connectors.ClassOf(err) != connectors.Down {
		t.Errorf("nobody there: got %v (%s), want down", err, connectors.ClassOf(err))
	}
}

// TestStrangerRefused: a system that does not take headgate's certificate has heard
// nothing, though with TLS 1.3 it says so behind the request.
func TestStrangerRefused(t *testing.T) {
	t.Parallel()
	c := opened(t, "https://shop.example")
	for words, want := range map[string]connectors.Class{
		"tls: certificate required": connectors.Denied, "tls: unknown certificate authority": connectors.Denied,
		"tls: internal error": connectors.Unclear,
	} {
		err := c.unanswered(t.Context(), "send", &url.Error{Op: "Post", Err: &net.OpError{Op: "remote error", Err: errors.New(words)}}, true)
		if connectors.ClassOf(err) != want {
			t.Errorf("%s: got %v (%s), want %s", words, err, connectors.ClassOf(err), want)
		}
	}
}

// TestGuard: what a name leads to is judged when it is dialled, whatever it was before.
func TestGuard(t *testing.T) {
	t.Parallel()
	tests := []struct {
		url     string
		allow   []string
		address string
		may     bool
	}{
		{"https://shop.example", nil, "93.184.216.34:443", true},
		{"https://shop.example", nil, "[2606:2800:220::1]:443", true},
		{"https://shop.example", nil, "127.0.0.1:443", false},
		{"https://shop.example", nil, "[::1]:443", false},
		{"https://shop.example", nil, "10.1.2.3:443", false},
		{"https://shop.example", nil, "[::ffff:10.1.2.3]:443", false},
		{"https://shop.example", nil, "192.168.0.1:443", false},
		{"https://shop.example", nil, "100.64.0.1:443", false},
		{"https://shop.example", nil, "[fd12::1]:443", false},
		{"https://shop.example", nil, "[64:ff9b::a9fe:a9fe]:443", false},
		{"https://shop.example", nil, "[::ffff:100.64.0.1]:443", false},
		{"https://shop.example", nil, "[2002:a01:203::1]:443", false},
		{"https://shop.example", nil, "[::10.1.2.3]:443", false},
		{"https://shop.example", nil, "[fec0::1]:443", false},
		{"https://shop.example", nil, "[2001::a01:203]:443", false},
		{"https://shop.example", nil, "169.254.169.254:80", false},
		{"https://shop.example", []string{"10.1.0.0/16"}, "10.1.2.3:443", true},
		{"https://shop.example", []string{"10.1.0.0/16"}, "10.2.2.3:443", false},
		{"https://shop.example", []string{"169.254.0.0/16", "0.0.0.0/0"}, "169.254.169.254:80", false},
		{"https://shop.example", []string{"0.0.0.0/0"}, "0.0.0.0:80", false},
		{"http://10.1.2.3:8080", nil, "10.1.2.3:8080", true},
		{"http://10.1.2.3:8080", nil, "10.1.2.4:8080", false},
		{"http://localhost:8080", nil, "127.0.0.1:8080", true},
		{"http://localhost:8080", nil, "10.1.2.3:8080", false},
	}
	for _, test := range tests {
		g, err := newGuard(&Settings{URL: test.url, Allow: test.allow})
		if err != nil {
			t.Fatal(err)
		}
		err = g.control("tcp", test.address, nil)
		if (err == nil) != test.may {
			t.Errorf("%s, allow %v: %s gave %v", test.url, test.allow, test.address, err)
		}
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		``:                               "",
		`</a?page=2>; rel="next"`:        "/a?page=2",
		`</a>; rel=prev, </b>; rel=next`: "/b",
		`</a,b;c>; title="x, y"; rel="last next"`: "/a,b;c",
		`</a>; REL="NEXT"`:                        "/a",
		`</a>; rel="nextish"`:                     "",
		`</a; rel=next`:                           "",
		`rel=next`:                                "",
	} {
		if got := linked([]string{header}); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}
