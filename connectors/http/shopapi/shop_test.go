package shopapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors/http/shopapi"
)

// shop is a shop that is served.
type shop struct {
	*shopapi.Shop
	url string
}

func open(t *testing.T, c shopapi.Config) shop {
	t.Helper()
	s, err := shopapi.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return shop{s, server.URL}
}

// ask sends "POST /orders" with a body, and headers as "Name: value".
func (s shop) ask(t *testing.T, what, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.GetBody = nil // a broken connection is not tried again behind the test's back
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func (s shop) want(t *testing.T, what, body string, status int, holds string, headers ...string) {
	t.Helper()
	got, text, _ := s.ask(t, what, body, headers...)
	if got != status || !strings.Contains(text, holds) {
		t.Errorf("%s %s: %d %s, want %d %s", what, body, got, text, status, holds)
	}
}

// clock is a time that stands until it is moved.
type clock struct{ moved atomic.Int64 }

func (c *clock) Now() time.Time {
	return time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(c.moved.Load()))
}

func (c *clock) move(d time.Duration) { c.moved.Add(int64(d)) }

func TestBehaves(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := open(t, shopapi.Config{Now: c.Now, Lag: time.Minute, Unique: true})
	s.want(t, "POST /orders", `{"number":"A-1","external_id":"x1","total":10.50,"meta":{"a":1}}`, 201, `"id":1`)
	s.want(t, "POST /orders", `{"number":"A-1","external_id":"x1"}`, 409, `taken`)
	s.want(t, "POST /orders", `{"total":1}`, 422, `number is missing`)
	s.want(t, "POST /orders", `[]`, 400, `no object`)
	s.want(t, "GET /orders?external_id=x1", "", 200, `"items":[]`)
	c.move(time.Minute)
	s.want(t, "GET /orders?external_id=x1", "", 200, `"total":10.50`)
	s.want(t, "PATCH /orders/1", `{"meta":{"b":2},"note":null}`, 200, `"meta":{"a":1,"b":2},"note":null,"number":"A-1"`)
	s.want(t, "PUT /orders/number/A%2F2", `{"total":1}`, 201, `"number":"A/2"`)
	s.want(t, "PUT /orders/number/A%2F2", `{"total":2}`, 200, `"id":2`)
	s.want(t, "POST /orders/bulk", `{"items":[{"number":"B-1"},{},{"number":"B-2"}]}`, 200, `{"error":"number is missing","status":422}`)
	s.want(t, "GET /orders?page=2&per_page=3", "", 200, `"items":[{"id":4,"number":"B-2"`)
	s.want(t, "DELETE /orders/3", "", 204, "")
	s.want(t, "DELETE /orders/3", "", 404, "no order 3")
	s.want(t, "GET /elsewhere", "", 404, "")
	s.want(t, "POST /orders/1", "{}", 405, "")
	if got := s.Stats(); got.Orders != 3 || got.Stored != 4 || got.Doubles != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestStoresDoubles(t *testing.T) {
	t.Parallel()
	s := open(t, shopapi.Config{})
	for range 3 {
		s.want(t, "POST /orders", `{"number":"A-1"}`, 201, "", "Idempotency-Key: k")
	}
	if got := s.Stats(); got.Doubles != 2 || got.Orders != 3 {
		t.Errorf("stats %+v, want 2 doubles", got)
	}
	s.want(t, "GET /stats", "", 200, `"doubles":2`)
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := open(t, shopapi.Config{Now: c.Now, Idempotency: time.Hour})
	key := "Idempotency-Key: k"
	s.want(t, "POST /orders", `{"number":"A-1"}`, 201, `"id":1`, key)
	s.want(t, "POST /orders", `{"number":"A-1"}`, 201, `"id":1`, key)
	s.want(t, "POST /orders", `{"number":"A-2"}`, 422, "another request", key)
	c.move(time.Hour)
	s.want(t, "POST /orders", `{"number":"A-1"}`, 201, `"id":2`, key)
	if got := s.Stats(); got.Repeated != 1 || got.Doubles != 1 {
		t.Errorf("stats %+v", got)
	}
}

// once is the fate of the first request alone.
func once(f shopapi.Fault) func(int64, *http.Request) shopapi.Fault {
	return func(n int64, _ *http.Request) shopapi.Fault {
		if n == 1 {
			return f
		}
		return shopapi.None
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  shopapi.Fault
		status int
		holds  string
		stored int64
	}{
		{shopapi.None, 201, `"id":1`, 1},
		{shopapi.FailBefore, 500, "internal error", 0},
		{shopapi.FailAfter, 500, "internal error", 1},
		{shopapi.ResetAfter, 0, "connection reset", 1},
		{shopapi.StallAfter, 0, "connection reset", 1},
		{shopapi.TooMany, 429, "come back later", 0},
		{shopapi.Maintenance, 503, "come back later", 0},
		{shopapi.LoginPage, 200, "Log in", 0},
		{shopapi.ErrorBody, 200, "session_expired", 0},
	} {
		t.Run(test.fault.String(), func(t *testing.T) {
			t.Parallel()
			s := open(t, shopapi.Config{Fault: once(test.fault), Stall: time.Millisecond})
			s.want(t, "POST /orders", `{"number":"A-1"}`, test.status, test.holds)
			if got := s.Stats(); got.Stored != test.stored || test.fault != shopapi.None && got.Faults[test.fault.String()] != 1 {
				t.Errorf("stats %+v, want %d stored", got, test.stored)
			}
		})
	}
}

func TestCountsWhoComesEarly(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := open(t, shopapi.Config{Now: c.Now, Fault: once(shopapi.TooMany), RetryAfter: 3 * time.Second, Grace: 100 * time.Millisecond})
	for _, step := range []struct {
		wait   time.Duration
		status int
		after  string
		early  int64
	}{
		{0, 429, "3", 0},
		{100 * time.Millisecond, 429, "3", 0}, // on its way
		{2 * time.Second, 429, "1", 1},
		{900 * time.Millisecond, 201, "", 1},
	} {
		c.move(step.wait)
		status, _, header := s.ask(t, "POST /orders", `{"number":"A-1"}`)
		if early := s.Stats().Early; status != step.status || header.Get("Retry-After") != step.after || early != step.early {
			t.Errorf("after %v: %d, Retry-After %q, %d early; want %+v", step.wait, status, header.Get("Retry-After"), early, step)
		}
	}
}

// TestSeeded: the same seed is the same plan, and about the share that was asked for.
func TestSeeded(t *testing.T) {
	t.Parallel()
	fates := func(seed uint64) []shopapi.Fault {
		plan, all := shopapi.Seeded(seed, 0.3, shopapi.All()...), []shopapi.Fault(nil)
		for n := range int64(1000) {
			all = append(all, plan(n, nil))
		}
		return all
	}
	first := fates(7)
	if !slices.Equal(first, fates(7)) || slices.Equal(first, fates(8)) {
		t.Error("a plan is not that of its seed alone")
	}
	count := make(map[shopapi.Fault]int)
	for _, f := range first {
		count[f]++
	}
	if none := count[shopapi.None]; none < 650 || none > 750 || len(count) != len(shopapi.All())+1 {
		t.Errorf("fates %v", count)
	}
}

// TestSurvives: another process finds what the first one stored, and what was half
// written when it was killed is cut off.
func TestSurvives(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	c := shopapi.Config{Path: path, Idempotency: time.Hour}
	first := open(t, c)
	for i := range 3 {
		first.want(t, "POST /orders", fmt.Sprintf(`{"number":"A-%d"}`, i), 201, "", "Idempotency-Key: "+fmt.Sprint(i))
	}
	first.want(t, "DELETE /orders/2", "", 204, "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, `{"order":{"id":9`...), 0o600); err != nil {
		t.Fatal(err)
	}
	second := open(t, c)
	second.want(t, "POST /orders", `{"number":"A-0"}`, 201, `"id":1`, "Idempotency-Key: 0")
	second.want(t, "POST /orders", `{"number":"A-4"}`, 201, `"id":4`)
	var numbers []string
	for _, o := range open(t, c).Orders() {
		numbers = append(numbers, o.Text("number"))
	}
	if want := []string{"A-0", "A-2", "A-4"}; !slices.Equal(numbers, want) {
		t.Errorf("orders %v, want %v", numbers, want)
	}
}

func TestRefusesStrangers(t *testing.T) {
	t.Parallel()
	s := open(t, shopapi.Config{Token: "secret"})
	s.want(t, "GET /orders", "", 401, "who")
	status, text, _ := s.ask(t, "GET /orders", "", "Authorization: Bearer secret")
	if status != 200 || !json.Valid([]byte(text)) {
		t.Errorf("%d %s", status, text)
	}
}
