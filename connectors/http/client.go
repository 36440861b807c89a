package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"headgate/connectors"
)

// nothing is the body of an effect that has none. It is not nil, for then the
// transport would take the request for one it may send twice.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// do sends a request and returns whatever it was answered, of any status. Without
// an answer it returns a *connectors.Error whose class says whether the request may
// have been heard. One with an effect leaves once and follows no redirect; a token
// that is refused (401: nothing was done) is renewed once.
func (c *connector) do(ctx context.Context, op string, m *message, effect bool) (*answer, error) {
	if c.tools.Timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, c.tools.Timeout)
		defer cancel()
		return c.within(bounded, ctx, op, m, effect)
	}
	return c.within(ctx, ctx, op, m, effect)
}

// within sends within ctx; the end of outer is the caller's own.
func (c *connector) within(ctx, outer context.Context, op string, m *message, effect bool) (*answer, error) {
	for renewed := false; ; renewed = true {
		if err := c.tools.Wait(outer); err != nil {
			return nil, err
		}
		r, err := c.request(ctx, m, effect)
		if err != nil {
			return nil, broken(op, err)
		}
		if err := c.logIn(ctx, r); err != nil {
			return nil, c.unanswered(outer, opToken, err, false)
		}
		a, err := c.send(outer, op, r, effect)
		if err == nil && a.status == nethttp.StatusUnauthorized && !renewed && c.renewable(r) {
			continue
		}
		return a, err
	}
}

// request makes the request of a message.
func (c *connector) request(ctx context.Context, m *message, effect bool) (*nethttp.Request, error) {
	var body io.Reader
	if len(m.body) > 0 {
		body = bytes.NewReader(m.body)
	} else if effect {
		body = nothing{}
	}
	r, err := nethttp.NewRequestWithContext(ctx, m.method, c.address(m), body)
	if err != nil {
		return nil, unwrapped(err)
	}
	if effect {
		r.GetBody = nil // or the transport would repeat it by itself
	}
	r.Header.Set("User-Agent", "headgate")
	r.Header.Set("Accept", "application/json")
	if len(m.body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range m.headers {
		r.Header.Set(h[0], h[1])
	}
	return r, nil
}

// address is where a message goes: behind the url of the connector, or, where it is
// a whole address, what a page of it named.
func (c *connector) address(m *message) string {
	if strings.Contains(m.path, "://") && !strings.HasPrefix(m.path, "/") {
		return m.address()
	}
	return strings.TrimSuffix(c.url.String(), "/") + m.address()
}

// maxTrusted is how much memory is taken at once because an answer says it is so long.
const maxTrusted = 1 << 20

// send sends one request and reads all of its answer, within the cap.
func (c *connector) send(outer context.Context, op string, r *nethttp.Request, effect bool) (*answer, error) {
	clients, err := c.connected()
	if err != nil {
		return nil, err
	}
	client := clients.read
	if effect {
		client = clients.effect
	}
	var sent atomic.Bool // a connection was there: what failed then may have been heard
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	response, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, c.unanswered(outer, op, err, sent.Load())
	}
	defer func() { _ = response.Body.Close() }()
	a := &answer{status: response.StatusCode, header: response.Header, after: retryAfter(response.Header, c.tools.Now()), hide: c.hide}
	var body bytes.Buffer
	body.Grow(int(min(max(response.ContentLength, 0), c.settings.MaxBody, maxTrusted)) + bytes.MinRead)
	n, err := body.ReadFrom(io.LimitReader(response.Body, c.settings.MaxBody+1))
	if err != nil {
		return nil, c.unanswered(outer, op, err, true)
	}
	if n > c.settings.MaxBody {
		e := &connectors.Error{Class: connectors.Broken, Code: "too_large", Op: op, Hint: "ask for less at once, or raise max_body", Err: fmt.Errorf("the answer is longer than %d bytes", c.settings.MaxBody)}
		if effect {
			e.Class = connectors.Unclear
		}
		return nil, e
	}
	a.body = body.String()
	return a, nil
}

// retryAfter reads how long a system asks to be left alone: seconds, or a date.
func retryAfter(h nethttp.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) { // which gives the longest there is
		return time.Duration(n) * time.Second
	}
	if t, err := nethttp.ParseTime(text); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
