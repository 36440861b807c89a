package http_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors"
)

func TestLogins(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		`bearer = env("A")`: "Authorization: Bearer " + canary,
		"basic {\nuser = \"me\"\npassword = env(\"A\")\n}":      "Authorization: Basic bWU6Y2FuYXJ5LTdmM2E=",
		"header {\nname = \"X-Api-Key\"\nvalue = env(\"A\")\n}": "X-Api-Key: " + canary,
	} {
		server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if name, value, _ := strings.Cut(want, ": "); r.Header.Get(name) != value {
				t.Errorf("%s is %q, want %q", name, r.Header.Get(name), value)
			}
			answer(200, `{"items": []}`)(w, r)
		})
		r := reading{connector: "auth {\n" + block + "\n}"}
		if _, _, err := all(t, r.open(t, server.URL), "", 3); err != nil {
			t.Error(err)
		}
	}
}

// tokens is an API with tokens that last an hour; good says which ones it takes.
type tokens struct {
	given  atomic.Int64
	status int // of an answer to who asks for one; 0: it is given
	good   func(n int64) bool
	inBody bool // the login stands in the body
}

func (s *tokens) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if r.URL.Path != "/token" {
		var n int64
		if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer "+canary+"-%d", &n); err != nil || !s.good(n) {
			answer(401, `{"error": "bad `+r.Header.Get("Authorization")+`"}`)(w, r)
			return
		}
		answer(200, `{"items": [{"no": 1}]}`)(w, r)
		return
	}
	user, password, _ := r.BasicAuth()
	if s.inBody {
		user, password = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read write" || user != "me" || password != canary {
		answer(400, `{"error": "invalid_client", "error_description": "`+canary+`"}`)(w, r)
		return
	}
	n := s.given.Add(1)
	if s.status != 0 {
		w.Header().Set("Retry-After", "3")
		answer(s.status, `{"error": "later", "error_description": "`+canary+`"}`)(w, r)
		return
	}
	answer(200, fmt.Sprintf(`{"access_token": "%s-%d", "token_type": "bearer", "expires_in": 3600}`, canary, n))(w, r)
}

func (s *tokens) reading(t *testing.T, now func() time.Time) connectors.Source {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	sendIn := "header"
	if s.inBody {
		sendIn = "body"
	}
	r := reading{now: now, connector: "auth {\noauth2 {\ntoken_url = \"" + server.URL + "/token\"\nclient_id = \"me\"\nclient_secret = env(\"A\")\nscope = \"read write\"\nsend_in = " + sendIn + "\n}\n}"}
	return r.open(t, server.URL)
}

// TestTokens: a token is kept, renewed before its end, and once when it is refused.
func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	api := &tokens{good: func(int64) bool { return true }}
	source := api.reading(t, func() time.Time { return now })
	read := func(given int64) {
		t.Helper()
		if values, _, err := all(t, source, "", 3); err != nil || len(values) != 1 {
			t.Errorf("read %v, %v", values, err)
		}
		if n := api.given.Load(); n != given {
			t.Errorf("%d tokens were asked for, want %d", n, given)
		}
	}
	read(1)
	now = now.Add(59 * time.Minute)
	read(1)
	now = now.Add(31 * time.Second)
	read(2)
	api.good = func(n int64) bool { return n > 2 } // it took the token back
	read(3)
	read(3)
	api.good = func(int64) bool { return false }
	_, _, err := all(t, source, "", 3)
	if connectors.ClassOf(err) != connectors.Denied || api.given.Load() != 4 {
		t.Errorf("got %v (%s) after %d tokens, want denied after 4", err, connectors.ClassOf(err), api.given.Load())
	}
}

func TestTokenAskedInBody(t *testing.T) {
	t.Parallel()
	api := &tokens{inBody: true, good: func(int64) bool { return true }}
	if values, _, err := all(t, api.reading(t, nil), "", 3); err != nil || len(values) != 1 {
		t.Errorf("read %v, %v", values, err)
	}
}

// TestTokenRefused: a token that is not given says so without what was answered.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]connectors.Class{400: connectors.Denied, 401: connectors.Denied, 429: connectors.Down, 503: connectors.Down} {
		api := &tokens{status: status}
		_, _, err := all(t, api.reading(t, nil), "", 3)
		if connectors.ClassOf(err) != class || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: got %v (%s), want %s", status, err, connectors.ClassOf(err), class)
		}
		if status != 400 && api.given.Load() != 1 {
			t.Errorf("%d: it was asked %d times", status, api.given.Load())
		}
		if class == connectors.Down && connectors.AfterOf(err) != 3*time.Second {
			t.Errorf("%d: after %v, want 3s", status, connectors.AfterOf(err))
		}
	}
}

// TestTokenStalls: a token that does not come in time leaves nothing unknown of what was
// to be sent with it.
func TestTokenStalls(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	})
	defer close(ended)
	r := reading{timeout: 50 * time.Millisecond, connector: "auth {\noauth2 {\ntoken_url = \"" + server.URL + "/token\"\nclient_id = \"me\"\nclient_secret = env(\"A\")\n}\n}"}
	_, _, err := all(t, r.open(t, server.URL), "", 3)
	if e, ok := err.(*connectors.Error); !ok || e.Class != connectors.Down || e.Code != "timeout" {
		t.Errorf("got %v (%s), want down", err, connectors.ClassOf(err))
	}
}

// TestTokenNotLedOn: the login for a token is shown to nobody but whom it is meant for.
func TestTokenNotLedOn(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("the other place was asked") })
	for _, status := range []int{302, 307} {
		server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { nethttp.Redirect(w, r, elsewhere.URL, status) })
		r := reading{connector: "auth {\noauth2 {\ntoken_url = \"" + server.URL + "/token\"\nclient_id = \"me\"\nclient_secret = env(\"A\")\n}\n}"}
		if _, _, err := all(t, r.open(t, server.URL), "", 3); err == nil {
			t.Errorf("%d: a token was given", status)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(answer(200, `{"items": [{"no": 1}]}`))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	r := reading{}
	_, _, err := all(t, r.open(t, server.URL), "", 3)
	if e, ok := err.(*connectors.Error); !ok || e.Class != connectors.Denied || e.Code != "certificate" {
		t.Errorf("a stranger's certificate: got %v", err)
	}
	ca := trusted(t, server)
	r = reading{connector: "tls {\nca = \"" + ca + "\"\nmin_version = \"1.3\"\n}"}
	if values, _, err := all(t, r.open(t, server.URL), "", 3); err != nil || len(values) != 1 {
		t.Errorf("a trusted certificate: got %v, %v", values, err)
	}
	for newest, least := range map[uint16]string{tls.VersionTLS11: "1.2", tls.VersionTLS12: "1.3"} {
		old := httptest.NewUnstartedServer(answer(200, `{"items": []}`))
		old.Config.ErrorLog = log.New(io.Discard, "", 0)
		old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: newest}
		old.StartTLS()
		t.Cleanup(old.Close)
		r := reading{connector: "tls {\nca = \"" + ca + "\"\nmin_version = \"" + least + "\"\n}"}
		if _, _, err := all(t, r.open(t, old.URL), "", 3); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("less than TLS %s: got %v", least, err)
		}
	}
	plain := serve(t, answer(200, `{}`))
	r = reading{}
	_, _, err = all(t, r.open(t, strings.Replace(plain.URL, "http:", "https:", 1)), "", 3)
	if e, ok := err.(*connectors.Error); !ok || e.Class != connectors.Down || e.Code != "tls" {
		t.Errorf("no TLS at all: got %#v", err)
	}
}

// TestLoginsSaidBack: an API that says back how it was logged in to is not quoted with
// it, in whatever form it was sent and wherever its words are cut.
func TestLoginsSaidBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ block, header, secret string }{
		"bearer": {`bearer = env("A")`, "Authorization", canary},
		"basic":  {"basic {\nuser = \"me\"\npassword = env(\"A\")\n}", "Authorization", "bWU6Y2FuYXJ5LTdmM2E="},
		"header": {"header {\nname = \"X-Api-Key\"\nvalue = env(\"A\")\n}", "X-Api-Key", canary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pad atomic.Int64
			server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				w.WriteHeader(400)
				_, _ = w.Write([]byte(strings.Repeat("x", int(pad.Load())) + " " + r.Header.Get(test.header)))
			})
			r := reading{connector: "auth {\n" + test.block + "\n}"}
			source := r.open(t, server.URL)
			for n := range 80 {
				pad.Store(int64(440 + n))
				_, _, err := all(t, source, "", 3)
				if err == nil || !strings.Contains(err.Error(), "xxxx") {
					t.Fatalf("error %v, want the words of the answer", err)
				}
				if strings.Contains(err.Error(), test.secret[:3]) {
					t.Errorf("behind %d characters it is told: …%s", pad.Load(), err.Error()[400:])
				}
			}
		})
	}
}

// trusted is a file with the certificate of a server.
func trusted(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTLSClient: headgate shows its own certificate, whose key is a secret.
func TestTLSClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answer(200, `{"items": [{"no": 1}]}`))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	block := "ca = \"" + trusted(t, server) + "\"\n"
	r := reading{connector: "tls {\n" + block + "}"}
	_, _, err = all(t, r.open(t, server.URL), "", 3)
	if e, ok := err.(*connectors.Error); ok && e.Code != "certificate" && e.Code != "reset" && e.Code != "eof" || err == nil {
		t.Errorf("nobody in particular: got %v", err)
	}
	block += "cert = \"" + trusted(t, server) + "\"\nkey = env(\"KEY\")\n"
	r = reading{connector: "tls {\n" + block + "}", secret: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))}
	if values, _, err := all(t, r.open(t, server.URL), "", 3); err != nil || len(values) != 1 {
		t.Errorf("got %v, %v", values, err)
	}
	r = reading{connector: "tls {\n" + block + "}"} // the canary is no key
	if _, _, err := all(t, r.open(t, server.URL), "", 3); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("no key: got %v", err)
	}
}
