package http_test

import (
	"cmp"
	"context"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/http"
	"headgate/engine/record"
)

// canary is every secret of these tests: no message may show it.
const canary = "canary-7f3a"

// reading is what is read of an API, and how.
type reading struct {
	handler   nethttp.HandlerFunc
	connector string // more of the connector block
	resource  string // the resource block; "": fetch of /rows
	timeout   time.Duration
	now       func() time.Time
	wait      func(context.Context) error // before each request
	secret    string                      // every one of the connector; "": canary
	renew     connectors.Renew
	columns   []record.Column
}

var plainFetch = `
fetch {
  path    = "/rows"
  records = "items"
}`

func serve(t *testing.T, h nethttp.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// open opens the source of r against a server.
func (r *reading) open(t *testing.T, url string) connectors.Source {
	t.Helper()
	if r.resource == "" {
		r.resource = plainFetch
	}
	settings, resource := loaded(t, "url = \""+url+"\"\n"+r.connector, r.resource)
	conn, err := http.Kind().Open(settings, connectors.Tools{
		Timeout: r.timeout, Now: r.now, Wait: r.wait, Renew: r.renew,
		Secret: func(connectors.Secret) (string, error) { return cmp.Or(r.secret, canary), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if r.columns == nil {
		r.columns = []record.Column{{Name: "no", Kind: record.Int}}
	}
	source, err := conn.Source(connectors.Resource{Name: "rows", Settings: resource, Zone: time.UTC, Read: r.columns, ReadKey: []string{"no"}})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// all reads to the end, and returns the first value of each row.
func all(t *testing.T, source connectors.Source, after record.Position, limit int) (values []string, end record.Position, err error) {
	t.Helper()
	for {
		page, err := source.Read(t.Context(), connectors.Part{}, after, limit)
		if err != nil {
			noCanary(t, err.Error())
			return values, after, err
		}
		for i := range page.Len() {
			row, err := page.Row(i)
			if err != nil {
				values = append(values, "broken: "+err.Error())
				continue
			}
			values = append(values, row[0].Text())
		}
		if after = page.EndPosition(); page.End() {
			return values, after, nil
		}
	}
}

func noCanary(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("%q shows a secret", text)
	}
}

// answer answers with a body, as JSON.
func answer(status int, body string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// raw answers with bytes as they are, and closes.
func raw(text string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		conn, _, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	}
}
