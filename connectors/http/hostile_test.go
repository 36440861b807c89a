package http_test

import (
	"compress/gzip"
	"fmt"
	"math"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
)

// TestHostile: whatever an API answers, the error says what it means, shows no
// secret, and nothing of the answer is taken for records.
func TestHostile(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	header := func(name, value string, then nethttp.HandlerFunc) nethttp.HandlerFunc {
		return func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set(name, value)
			then(w, r)
		}
	}
	html := func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<html>please log in</html>"))
	}
	good := `{"items": [{"no": 1}]}`
	tests := map[string]struct {
		reading
		class connectors.Class
		code  string
		words string
		after time.Duration
	}{
		"401":                 {reading{handler: answer(401, `{"message": "no such token"}`)}, connectors.Denied, "401", "no such token", 0},
		"403":                 {reading{handler: answer(403, ``)}, connectors.Denied, "403", "Forbidden", 0},
		"404":                 {reading{handler: answer(404, `{}`)}, connectors.Broken, "404", "404", 0},
		"409":                 {reading{handler: answer(409, `{}`)}, connectors.Broken, "409", "409", 0},
		"500":                 {reading{handler: answer(500, `{"error": {"message": "oops"}}`)}, connectors.Down, "500", "oops", 0},
		"429, seconds":        {reading{handler: header("Retry-After", "7", answer(429, ``))}, connectors.Down, "429", "Too Many", 7 * time.Second},
		"503, a date":         {reading{handler: header("Retry-After", now.Add(90*time.Second).Format(nethttp.TimeFormat), answer(503, ``))}, connectors.Down, "503", "503", 90 * time.Second},
		"503, a date gone by": {reading{handler: header("Retry-After", now.Add(-time.Hour).Format(nethttp.TimeFormat), answer(503, ``))}, connectors.Down, "503", "503", 0},
		"429, for ever":       {reading{handler: header("Retry-After", "99999999999999999999", answer(429, ``))}, connectors.Down, "429", "Too Many", math.MaxUint32 * time.Second},
		"429, no time":        {reading{handler: header("Retry-After", "-7", answer(429, ``))}, connectors.Down, "429", "Too Many", 0},
		"says its secret back": {reading{handler: func(w nethttp.ResponseWriter, r *nethttp.Request) {
			answer(400, `{"error": "bad `+r.Header.Get("Authorization")+`"}`)(w, r)
		}}, connectors.Broken, "400", "[redacted]", 0},
		"a login page":        {reading{handler: html}, connectors.Down, "format", "a page for people", 0},
		"a page, and ok":      {reading{handler: html, resource: "fetch {\npath = \"/rows\"\nok = \"status == 200\"\n}"}, connectors.Down, "format", "a page for people", 0},
		"an error with 200":   {reading{handler: answer(200, `{"error": "no session", "items": []}`)}, connectors.Down, "shape", "no session", 0},
		"not ok":              {reading{handler: answer(200, `{"state": "wait", "items": []}`), resource: "fetch {\npath = \"/rows\"\nrecords = \"items\"\nok = \"body.state == 'done'\"\n}"}, connectors.Down, "shape", "not what the ruleset", 0},
		"no JSON":             {reading{handler: answer(200, `oops`)}, connectors.Unclear, "shape", "no JSON", 0},
		"empty":               {reading{handler: answer(200, ` `)}, connectors.Unclear, "shape", "empty", 0},
		"JSON, cut":           {reading{handler: answer(200, good[:len(good)-3])}, connectors.Unclear, "shape", "no JSON", 0},
		"two documents":       {reading{handler: answer(200, good+good)}, connectors.Unclear, "shape", "behind", 0},
		"no records":          {reading{handler: answer(200, `{"data": []}`)}, connectors.Unclear, "shape", `"items"`, 0},
		"no array":            {reading{handler: answer(200, `{"items": {"no": 1}}`)}, connectors.Unclear, "shape", "no array", 0},
		"no UTF-8":            {reading{handler: answer(200, "{\"items\": [{\"no\": 1, \"a\": \"\xff\"}]}")}, connectors.Unclear, "shape", "UTF-8", 0},
		"deep":                {reading{handler: answer(200, strings.Repeat("[", 100_000))}, connectors.Unclear, "shape", "deeper", 0},
		"a chunk, cut":        {reading{handler: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + good)}, connectors.Unclear, "eof", "EOF", 0},
		"a length, too long":  {reading{handler: raw("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + good)}, connectors.Unclear, "eof", "EOF", 0},
		"no answer":           {reading{handler: raw("")}, connectors.Unclear, "eof", "EOF", 0},
		"no HTTP":             {reading{handler: raw("SSH-2.0-OpenSSH\r\n\r\n")}, connectors.Unclear, "", "malformed", 0},
		"headers without end": {reading{handler: raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20))}, connectors.Unclear, "", "exceeded", 0},
		"too long":            {reading{handler: answer(200, `{"items": [], "pad": "`+strings.Repeat("x", 3000)+`"}`), connector: "max_body = 2000"}, connectors.Broken, "too_large", "longer than 2000", 0},
		"without end": {reading{connector: "max_body = 100000", handler: func(w nethttp.ResponseWriter, r *nethttp.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}}, connectors.Broken, "too_large", "longer", 0},
		"a bomb": {reading{connector: "max_body = 100000", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 4 << 10 {
				_, _ = z.Write(make([]byte, 4096))
			}
			_ = z.Close()
		}}, connectors.Broken, "too_large", "longer", 0},
		"never answers": {reading{timeout: time.Second, handler: func(_ nethttp.ResponseWriter, r *nethttp.Request) { <-r.Context().Done() }}, connectors.Unclear, "timeout", "deadline", 0},
		"drips": {reading{timeout: time.Second, handler: func(w nethttp.ResponseWriter, r *nethttp.Request) {
			_, _ = w.Write([]byte("{"))
			w.(nethttp.Flusher).Flush()
			<-r.Context().Done()
		}}, connectors.Unclear, "timeout", "deadline", 0},
		"leads to where a machine keeps secrets": {reading{handler: header("Location", "http://169.254.169.254/latest/", answer(302, ""))}, connectors.Broken, "redirect", "not followed", 0},
		"leads to itself":                        {reading{handler: header("Location", "/rows", answer(302, ""))}, connectors.Broken, "redirect", "not followed", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.now = func() time.Time { return now }
			test.connector += "\nauth {\nbearer = env(\"TOKEN\")\n}"
			values, _, err := all(t, test.open(t, serve(t, test.handler).URL), "", 10)
			if err == nil {
				t.Fatalf("no error, and %v", values)
			}
			code := err.(*connectors.Error).Code
			if connectors.ClassOf(err) != test.class || test.code != "" && code != test.code || !strings.Contains(err.Error(), test.words) || connectors.AfterOf(err) != test.after {
				t.Errorf("got %v (%s, code %s, after %v), want %s, code %s, %q, after %v", err, connectors.ClassOf(err), code, connectors.AfterOf(err), test.class, test.code, test.words, test.after)
			}
			if len(values) > 0 {
				t.Errorf("%v were taken for records", values)
			}
		})
	}
}

// TestNobodyThere: a request that found no connection was heard by nobody.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := serve(t, answer(200, `{}`))
	server.Close()
	r := reading{}
	_, _, err := all(t, r.open(t, server.URL), "", 10)
	if e, ok := err.(*connectors.Error); !ok || e.Class != connectors.Down || e.Code != "refused" {
		t.Errorf("got %#v, want down, refused", err)
	}
}

// TestPlacesNotDialled: an address that may not be asked is not asked, however it
// is written.
func TestPlacesNotDialled(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://0.0.0.0:1", "http://[::]:1", "http://[fe80::1]", "http://[fd00:ec2::254]", "http://100.100.100.200", "http://224.0.0.1"} {
		r := reading{timeout: 5 * time.Second, connector: `allow = ["0.0.0.0/0", "::/0"]`}
		_, _, err := all(t, r.open(t, url), "", 10)
		e, ok := err.(*connectors.Error)
		if !ok || e.Class != connectors.Broken || e.Code != "address" || e.Hint == "" {
			t.Errorf("%s: got %v, want an address that is refused", url, err)
		}
	}
}

// TestLoops: pages that never end are found out within a few of them.
func TestLoops(t *testing.T) {
	t.Parallel()
	next := func(name func(string) string) nethttp.HandlerFunc {
		return func(w nethttp.ResponseWriter, r *nethttp.Request) {
			answer(200, fmt.Sprintf(`{"items": [{"no": 1}], "next": %q}`, name(r.URL.Query().Get("at"))))(w, r)
		}
	}
	circle := map[string]string{"": "a", "a": "b", "b": "c", "c": "d", "d": "b"}
	tests := map[string]struct {
		page    string
		handler nethttp.HandlerFunc
		words   string
	}{
		"the page is not looked at": {`number = "page"`, answer(200, `{"items": [{"no": 1}, {"no": 2}]}`), "never end"},
		"nor how many to leave out": {`offset = "skip"`, answer(200, `{"items": [{"no": 1}, {"no": 2}]}`), "never end"},
		"the same cursor again":     {"cursor = \"at\"\nnext = \"next\"", next(func(string) string { return "x" }), "never end"},
		"cursors in a circle":       {"cursor = \"at\"\nnext = \"next\"", next(func(at string) string { return circle[at] }), "never end"},
		"addresses in a circle":     {`next = "next"`, next(func(at string) string { return "/rows?at=" + circle[at] }), "never end"},
		"an address elsewhere":      {`next = "next"`, next(func(string) string { return "http://127.0.0.1:1/rows" }), "another place"},
		"another scheme":            {`next = "next"`, next(func(string) string { return "file:///etc/passwd" }), "another place"},
		"https instead of http": {`next = "next"`, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			next(func(string) string { return "https://" + r.Host + "/x" })(w, r)
		}, "another place"},
		"a login in an address": {`next = "next"`, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			next(func(string) string { return "http://u:p@" + r.Host + "/x" })(w, r)
		}, "another place"},
		"no address": {`next = "next"`, next(func(string) string { return "%zz" }), "is none"},
		"no text":    {`next = "next"`, answer(200, `{"items": [{"no": 1}], "next": {"a": 1}}`), "names no page"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if asked++; asked > 20 {
					t.Error("it was asked more than 20 times")
				}
				test.handler(w, r)
			})
			r := reading{resource: "fetch {\npath = \"/rows\"\nrecords = \"items\"\npage {\n" + test.page + "\n}\n}"}
			_, _, err := all(t, r.open(t, server.URL), "", 3)
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got %v, want %q", err, test.words)
			}
		})
	}
}

// TestRedirects: a read is led on within its origin, and nowhere else.
func TestRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("the other place was asked") })
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch {
		case r.Header.Get("X-Api-Key") != canary:
			t.Error("not logged in")
		case r.URL.Path == "/moved":
			nethttp.Redirect(w, r, "/rows", nethttp.StatusFound)
		case r.URL.Path == "/away":
			nethttp.Redirect(w, r, elsewhere.URL, nethttp.StatusTemporaryRedirect)
		default:
			answer(200, `{"items": [{"no": 7}]}`)(w, r)
		}
	})
	for path, want := range map[string]string{"/moved": "[7]", "/away": "[]"} {
		r := reading{connector: "auth {\nheader {\nname = \"X-Api-Key\"\nvalue = env(\"KEY\")\n}\n}", resource: "fetch {\npath = \"" + path + "\"\nrecords = \"items\"\n}"}
		values, _, err := all(t, r.open(t, server.URL), "", 3)
		if fmt.Sprint(values) != want || (err == nil) != (path == "/moved") {
			t.Errorf("%s: got %v, %v", path, values, err)
		}
	}
}
