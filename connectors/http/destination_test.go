package http

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headgate/connectors"
	"headgate/connectors/http/shopapi"
	"headgate/engine/record"
)

var placeholder = regexp.MustCompile(`\$\{([a-z_.]+)\}`)

// text is a template, as load compiles it.
func text(source string) connectors.Text {
	t := connectors.Text{Source: source}
	for _, m := range placeholder.FindAllStringSubmatch(source, -1) {
		t.Uses = append(t.Uses, m[1])
	}
	t.Render = func(names connectors.Names) (string, error) {
		return placeholder.ReplaceAllStringFunc(source, func(s string) string { return names[s[2:len(s)-1]].Text() }), nil
	}
	return t
}

func texts(pairs ...string) map[string]connectors.Text {
	all := make(map[string]connectors.Text)
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = text(pairs[i+1])
	}
	return all
}

// orders is a resource of orders, with their key and headgate's reference.
func orders(s *Resource) connectors.Resource {
	return connectors.Resource{
		Name: "orders", Settings: s, Zone: time.UTC,
		Write: []record.Column{
			{Name: "number", Kind: record.String},
			{Name: "total", Kind: record.Decimal},
			{Name: "meta.email", Kind: record.String},
			{Name: "lines", Kind: record.List, Lines: []record.Column{{Name: "sku", Kind: record.String}}},
		},
		Sensitive: []bool{false, false, true, false},
		WriteKey:  []string{"number"}, Returning: []string{"id"}, Reference: "external_id",
	}
}

// change is a change of order A/1, whose id is 7 and whose reference is ref-1.
func change(op connectors.Op) connectors.Change {
	lines := &record.Lines{Rows: [][]record.Value{{record.StringValue("X")}, {record.StringValue("Y")}}}
	return connectors.Change{
		Op: op, Key: []record.Value{record.StringValue("A/1")}, Reference: "ref-1", ID: record.IntValue(7),
		Values: []record.Value{record.StringValue("A/1"), record.DecimalValue(record.NewNumber(1050, 2)), record.StringValue("a@b.example"), record.ListValue(lines)},
	}
}

func numbered(op connectors.Op, number string) connectors.Change {
	c := connectors.Change{Op: op, Key: []record.Value{record.StringValue(number)}, Reference: "ref-" + number, Values: make([]record.Value, 4)}
	c.Values[0] = c.Key[0]
	return c
}

// serve opens a destination that a handler answers.
func serve(t *testing.T, h nethttp.Handler, r connectors.Resource) connectors.Sender {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	tools := connectors.Tools{
		Now:  func() time.Time { return time.Unix(1_800_000_000, 0) },
		Wait: func(ctx context.Context) error { return ctx.Err() },
	}
	c, err := open(&Settings{URL: server.URL, MaxBody: 1 << 20}, tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	d, err := c.Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	return d.(connectors.Sender)
}

// recorder keeps what came and gives one answer.
type recorder struct {
	status int
	answer string
	came   []string
	keys   []string
}

func (r *recorder) ServeHTTP(w nethttp.ResponseWriter, q *nethttp.Request) {
	body, _ := io.ReadAll(q.Body)
	line := q.Method + " " + q.URL.RequestURI()
	if h := q.Header.Get("X-Ref"); h != "" {
		line += " X-Ref=" + h
	}
	r.came = append(r.came, strings.TrimSpace(line+" "+string(body)))
	r.keys = append(r.keys, q.Header.Get("Idempotency-Key"))
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.answer)
}

func prepared(t *testing.T, d connectors.Sender, changes ...connectors.Change) []connectors.Message {
	t.Helper()
	messages, err := d.Prepare(connectors.Lot{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	carried := 0
	for _, m := range messages {
		carried += m.Changes
	}
	if carried != len(changes) {
		t.Fatalf("the messages carry %d of %d changes", carried, len(changes))
	}
	return messages
}

func TestSendsWhatWriteMakes(t *testing.T) {
	t.Parallel()
	absent, null := change(connectors.Update), change(connectors.Create)
	absent.Values = []record.Value{{}, {}, record.NullValue(), {}}
	null.Values[1], null.Values[3] = record.NullValue(), record.ListValue(nil)
	const full = `{"number":"A/1","total":10.50,"meta":{"email":"a@b.example"},"lines":[{"sku":"X"},{"sku":"Y"}],"external_id":"ref-1"}`
	for name, test := range map[string]struct {
		settings Resource
		change   connectors.Change
		want     string
	}{
		"create":          {Resource{Create: &Effect{Path: text("/orders")}}, change(connectors.Create), "POST /orders " + full},
		"null, no lines":  {Resource{Create: &Effect{Path: text("/orders")}}, null, `POST /orders {"number":"A/1","total":null,"meta":{"email":"a@b.example"},"lines":[],"external_id":"ref-1"}`},
		"update":          {Resource{Update: &Effect{Path: text("/orders/${id}")}}, absent, `PATCH /orders/7 {"meta":{"email":null}}`},
		"upsert, created": {Resource{Upsert: &Effect{Path: text("/orders/by/${number}")}}, change(connectors.Create), "PUT /orders/by/A%2F1 " + full},
		"upsert, updated": {Resource{Upsert: &Effect{Path: text("/orders/by/${number}")}}, change(connectors.Update), "PUT /orders/by/A%2F1 " + full},
		"delete":          {Resource{Delete: &Effect{Path: text("/orders/${id}")}}, change(connectors.Delete), "DELETE /orders/7"},
		"query, header": {
			Resource{Delete: &Effect{Method: "POST", Path: text("/gone"), Query: texts("no", "${number}", "a b", "&=#"), Headers: texts("X-Ref", "${reference}")}},
			change(connectors.Delete), "POST /gone?a+b=%26%3D%23&no=A%2F1 X-Ref=ref-1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{status: 200}
			d := serve(t, r, orders(&test.settings))
			receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{test.change}})
			if err != nil || receipts[0].Status != connectors.Applied {
				t.Fatalf("%+v %v", receipts, err)
			}
			if diff := cmp.Diff([]string{test.want}, r.came); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDeleteByColumns: where columns tell that a record is gone, an update sets them.
func TestDeleteByColumns(t *testing.T) {
	t.Parallel()
	rec := &recorder{status: 200}
	r := orders(&Resource{Update: &Effect{Path: text("/orders/${id}")}})
	r.Delete = []connectors.DeleteColumn{{Column: "state.gone", Value: record.BoolValue(true)}}
	d := serve(t, rec, r)
	if _, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{change(connectors.Delete)}}); err != nil {
		t.Fatal(err)
	}
	if want := []string{`PATCH /orders/7 {"state":{"gone":true}}`}; !slices.Equal(rec.came, want) {
		t.Errorf("sent %q, want %q", rec.came, want)
	}
}

// TestRefusesWhatCannotStand: a value never makes another path, query or header of
// the one that was written. Its change alone is refused, and nothing is sent.
func TestRefusesWhatCannotStand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number string
		effect Effect
	}{
		{"..", Effect{Path: text("/orders/${number}")}},
		{".", Effect{Path: text("/orders/${number}")}},
		{"", Effect{Path: text("/orders/${number}")}},
		{"a\r\nX-Admin: 1", Effect{Path: text("/orders"), Headers: texts("X-No", "${number}")}},
		{"a", Effect{Path: text("/orders/${id}")}}, // not known
		{"\xff", Effect{Path: text("/orders")}},
	} {
		rec := &recorder{status: 200}
		d := serve(t, rec, orders(&Resource{Create: &test.effect}))
		receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{numbered(connectors.Create, test.number), numbered(connectors.Update, "x")}})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range receipts {
			if r.Status != connectors.Refused || r.Words == "" {
				t.Errorf("%q: change %d: %+v", test.number, i, r)
			}
		}
		if len(rec.came) != 0 {
			t.Errorf("%q: %q was sent", test.number, rec.came)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	ok := connectors.Logic{Eval: func(n connectors.Names) (record.Value, error) {
		return record.BoolValue(n["status"].Int() == 201), nil
	}}
	fault := connectors.Logic{Uses: []string{"body.fault"}, Eval: func(n connectors.Names) (record.Value, error) {
		return record.BoolValue(!n["body.fault"].Missing()), nil
	}}
	for _, test := range []struct {
		op     connectors.Op
		status int
		answer string
		ok     connectors.Logic
		want   connectors.Status
		code   string // or the class of the error
		words  string
	}{
		{connectors.Create, 201, `{"id":12}`, connectors.Logic{}, connectors.Applied, "", ""},
		{connectors.Update, 204, ``, connectors.Logic{}, connectors.Applied, "", ""},
		{connectors.Create, 200, `{"id":12}`, ok, connectors.Unknown, "unclear", ""},
		{connectors.Create, 200, `<html>Log in</html>`, connectors.Logic{}, connectors.Unknown, "unclear", "a page for people"},
		{connectors.Create, 200, `{"error":{"message":"log in"}}`, connectors.Logic{}, connectors.Unknown, "unclear", "log in"},
		{connectors.Create, 200, `{"errors":["log in"]}`, connectors.Logic{}, connectors.Unknown, "unclear", "log in"},
		{connectors.Create, 200, `{"error":null,"id":12}`, connectors.Logic{}, connectors.Applied, "", ""},
		{connectors.Create, 307, ``, connectors.Logic{}, connectors.Unknown, "unclear", ""},
		{connectors.Create, 400, `{"message":"no such customer"}`, connectors.Logic{}, connectors.Refused, "400", "400 no such customer"},
		{connectors.Create, 404, ``, connectors.Logic{}, connectors.Refused, "404", "404 Not Found"},
		{connectors.Update, 404, ``, connectors.Logic{}, connectors.Refused, "missing_row", "404 Not Found"},
		{connectors.Delete, 404, ``, connectors.Logic{}, connectors.Same, "", ""},
		{connectors.Delete, 410, ``, connectors.Logic{}, connectors.Same, "", ""},
		{connectors.Create, 409, `taken`, connectors.Logic{}, connectors.Refused, "unique", "409 taken"},
		{connectors.Create, 422, strings.Repeat("ä", 600), connectors.Logic{}, connectors.Refused, "422", "422 " + strings.Repeat("ä", 250) + "…"},
		{connectors.Create, 401, ``, connectors.Logic{}, connectors.Untried, "denied", ""},
		{connectors.Create, 403, ``, connectors.Logic{}, connectors.Untried, "denied", ""},
		{connectors.Create, 405, ``, connectors.Logic{}, connectors.Untried, "broken", ""},
		{connectors.Create, 408, ``, connectors.Logic{}, connectors.Unknown, "unclear", ""},
		{connectors.Create, 429, ``, connectors.Logic{}, connectors.Untried, "down", ""},
		{connectors.Create, 500, ``, connectors.Logic{}, connectors.Unknown, "unclear", ""},
		{connectors.Create, 503, ``, connectors.Logic{}, connectors.Unknown, "unclear", ""},
		{connectors.Create, 200, `{"fault":"no such customer"}`, connectors.Logic{}, connectors.Refused, "200", `200 {"fault":"no such customer"}`},
	} {
		t.Run(fmt.Sprintf("%s %d %.20s", test.op, test.status, test.answer), func(t *testing.T) {
			t.Parallel()
			e := &Effect{Path: text("/orders"), OK: test.ok, Refused: fault}
			d := serve(t, &recorder{status: test.status, answer: test.answer}, orders(&Resource{Create: e, Update: e, Delete: e}))
			receipts, err := d.Send(t.Context(), prepared(t, d, change(test.op))[0])
			if len(receipts) != 1 || receipts[0].Status != test.want {
				t.Fatalf("%+v %v, want %d", receipts, err, test.want)
			}
			r := receipts[0]
			switch {
			case r.Status == connectors.Refused && (r.Code != test.code || r.Words != test.words || err != nil):
				t.Errorf("%+v %v, want %q %q", r, err, test.code, test.words)
			case r.Status == connectors.Unknown || r.Status == connectors.Untried:
				if err == nil || connectors.ClassOf(err).String() != test.code || !strings.Contains(err.Error(), test.words) {
					t.Errorf("error %v, want %s %s", err, test.code, test.words)
				}
			case err != nil:
				t.Error(err)
			}
			if test.op == connectors.Create && r.Status == connectors.Applied && (len(r.Row) != 1 || r.Row[0].Text() != "12") {
				t.Errorf("returned %v, want the id 12", r.Row)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	h := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(429)
	})
	d := serve(t, h, orders(&Resource{Create: &Effect{Path: text("/orders")}}))
	_, err := d.Send(t.Context(), prepared(t, d, change(connectors.Create))[0])
	if e, ok := err.(*connectors.Error); !ok || e.After != 7*time.Second {
		t.Errorf("error %#v, want 7 s", err)
	}
}

// TestMany: the changes of one place go together, and each has the answer of its place.
func TestMany(t *testing.T) {
	t.Parallel()
	shop, err := shopapi.Open(shopapi.Config{Unique: true})
	if err != nil {
		t.Fatal(err)
	}
	ok := connectors.Logic{Uses: []string{"body.order.id"}, Eval: func(n connectors.Names) (record.Value, error) {
		return record.BoolValue(!n["body.order.id"].Missing()), nil
	}}
	d := serve(t, shop, orders(&Resource{Create: &Effect{
		Path: text("/orders/bulk"), Answer: "order", Many: &Many{Items: "items", Limit: 3, Answer: "results", OK: ok},
	}}))
	unnamed := numbered(connectors.Create, "A-2")
	unnamed.Values[0] = record.NullValue()
	again := numbered(connectors.Create, "A-4")
	again.Reference = "ref-A-1"
	messages := prepared(t, d, numbered(connectors.Create, "A-1"), unnamed, numbered(connectors.Create, "A-3"), again, numbered(connectors.Create, "A-5"))
	if len(messages) != 2 || messages[0].Changes != 3 {
		t.Fatalf("%d messages, want one of 3 and one of 2", len(messages))
	}
	var got []string
	for _, m := range messages {
		receipts, err := d.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receipts {
			id := ""
			if r.Row != nil {
				id = r.Row[0].Text()
			}
			got = append(got, fmt.Sprintf("%d %s %s%s", r.Status, r.Code, id, r.Words))
		}
	}
	want := []string{"1  1", "3 422 422 number is missing", "1  2", "3 unique 409 external_id is taken", "1  3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestManyUnreadable: an answer that cannot be mapped leaves all of them unknown.
func TestManyUnreadable(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"results":[{"status":201}]}`, `{"results":[{},{},{}]}`, `{"results":{}}`, `{}`, `<html>`, ``} {
		d := serve(t, &recorder{status: 200, answer: answer}, orders(&Resource{Create: &Effect{Path: text("/bulk"), Many: &Many{Answer: "results"}}}))
		messages := prepared(t, d, numbered(connectors.Create, "1"), numbered(connectors.Create, "2"))
		receipts, err := d.Send(t.Context(), messages[0])
		if len(receipts) != 2 || receipts[0].Status != connectors.Unknown || receipts[1].Status != connectors.Unknown || connectors.ClassOf(err) != connectors.Unclear || err == nil {
			t.Errorf("%s: %+v %v", answer, receipts, err)
		}
	}
}

// TestIdempotencyKey: the same bytes have the same key on every try; a value that
// goes and comes back has another one each time.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	rec := &recorder{status: 500}
	e := &Effect{Path: text("/orders/${number}")}
	d := serve(t, rec, orders(&Resource{Create: e, Update: e, Idempotency: &Idempotency{Window: time.Hour}})).(*destination)
	now := time.Unix(1_800_000_000, 0)
	d.tools.Now = func() time.Time { now = now.Add(time.Nanosecond); return now }
	for _, op := range []connectors.Op{connectors.Create, connectors.Create, connectors.Update, connectors.Update} {
		m := prepared(t, d, change(op))[0]
		for range 2 {
			_, _ = d.Send(t.Context(), m)
		}
	}
	k := rec.keys
	if len(k) != 8 || !strings.HasPrefix(k[0], "ref-1-") || k[0] != k[1] || k[0] != k[2] || k[4] != k[5] || k[4] == k[6] || k[0] == k[4] {
		t.Errorf("keys %q", k)
	}
}

// TestHidesWhatIsSensitive: people see the message, but not what they may not see.
func TestHidesWhatIsSensitive(t *testing.T) {
	t.Parallel()
	e := &Effect{Path: text("/mail/${meta.email}"), Query: texts("m", "${meta.email}")}
	d := serve(t, &recorder{status: 200}, orders(&Resource{Create: e}))
	m := prepared(t, d, change(connectors.Create))[0]
	want := "POST /mail/%5Bredacted%5D?m=%5Bredacted%5D\n\n" +
		`{"number":"A/1","total":10.50,"meta":{"email":"[redacted]"},"lines":[{"sku":"X"},{"sku":"Y"}],"external_id":"ref-1"}`
	if m.Text != want {
		t.Errorf("shown as %s, want %s", m.Text, want)
	}
	if !strings.Contains(string(m.Bytes), "a@b.example") {
		t.Error("the bytes lack what is sent")
	}
	r := orders(&Resource{Update: &Effect{Path: text("/orders/${number}")}})
	r.Sensitive = []bool{true, false, false, false}
	c := change(connectors.Update)
	c.Values = make([]record.Value, 4)
	if m := prepared(t, serve(t, &recorder{status: 200}, r), c)[0]; m.Text != "PATCH /orders/%5Bredacted%5D\n\n{}" {
		t.Errorf("a sensitive key is shown as %s", m.Text)
	}
}

// TestMessagesOutliveTheirProcess: bytes of a process before this one are read as it
// wrote them, and damaged ones are not sent.
func TestMessagesOutliveTheirProcess(t *testing.T) {
	t.Parallel()
	const stored = "0101" + "04504f5354" + "072f6f7264657273" + "03613d62" + "01" + "0158" + "0179" + "027b7d" + "01" + "036b6579"
	b, err := hex.DecodeString(stored)
	if err != nil {
		t.Fatal(err)
	}
	m, err := decodeMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &message{op: connectors.Create, changes: 1, method: "POST", path: "/orders", query: "a=b", headers: [][2]string{{"X", "y"}}, key: "key", body: []byte("{}")}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(message{})); diff != "" {
		t.Error(diff)
	}
	if again := hex.EncodeToString(m.encode()); again != stored {
		t.Errorf("encoded as %s, want %s", again, stored)
	}
	rec := &recorder{status: 200}
	d := serve(t, rec, orders(&Resource{Create: &Effect{Path: text("/orders")}}))
	damaged := [][]byte{nil, {2}, append([]byte{2}, b[1:]...), append(slices.Clone(b), 0)}
	for n := range b {
		damaged = append(damaged, b[:n])
	}
	for _, b := range damaged {
		receipts, err := d.Send(t.Context(), connectors.Message{Changes: 1, Bytes: b})
		if len(receipts) != 1 || receipts[0].Status != connectors.Untried || connectors.ClassOf(err) != connectors.Broken {
			t.Errorf("%x: %+v %v", b, receipts, err)
		}
	}
	if len(rec.came) > 0 {
		t.Errorf("%q was sent", rec.came)
	}
}

func TestWays(t *testing.T) {
	t.Parallel()
	byID := Find{Path: text("/orders/${id}"), Lag: time.Second}
	byName := Find{Path: text("/orders"), Query: texts("external_id", "${reference}"), Lag: time.Minute}
	post, put := &Effect{Path: text("/orders")}, &Effect{Method: "PUT", Path: text("/orders/${id}")}
	key := &Idempotency{Window: time.Hour}
	with := func(e Effect, onUnknown string) *Effect { e.OnUnknown = onUnknown; return &e }
	for name, test := range map[string]struct {
		settings Resource
		op       connectors.Op
		want     connectors.Ways
	}{
		"nothing":             {Resource{Create: post}, connectors.Create, connectors.Ways{}},
		"retry":               {Resource{Create: with(*post, "retry")}, connectors.Create, connectors.Ways{Double: true}},
		"key":                 {Resource{Create: post, Idempotency: key}, connectors.Create, connectors.Ways{Window: time.Hour}},
		"key and find":        {Resource{Create: post, Idempotency: key, Finds: []Find{byID, byName}}, connectors.Create, connectors.Ways{Window: time.Hour, Find: true, Lag: time.Minute}},
		"found by id alone":   {Resource{Create: post, Finds: []Find{byID}}, connectors.Create, connectors.Ways{}},
		"doubt":               {Resource{Create: with(*post, "doubt"), Idempotency: key, Finds: []Find{byName}}, connectors.Create, connectors.Ways{}},
		"update":              {Resource{Update: post, Finds: []Find{byID, byName}}, connectors.Update, connectors.Ways{Find: true, Lag: time.Second}},
		"update, replacing":   {Resource{Update: put}, connectors.Update, connectors.Ways{Repeat: true}},
		"upsert":              {Resource{Upsert: post}, connectors.Create, connectors.Ways{Repeat: true}},
		"delete":              {Resource{Delete: &Effect{Path: text("/orders/${id}")}}, connectors.Delete, connectors.Ways{Repeat: true}},
		"not to be done here": {Resource{Create: post}, connectors.Delete, connectors.Ways{}},
	} {
		d := serve(t, &recorder{}, orders(&test.settings))
		if got := d.Ways(test.op); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	matched := orders(&Resource{Create: post, Update: post, Finds: []Find{byID}})
	matched.WriteKey = matched.Returning
	d := serve(t, &recorder{}, matched)
	if create, update := d.Ways(connectors.Create), d.Ways(connectors.Update); create.Find || !update.Find {
		t.Errorf("where the id is the key: create %+v, update %+v", create, update)
	}
}

// TestNothingIsRepeatedUnseen: where a connection that was used before dies under a
// request, net/http sends one with an idempotency key again by itself. Ours comes
// once: what is done again is the engine's to say, and to count.
func TestNothingIsRepeatedUnseen(t *testing.T) {
	t.Parallel()
	came := make(chan string, 10)
	h := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- string(body)
		if strings.Contains(string(body), "second") {
			conn, _, err := nethttp.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		w.WriteHeader(201)
	})
	d := serve(t, h, orders(&Resource{Create: &Effect{Path: text("/orders")}, Idempotency: &Idempotency{Window: time.Hour}}))
	for i, number := range []string{"first", "second"} {
		receipts, err := d.Send(t.Context(), prepared(t, d, numbered(connectors.Create, number))[0])
		if want := []connectors.Status{connectors.Applied, connectors.Unknown}[i]; receipts[0].Status != want || (err == nil) != (i == 0) {
			t.Errorf("%s: %+v %v", number, receipts, err)
		}
	}
	if len(came) != 2 {
		t.Errorf("%d requests came, want 2", len(came))
	}
}

// TestWrongSettings: what a connector may not say of whom it asks, and how.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	secret := connectors.Secret{From: "env", Name: "A"}
	const url = "https://shop.example/api"
	for field, s := range map[string]Settings{
		"url":             {URL: "https://me:secret@shop.example/api", MaxBody: 1},
		"allow":           {URL: url, MaxBody: 1, Allow: []string{"10.1.0.0"}},
		"max_body":        {URL: url},
		"auth":            {URL: url, MaxBody: 1, Auth: &Auth{Bearer: secret, Basic: &Basic{User: "me", Password: secret}}},
		"tls.min_version": {URL: url, MaxBody: 1, TLS: &TLS{MinVersion: "1.1"}},
		"tls.cert":        {URL: url, MaxBody: 1, TLS: &TLS{Cert: "cert.pem"}},
	} {
		if e, ok := s.Validate().(*connectors.FieldError); !ok || e.Field != field {
			t.Errorf("%s: %v", field, s.Validate())
		}
	}
	for _, wrong := range []string{"shop.example", "ftp://shop.example", "https://shop.example/?a=b", "https://shop.example/#a"} {
		if s := (Settings{URL: wrong, MaxBody: 1}); s.Validate() == nil {
			t.Errorf("%s is taken for an address", wrong)
		}
	}
}

// TestWrongBlocks: what could only fail when it is sent is told when it is loaded.
func TestWrongBlocks(t *testing.T) {
	t.Parallel()
	effect := func(change func(*Effect)) Resource {
		e := &Effect{Path: text("/orders")}
		change(e)
		return Resource{Create: e}
	}
	for field, r := range map[string]Resource{
		"create.method":      effect(func(e *Effect) { e.Method = "GET" }),
		"create.path":        effect(func(e *Effect) { e.Path = text("/orders?no=${number}") }),
		"update.path":        {Update: &Effect{Path: text("orders")}},
		"delete.path":        {Delete: &Effect{Path: text("${number}")}},
		"upsert.path":        {Upsert: &Effect{Path: text("http://elsewhere.example/orders")}},
		"fetch.path":         {Fetch: &Fetch{Path: text("@elsewhere.example")}},
		"create.headers":     effect(func(e *Effect) { e.Headers = texts("authorization", "x") }),
		"create.on_unknown":  effect(func(e *Effect) { e.OnUnknown = "find" }),
		"create.many.limit":  effect(func(e *Effect) { e.Many = &Many{Limit: maxMany + 1} }),
		"find.path":          {Finds: []Find{{Path: text("/orders#${id}")}}},
		"idempotency.window": {Upsert: &Effect{Path: text("/orders")}, Idempotency: &Idempotency{}},
		"idempotency.header": {Upsert: &Effect{Path: text("/orders")}, Idempotency: &Idempotency{Header: "a b", Window: 1}},
		"upsert":             {Upsert: &Effect{Path: text("/orders")}, Create: &Effect{Path: text("/orders")}},
	} {
		err := r.Validate()
		if e, ok := err.(*connectors.FieldError); !ok || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	good := effect(func(e *Effect) { e.OnUnknown, e.Headers = "find", texts("X-Ref", "${reference}") })
	good.Finds = []Find{byNumber}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
