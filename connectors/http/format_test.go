package http_test

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/http"
	"headgate/engine/record"
)

// TestFormats: the records of an answer, whatever it is written in.
func TestFormats(t *testing.T) {
	t.Parallel()
	columns := []record.Column{
		{Name: "no", Kind: record.String}, {Name: "meta.erp_no", Kind: record.String}, {Name: "total", Kind: record.Decimal},
		{Name: "lines.line", Kind: record.List, Lines: []record.Column{{Name: "sku", Kind: record.String}, {Name: "@qty", Kind: record.Unknown}}},
	}
	tests := map[string]struct {
		format, records, body, want string
	}{
		"json": {"json", "data.items", "\ufeff" + `{"data": {"items": [
			{"no": "1", "meta": {"erp_no": "E1"}, "total": 12345678901234567890.10, "lines": {"line": [{"sku": "A", "@qty": 2}, {"sku": "B"}]}},
			{"no": 7, "meta": null, "total": 1e2}, {"no": "3", "meta": 5}]}}`,
			`1|E1|12345678901234567890.10|A/2 B/ ; 7|null|100|absent ; broken json`},
		"json, the answer itself": {"json", "body", `[{"no": "1"}]`, `1|absent|absent|absent`},
		"json, null":              {"json", "items", `{"items": null}`, ``},
		"json lines":              {"jsonl", "", "{\"no\": \"1\"}\n\r\n{\"no\": \"2\"}\r\n{oops}\n{\"no\": \"\xff\"}\n{\"no\": \"3\"}", `1|absent|absent|absent ; 2|absent|absent|absent ; broken json ; broken encoding ; 3|absent|absent|absent`},
		"json lines, none":        {"jsonl", "", "", ``},
		"xml": {"xml", "orders.order", `<?xml version="1.0" encoding="ISO-8859-1"?><o:orders xmlns:o="urn:o"><!-- c --><order><no>` + "M\xfcller" + ` &amp; Co</no><meta><erp_no>E1</erp_no></meta><total>0.10</total><lines><line qty="2"><sku>A</sku></line></lines></order>
			<order><no/><total xmlns:i="urn:i" i:nil="true"/><lines><line qty="1"><sku><![CDATA[<B>]]></sku></line><line qty="3"/></lines></order></o:orders>`,
			`Müller & Co|E1|0.10|A/2 ; null|absent|null|<B>/1 /3`},
		"xml, one":  {"xml", "orders.order", `<orders><order><no>1</no></order></orders>`, `1|absent|absent|absent`},
		"xml, none": {"xml", "orders.order", `<orders/>`, ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := ""
			if test.records != "" {
				records = "records = \"" + test.records + "\"\n"
			}
			r := reading{columns: columns, resource: "format = " + test.format + "\nfetch {\npath = \"/rows\"\n" + records + "}"}
			kind := map[string]string{"json": "application/json", "jsonl": "application/x-ndjson", "xml": "text/xml"}[test.format]
			source := r.open(t, serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Type", kind)
				_, _ = w.Write([]byte(test.body))
			}).URL)
			page, err := source.Read(t.Context(), connectors.Part{}, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(page); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestNoXML: what is no XML, or not the one that was declared, is no listing of none.
func TestNoXML(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`<orders>`, `<orders></order>`, `oops`, `<fault/>`, `<a/><b/>`, `<orders>&bomb;</orders>`, strings.Repeat("<a>", 100_000), `<?xml version="1.0" encoding="klingon"?><orders/>`, `<orders><error>no</error></orders`} {
		r := reading{resource: "format = xml\nfetch {\npath = \"/rows\"\nrecords = \"orders.order\"\n}"}
		_, _, err := all(t, r.open(t, serve(t, answer(200, body)).URL), "", 3)
		if e, ok := err.(*connectors.Error); !ok || e.Code != "shape" {
			t.Errorf("%.40s: got %v, want an answer that is not as declared", body, err)
		}
	}
}

// TestLinesCut: a last line that ends within makes the answer one that was cut off, not
// one with a broken row.
func TestLinesCut(t *testing.T) {
	t.Parallel()
	r := reading{resource: "format = jsonl\nfetch {\npath = \"/rows\"\n}"}
	values, _, err := all(t, r.open(t, serve(t, answer(200, "{\"no\": 1}\n{\"no\": ")).URL), "", 3)
	if e, ok := err.(*connectors.Error); !ok || e.Code != "shape" || len(values) > 0 {
		t.Errorf("got %v, %v", values, err)
	}
}

// shown are the rows of a page as text.
func shown(page connectors.Page) string {
	var rows []string
	for i := range page.Len() {
		row, err := page.Row(i)
		if e, ok := err.(*connectors.RowError); ok {
			rows = append(rows, "broken "+e.Code)
			continue
		}
		var values []string
		for _, v := range row {
			values = append(values, value(v))
		}
		rows = append(rows, strings.Join(values, "|"))
	}
	return strings.Join(rows, " ; ")
}

func value(v record.Value) string {
	if v.Missing() {
		return v.Kind().String()
	}
	if v.Kind() != record.List {
		return v.Text()
	}
	var lines []string
	for _, line := range v.Lines().Rows {
		lines = append(lines, line[0].Text()+"/"+line[1].Text())
	}
	return strings.Join(lines, " ")
}

// TestCursor: a pass asks from before the greatest cursor the last one saw, in the
// words of the system, whatever the order of the rows was.
func TestCursor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind  record.Kind
		rows  string
		start string
		want  string // what is asked in two passes
	}{
		"instants":   {record.Time, `{"at": "2026-05-01T10:00:05.25+02:00"}, {"at": "2026-05-01T09:00:00+02:00"}`, "", "none 2026-05-01T07:59:05Z"},
		"naive":      {record.Time, `{"at": "2026-05-01 10:00:05"}, {"at": null}, {}`, "1970-01-01", "1970-01-01 2026-05-01 09:59:05"},
		"days":       {record.Date, `{"at": "2026-05-01"}`, "", "none 2026-04-30"},
		"numbers":    {record.Int, `{"at": 9}, {"at": 10}`, "0", "0 10"},
		"texts":      {record.String, `{"at": "9"}, {"at": "10"}`, "", "none 9"},
		"no moments": {record.Unknown, `{"at": "b-1"}, {"at": "a-2"}`, "", "none b-1"},
		"no rows":    {record.Time, ``, "", "none none"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				since := "none"
				if r.URL.Query().Has("since") {
					since = r.URL.Query().Get("since")
				}
				asked = append(asked, since)
				answer(200, `{"items": [`+test.rows+`]}`)(w, r)
			})
			start := ""
			if test.start != "" {
				start = "start = \"" + test.start + "\"\n"
			}
			settings, resource := loaded(t, "url = \""+server.URL+"\"", "cursor = \"at\"\nfetch {\npath = \"/rows\"\nquery = { since = \"${cursor}\" }\nrecords = \"items\"\n"+start+"}")
			conn, err := http.Kind().Open(settings, connectors.Tools{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			source, err := conn.Source(connectors.Resource{Name: "rows", Settings: resource, Zone: time.UTC, Read: []record.Column{{Name: "no", Kind: record.Int}}, Cursor: "at", CursorKind: test.kind, Overlap: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			_, end, err := all(t, source, "", 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := all(t, source, end, 10); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(asked, " "); got != test.want {
				t.Errorf("asked %q, want %q", got, test.want)
			}
		})
	}
}

// TestChangedPage: a page that is not as it was where a reading stopped in it is read
// from its beginning, so that no record slips through.
func TestChangedPage(t *testing.T) {
	t.Parallel()
	body := `{"items": [{"no": 1}, {"no": 2}, {"no": 3}]}`
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { answer(200, body)(w, r) }).URL
	r := reading{}
	page, err := r.open(t, url).Read(t.Context(), connectors.Part{}, "", 2)
	if err != nil {
		t.Fatal(err)
	}
	for changed, want := range map[string]string{
		body:                                           "[3]",
		`{"items": [{"no": 2}, {"no": 3}]}`:            "[2 3]",
		`{"items": [{"no": 9}]}`:                       "[9]",
		`{"items": [{"no": 8}, {"no": 2}]}`:            "[]",
		`{"items": [{"no": 2}, {"no": 1}, {"no": 3}]}`: "[2 1 3]",
	} {
		body = changed
		again := reading{}
		values, _, err := all(t, again.open(t, url), page.EndPosition(), 10)
		if fmt.Sprint(values) != want || err != nil {
			t.Errorf("%s: got %v, %v, want %s", changed, values, err, want)
		}
	}
}

// TestLostPage: an error behind some rows does not take them away, and is told next.
func TestLostPage(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Query().Get("page") == "2" {
			answer(503, "")(w, r)
			return
		}
		answer(200, `{"items": [{"no": 1}]}`)(w, r)
	})
	r := reading{resource: "fetch {\npath = \"/rows\"\nrecords = \"items\"\npage {\nnumber = \"page\"\n}\n}"}
	values, _, err := all(t, r.open(t, server.URL), "", 10)
	if fmt.Sprint(values) != "[1]" || connectors.ClassOf(err) != connectors.Down {
		t.Errorf("got %v, %v", values, err)
	}
}

// TestPosted: a search is posted, with the cursor as a part of JSON.
func TestPosted(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		if got := r.Method + " " + r.Header.Get("Content-Type") + " " + string(body[:n]); got != `POST application/json {"since": "a\"b"}` {
			t.Errorf("asked %s", got)
		}
		answer(200, `{"items": []}`)(w, r)
	})
	r := reading{resource: "cursor = \"at\"\nfetch {\nmethod = \"POST\"\npath = \"/rows\"\nrecords = \"items\"\nstart = \"a\\\"b\"\nbody = \"{\\\"since\\\": \\\"${cursor}\\\"}\"\n}"}
	if _, _, err := all(t, r.open(t, server.URL), "", 10); err != nil {
		t.Error(err)
	}
}

// TestAskedByKey: a resource that only says how one record is asked for is looked up
// in, by the columns of its find blocks and no others.
func TestAskedByKey(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.RequestURI() {
		case "/rows/1":
			answer(200, `{"no": 1}`)(w, r)
		case "/rows/2":
			answer(200, `{"no": 7}`)(w, r)
		case "/rows?at=a%26b":
			answer(200, `{"items": [{"no": 3, "at": "a&b"}, {"no": 4, "at": "c"}]}`)(w, r)
		default:
			answer(404, `{}`)(w, r)
		}
	})
	r := reading{resource: "find {\npath = \"/rows/${no}\"\n}\nfind {\npath = \"/rows\"\nquery = { at = \"${at}\" }\nrecords = \"items\"\n}"}
	source := r.open(t, server.URL)
	by := func(column string, key record.Value) string {
		getter := connectors.GetterBy(source, []string{column})
		if getter == nil {
			return "not asked"
		}
		got, err := getter.Get(t.Context(), []string{column}, [][]record.Value{{key}})
		if err != nil {
			return connectors.ClassOf(err).String()
		}
		var rows []string
		for _, g := range got {
			rows = append(rows, g.Row[0].Text())
		}
		return strings.Join(rows, " ")
	}
	for _, test := range []struct {
		column string
		key    record.Value
		want   string
	}{
		{"no", record.IntValue(1), "1"},
		{"no", record.IntValue(2), "broken"}, // another record was given
		{"no", record.IntValue(9), ""},
		{"no", record.StringValue(".."), "broken"}, // it would be another path
		{"no", record.NullValue(), ""},
		{"at", record.StringValue("a&b"), "3"},
		{"note", record.IntValue(1), "not asked"},
	} {
		if got := by(test.column, test.key); got != test.want {
			t.Errorf("%s = %s: got %q, want %q", test.column, test.key.Text(), got, test.want)
		}
	}
	if _, err := source.Read(t.Context(), connectors.Part{}, "", 1); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("read: got %v, want broken", err)
	}
}
