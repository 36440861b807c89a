package http_test

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/connectors"
)

// rotating is an API whose refresh tokens are good once: each answer has the next.
type rotating struct {
	mu     sync.Mutex
	good   string // the refresh token that is good
	given  int
	same   bool // the answers have none: the first stays good
	access string
}

func (s *rotating) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path != "/token" {
		if r.Header.Get("Authorization") != "Bearer "+s.access {
			answer(401, `{"error": "bad `+r.Header.Get("Authorization")+`"}`)(w, r)
			return
		}
		answer(200, `{"items": [{"no": 1}]}`)(w, r)
		return
	}
	if _, password, _ := r.BasicAuth(); r.FormValue("grant_type") != "refresh_token" || password == "" {
		answer(400, `{"error": "invalid_request"}`)(w, r)
		return
	}
	if asked := r.FormValue("refresh_token"); asked != s.good {
		answer(400, `{"error": "invalid_grant", "error_description": "`+asked+`"}`)(w, r)
		return
	}
	s.given++
	s.access = fmt.Sprintf("%s-access-%d", canary, s.given)
	if s.same {
		answer(200, `{"access_token": "`+s.access+`", "token_type": "bearer"}`)(w, r)
		return
	}
	s.good = fmt.Sprintf("%s-refresh-%d", canary, s.given)
	answer(200, fmt.Sprintf(`{"access_token": %q, "token_type": "bearer", "expires_in": 3600, "refresh_token": %q}`, s.access, s.good))(w, r)
}

// kept keeps in memory what is renewed, unless it fails.
type kept struct {
	text string
	full error
}

func (k *kept) renew(_ context.Context, renew func(string) (string, error)) error {
	next, err := renew(k.text)
	if err != nil {
		return err
	}
	if k.full == nil {
		k.text = next
	}
	return k.full
}

// process is a connector to api as a new process has it.
func (s *rotating) process(t *testing.T, url string, renew connectors.Renew, now func() time.Time, first string) connectors.Source {
	t.Helper()
	r := reading{now: now, renew: renew, secret: first, connector: "auth {\noauth2 {\ntoken_url = \"" + url + "/token\"\nclient_id = \"me\"\nclient_secret = env(\"A\")\nrefresh_token = env(\"B\")\n}\n}"}
	return r.open(t, url)
}

// reads reads all, and says what came of it.
func reads(t *testing.T, source connectors.Source) error {
	t.Helper()
	values, _, err := all(t, source, "", 3)
	if err == nil && len(values) != 1 {
		t.Errorf("read %v", values)
	}
	return err
}

// TestRefreshTokenRotates: each refresh token is good once, and its successor is known
// to the next process, also where this one was told no in between.
func TestRefreshTokenRotates(t *testing.T) {
	t.Parallel()
	for _, same := range []bool{false, true} {
		api, k := &rotating{good: canary, same: same}, &kept{}
		server := serve(t, api.ServeHTTP)
		now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		for process := range 3 {
			source := api.process(t, server.URL, k.renew, func() time.Time { return now }, "")
			for range 2 {
				if err := reads(t, source); err != nil {
					t.Errorf("process %d: %v", process, err)
				}
			}
			now = now.Add(61 * time.Minute)
			api.access = "another" // none lasts for longer
			if err := reads(t, source); err != nil {
				t.Errorf("process %d, an hour later: %v", process, err)
			}
		}
		if api.given != 6 {
			t.Errorf("%d tokens were given, want two a process", api.given)
		}
	}
}

// TestRefreshTokenIsKeptFirst: a token whose successor could not be kept is not used,
// and the successor is not forgotten.
func TestRefreshTokenIsKeptFirst(t *testing.T) {
	t.Parallel()
	api, k := &rotating{good: canary}, &kept{full: errors.New("no space left on device")}
	server := serve(t, api.ServeHTTP)
	source := api.process(t, server.URL, k.renew, nil, "")
	for range 2 {
		err := reads(t, source)
		if connectors.ClassOf(err) != connectors.Down || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("got %v (%s), want down", err, connectors.ClassOf(err))
		}
	}
	k.full = nil
	if err := reads(t, source); err != nil {
		t.Error(err)
	}
	if err := reads(t, api.process(t, server.URL, k.renew, nil, "")); err != nil {
		t.Errorf("the next process: %v", err)
	}
}

// TestRefreshTokenUsedUp: who gave a refresh token that is no good is told to log in
// anew, and heard when there is another one.
func TestRefreshTokenUsedUp(t *testing.T) {
	t.Parallel()
	api, k := &rotating{good: canary}, &kept{}
	server := serve(t, api.ServeHTTP)
	if err := reads(t, api.process(t, server.URL, k.renew, nil, "")); err != nil {
		t.Fatal(err)
	}
	api.good = canary + "-anew" // a person logged in
	err := reads(t, api.process(t, server.URL, k.renew, nil, ""))
	if connectors.ClassOf(err) != connectors.Denied || !strings.Contains(err.Error(), "invalid_grant") || !strings.Contains(connectors.HintOf(err), "log in anew") {
		t.Errorf("got %v (%s; %s)", err, connectors.ClassOf(err), connectors.HintOf(err))
	}
	for range 2 {
		if err := reads(t, api.process(t, server.URL, k.renew, nil, canary+"-anew")); err != nil {
			t.Errorf("another first one: %v", err)
		}
	}
	k.text = `{"first": "half` // nobody wrote that
	api.good = canary + "-anew"
	if err := reads(t, api.process(t, server.URL, k.renew, nil, canary+"-anew")); err != nil {
		t.Errorf("what was kept is broken: %v", err)
	}
}

// TestRefreshTokenNeedsAPlace: without one, nothing is asked that could not be asked again.
func TestRefreshTokenNeedsAPlace(t *testing.T) {
	t.Parallel()
	api := &rotating{good: canary}
	server := serve(t, api.ServeHTTP)
	if err := reads(t, api.process(t, server.URL, nil, nil, "")); connectors.ClassOf(err) != connectors.Denied || api.given != 0 {
		t.Errorf("got %v after %d tokens", err, api.given)
	}
}
