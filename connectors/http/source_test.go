package http_test

import (
	"cmp"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/document"
	"headgate/connectors/http"
	"headgate/engine/record"
)

// table is an API over rows: by page, offset, cursor, url or link, always in the
// order of (at, no), nulls first, and never more than cap rows at once.
type table struct {
	mu   sync.Mutex
	rows []record.Row
	cap  int
}

const (
	no = 0
	at = 5
)

func (s *table) put(t *testing.T, rows []record.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range rows {
		s.rows = slices.DeleteFunc(s.rows, func(r record.Row) bool { return r[no].Equal(row[no]) })
		s.rows = append(s.rows, row)
	}
	slices.SortStableFunc(s.rows, func(a, b record.Row) int {
		if a[at].Missing() || b[at].Missing() {
			return cmp.Or(cmp.Compare(a[at].Kind(), b[at].Kind()), cmp.Compare(a[no].Int(), b[no].Int()))
		}
		return cmp.Or(a[at].Time().Compare(b[at].Time()), cmp.Compare(a[no].Int(), b[no].Int()))
	})
}

func (s *table) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer canary-token" {
		w.WriteHeader(nethttp.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	rows := s.rows
	if name, one := strings.CutPrefix(r.URL.Path, "/rows/"); one {
		rows = slices.DeleteFunc(slices.Clone(rows), func(row record.Row) bool { return row[no].Text() != name })
		if len(rows) == 0 {
			w.WriteHeader(nethttp.StatusNotFound)
			return
		}
		_, _ = fmt.Fprint(w, objects(rows)[0])
		return
	}
	if since, err := time.Parse(time.RFC3339Nano, q.Get("since")); err == nil {
		rows = slices.DeleteFunc(slices.Clone(rows), func(row record.Row) bool { return !row[at].Missing() && row[at].Time().Before(since) })
	}
	number := func(name string) int { n, _ := strconv.Atoi(q.Get(name)); return n }
	size := min(max(number("size"), 1), s.cap)
	if q.Get("size") == "" {
		size = len(rows)
	}
	first := number("skip")
	if q.Has("page") {
		first = (number("page") - 1) * size
	}
	first = min(max(first, 0), len(rows))
	rest := rows[first:]
	chunk := rest[:min(size, len(rest))]
	next := "null"
	if len(chunk) < len(rest) {
		q.Set("skip", strconv.Itoa(first+len(chunk)))
		next = strconv.Quote("?" + q.Encode())
		w.Header().Set("Link", `<https://other.example/a>; rel="prev", <`+r.URL.Path+"?"+q.Encode()+`>; title="x"; rel="next"`)
		if strings.Contains(r.URL.Path, "cursor") {
			next = strconv.Itoa(first + len(chunk))
		}
	}
	_, _ = fmt.Fprintf(w, `{"next": %s, "data": {"items": [%s]}}`, next, strings.Join(objects(chunk), ","))
}

func objects(rows []record.Row) []string {
	writer, err := document.NewWriter(connectortest.Columns())
	if err != nil {
		panic(err)
	}
	all := make([]string, len(rows))
	for i, row := range rows {
		b, _ := writer.Append(nil, row)
		all[i] = string(b)
	}
	return all
}

func suite(path, page string) connectortest.Suite {
	return connectortest.Suite{
		Source: true, Cursor: true, Getter: true, Schemaless: true,
		New: func(t *testing.T) connectortest.System {
			api := &table{cap: 4}
			server := httptest.NewServer(api)
			t.Cleanup(server.Close)
			settings, resource := loaded(t, `
  url  = "`+server.URL+`"
  auth {
    bearer = env("TOKEN")
  }
`, `
    cursor = "at"
    fetch {
      path    = "`+path+`"
      query   = { since = "${cursor}" }
      records = "data.items"
      `+page+`
    }
    find {
      path = "/rows/${no}"
    }
`)
			return connectortest.System{
				Kind: http.Kind(), Settings: settings, SourceSettings: resource, Put: api.put, Secrets: []string{"canary-token"},
				Tools: connectors.Tools{Secret: func(connectors.Secret) (string, error) { return "canary-token", nil }},
			}
		},
	}
}

// pages are all ways to ask for the next records. The server gives fewer than are
// asked for, as servers do.
var pages = map[string][2]string{
	"all at once": {"/all", ""},
	"by number":   {"/pages", "page {\nnumber = \"page\"\nsize = \"size\"\n}"},
	"by offset":   {"/offsets", "page {\noffset = \"skip\"\nsize = \"size\"\nlimit = 3\n}"},
	"by cursor":   {"/cursor", "page {\ncursor = \"skip\"\nnext = \"body.next\"\nsize = \"size\"\n}"},
	"by url":      {"/urls", "page {\nnext = \"next\"\nsize = \"size\"\n}"},
	"by link":     {"/links", "page {\nlink = true\nsize = \"size\"\nlimit = 2\n}"},
	"until last":  {"/pages", "page {\noffset = \"skip\"\nsize = \"size\"\nlast = \"body.next == nil\"\n}"},
}

func TestSourceConformance(t *testing.T) {
	t.Parallel()
	for name, p := range pages {
		t.Run(name, func(t *testing.T) { connectortest.Run(t, suite(p[0], p[1])) })
	}
}
