package engine_test

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/builtin"
	"headgate/connectors/http/shopapi"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

// ordersToAPI moves orders from files to a shop's API, eight at a time. How an unknown
// answer is settled is said in its place.
const ordersToAPI = `
connector "erp" {
  type = "files"
  dir  = "."
  resource "orders" {
    entity = entity.order
    glob   = "*.csv"
    settle = "0s"
    csv {
    }
  }
}
connector "shop" {
  type    = "http"
  url     = %q
  timeout = %q
  retry {
    attempts = 50
    backoff  = "5ms"
    max      = "50ms"
  }
  resource "orders" {
    entity    = entity.order
    id        = "row.id"
    reference = "external_id"
    write = {
      number = "no"
    }
%s
  }
}
entity "order" {
  key   = [no]
  owner = connector.erp
  field "no" {
    type = string
  }
  field "total" {
    type = decimal
  }
}
flow "orders" {
  from = connector.erp.orders
  to   = connector.shop.orders
  mode = live
  batch {
    size      = %d
    in_flight = 8
  }
}
`

const (
	createOrder = `
    create {
      path = "/orders"
      ok   = "status == 201 && body.id != nil"
    }`
	createOrders = `
    create {
      path   = "/orders/bulk"
      answer = "order"
      many {
        items  = "items"
        limit  = 10
        answer = "results"
        ok     = "status == 201"
      }
    }`
	findOrder = `
    find {
      path    = "/orders"
      query   = { external_id = "${reference}" }
      records = "data.items"
      lag     = "50ms"
    }`
	keyedOrder = `
    idempotency {
      window = "24h"
    }`
)

// fewOrders is how many orders are delivered where nobody asks for more.
const fewOrders = 150

// TestOrdersArriveOnce: whatever the API does before and after it has stored an order,
// each arrives once where that can be known, and is in doubt where it cannot. It is
// left alone as long as it asks for.
func TestOrdersArriveOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		create  string
		settled string // how an unknown answer is
		timeout string
		shop    shopapi.Config
		doubt   bool
	}{
		"by looking":         {createOrder, findOrder, "100ms", shopapi.Config{Lag: 50 * time.Millisecond}, false},
		"by key":             {createOrder, keyedOrder, "100ms", shopapi.Config{Idempotency: 24 * time.Hour}, false},
		"by key and looking": {createOrder, keyedOrder + findOrder, "100ms", shopapi.Config{Idempotency: 24 * time.Hour, Lag: 50 * time.Millisecond}, false},
		"several at once":    {createOrders, findOrder, "100ms", shopapi.Config{Lag: 50 * time.Millisecond}, false},
		// An answer that only comes late is not known either: here none does.
		"by nothing: in doubt": {createOrder, "", "5s", shopapi.Config{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serveOrders(t, test.create+test.settled, test.timeout, test.shop)
			want := d.writeOrders(t)
			counts := d.runAll(t)
			s := d.shop.Stats()
			if s.Doubles != 0 || s.Early != 0 {
				t.Errorf("the shop counts %+v", s)
			}
			doubt := counts[engine.InDoubt]
			if counts[engine.Created]+doubt != want {
				t.Errorf("%v, want %d created or in doubt", counts, want)
			}
			if !test.doubt && (doubt != 0 || s.Orders != want) {
				t.Errorf("%v and %d orders, want all %d created", counts, s.Orders, want)
			}
			if unknown := d.unknown.Load(); test.doubt && (doubt != unknown || doubt == 0 || doubt != d.explained(t)) {
				t.Errorf("%d are in doubt, %d of them explained, of %d whose answer is not known", doubt, d.explained(t), unknown)
			}
			t.Logf("%d requests, %d orders, %d in doubt, %d answered again by key, faults %v", s.Requests, s.Orders, doubt, s.Repeated, s.Faults)
		})
	}
}

// ordersDesk is a headgate between a directory and an API, and what the API did to it.
type ordersDesk struct {
	dir     string
	text    string
	url     string
	shop    *shopapi.Shop
	unknown atomic.Int64 // orders whose answer says nothing of what was done
}

func serveOrders(t *testing.T, settled, timeout string, c shopapi.Config) *ordersDesk {
	t.Helper()
	size, share := 1, 0.3
	if strings.Contains(settled, "many") { // one of the look-ups of a message fails more often than a single one
		size, share = 10, 0.05
	}
	d := openShop(t, share, c)
	d.text = fmt.Sprintf(ordersToAPI, d.url, timeout, settled, size)
	return d
}

// openShop serves a shop that misbehaves in a share of its answers.
func openShop(t *testing.T, share float64, c shopapi.Config) *ordersDesk {
	t.Helper()
	d := &ordersDesk{dir: t.TempDir()}
	if c.Fault == nil {
		c.Fault = faultsOf(share)
	}
	c.Grace = 700 * time.Millisecond // who does not obey comes again and again, all of the second
	var err error
	if d.shop, err = shopapi.Open(c); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// faultsOf makes a share of answers wrong in every way there is.
func faultsOf(share float64) func(int64, *nethttp.Request) shopapi.Fault {
	once := slices.DeleteFunc(shopapi.All(), func(f shopapi.Fault) bool { return f >= shopapi.StallAfter && f <= shopapi.Maintenance })
	often := shopapi.Seeded(7, share, once...)
	return func(n int64, r *nethttp.Request) shopapi.Fault {
		switch n % 600 { // now and then, since each takes a second
		case 100, 200, 300, 400:
			return shopapi.StallAfter
		case 150:
			return shopapi.TooMany
		case 450:
			return shopapi.Maintenance
		}
		return often(n, r)
	}
}

// writeOrders writes HEADGATE_TEST_ORDERS orders, or some, and returns how many.
func (d *ordersDesk) writeOrders(t *testing.T) int64 {
	t.Helper()
	n := fewOrders
	if text := os.Getenv("HEADGATE_TEST_ORDERS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	text := []byte("no,total\n")
	for i := range n {
		text = fmt.Appendf(text, "A-%04d,%d.50\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "a.csv"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return int64(n)
}

// runAll runs the flow until all is read and nothing waits for an answer, and returns
// what became of the orders.
func (d *ordersDesk) runAll(t *testing.T) map[engine.Outcome]int64 {
	t.Helper()
	counts := make(map[engine.Outcome]int64)
	for range 200 {
		s := d.runOnce(t)
		for o, n := range s.Counts {
			counts[engine.Outcome(o)] += n
		}
		if s.Paused != "" {
			t.Fatal(s.Paused)
		}
		if s.Err == nil {
			return counts
		}
	}
	t.Fatalf("it does not end; until now %v", counts)
	return nil
}

func (d *ordersDesk) runOnce(t *testing.T) (s engine.Summary) {
	t.Helper()
	d.with(t, func(e *engine.Engine, _ *state.DB) {
		all, err := e.RunOnce(t.Context(), engine.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s = all[0]
	})
	return s
}

// with opens everything as a process does, calls f, and closes it.
func (d *ordersDesk) with(t *testing.T, f func(*engine.Engine, *state.DB)) {
	t.Helper()
	set, diags := load.Load(d.dir, []load.File{{Name: "orders.hcl", Bytes: load.Format([]byte(d.text))}}, builtin.Kinds())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	db, err := state.Open(filepath.Join(d.dir, "state"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	log, err := exceptions.Open(filepath.Join(d.dir, "state", "exceptions"))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Config{Ruleset: set, State: db, Exceptions: log, Clock: wallClock{}, Open: func(c *rules.Connector) (connectors.Connector, error) {
		kinds := builtin.Kinds()
		i := slices.IndexFunc(kinds, func(k connectors.Kind) bool { return k.Name == c.Type })
		return kinds[i].Open(c.Settings, connectors.Tools{
			Now: time.Now, Timeout: c.Timeout, Dir: d.dir,
			Wait: func(ctx context.Context) error { return ctx.Err() },
		})
	}})
	f(e, db)
	for _, c := range []interface{ Close() error }{e, log, db} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// explained is how many orders wait in doubt for a person, who is told why.
func (d *ordersDesk) explained(t *testing.T) (n int64) {
	t.Helper()
	open, damaged, err := exceptions.Current(filepath.Join(d.dir, "state", "exceptions"))
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	for _, x := range open {
		if x.Outcome == engine.InDoubt && x.Reason.Message != "" {
			n++
		}
	}
	return n
}

// ServeHTTP lets the shop answer, and counts the orders whose answer says nothing.
func (d *ordersDesk) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	answered := &statusOf{ResponseWriter: w}
	d.shop.ServeHTTP(answered, r)
	if r.Method == nethttp.MethodPost && answered.status != nethttp.StatusCreated && answered.status != nethttp.StatusTooManyRequests {
		d.unknown.Add(1)
	}
}

// statusOf keeps the status of an answer; 0: there was none.
type statusOf struct {
	nethttp.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusOf) Unwrap() nethttp.ResponseWriter { return s.ResponseWriter }

// wallClock is the time that the shop's answers really take.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
