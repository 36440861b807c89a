package http_test

import (
	"context"
	nethttp "net/http"
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
