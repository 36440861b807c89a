package http_test

import (
	"context"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestTokenWaits: a request for a token waits for its turn, as one that reads and one
// that is led on do.
func TestTokenWaits(t *testing.T) {
	t.Parallel()
	var turns, heard atomic.Int64
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if n := heard.Add(1); n > turns.Load() {
			t.Errorf("%s %s came before its turn", r.Method, r.URL)
		}
		switch r.URL.Path {
		case "/token":
			answer(200, `{"access_token": "a", "token_type": "bearer"}`)(w, r)
		case "/rows":
			nethttp.Redirect(w, r, "/moved", nethttp.StatusFound)
		default:
			answer(200, `{"items": [{"no": 1}]}`)(w, r)
		}
	})
	r := reading{connector: "auth {\noauth2 {\ntoken_url = \"" + server.URL + "/token\"\nclient_id = \"me\"\nclient_secret = env(\"A\")\n}\n}"}
	r.wait = func(ctx context.Context) error { turns.Add(1); return ctx.Err() }
	if _, _, err := all(t, r.open(t, server.URL), "", 3); err != nil || heard.Load() != 3 {
		t.Errorf("%d requests came, want one for a token and two that read: %v", heard.Load(), err)
	}
}

// TestTokenHidden: a token that the system says back is not shown.
func TestTokenHidden(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/token" {
			answer(200, `{"access_token": "tok-9f2c", "token_type": "bearer"}`)(w, r)
			return
		}
		answer(400, `{"message": "bad `+r.Header.Get("Authorization")+`"}`)(w, r)
	})
	r := reading{connector: "auth {\noauth2 {\ntoken_url = \"" + server.URL + "/token\"\nclient_id = \"me\"\nclient_secret = env(\"A\")\n}\n}"}
	if _, _, err := all(t, r.open(t, server.URL), "", 3); err == nil || !strings.Contains(err.Error(), "bad") || strings.Contains(err.Error(), "9f2c") {
		t.Errorf("got %v", err)
	}
}

// TestLastPage: behind the page that says it is the last one none is asked for.
func TestLastPage(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		n := asked.Add(1)
		if n > 2 {
			answer(200, `{"items": [], "page": 3, "pages": 2}`)(w, r)
			return
		}
		answer(200, fmt.Sprintf(`{"items": [{"no": %d}], "page": %d, "pages": 2}`, n, n))(w, r)
	})
	r := reading{resource: "fetch {\npath = \"/rows\"\nrecords = \"items\"\npage {\nnumber = \"page\"\nlast = \"body.page == body.pages\"\n}\n}"}
	if values, _, err := all(t, r.open(t, server.URL), "", 10); err != nil || len(values) != 2 || asked.Load() != 2 {
		t.Errorf("got %v in %d requests, %v", values, asked.Load(), err)
	}
}
