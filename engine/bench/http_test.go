package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/connectors/http/shopapi"
	"headgate/engine"
)

// What delivery to an API is measured with.
const (
	apiOrders = 10_000
	apiRounds = 3
	inFlight  = 8
)

// apiResource is one whose unknown answers an idempotency key settles.
const apiResource = `    id = "row.id"
    create {
      path = "/orders"
    }
    update {
      path = "/orders/${id}"
    }
    idempotency {
      window = "24h"
    }`

// BenchmarkHTTP is delivery to an API, each order a batch of its own and eight of them
// in flight, beside a bare client of as many goroutines that notes each order in a
// file, and syncs it, before it sends it.
func BenchmarkHTTP(b *testing.B) {
	path := filepath.Join(b.TempDir(), "floor.csv")
	writeCSV(b, path, apiOrders)
	bodies := apiBodies(b, path)
	floor, ours := time.Hour, time.Hour
	for range b.N {
		for range apiRounds {
			shop := serve(b)
			floor = min(floor, elapsed(func() { apiFloor(b, bodies, shop.url) }))
			shop.mustHold(b, apiOrders)

			shop = serve(b)
			in := install(b, layout{
				connector: fmt.Sprintf("  type = \"http\"\n  url  = %q", shop.url), resource: apiResource,
				write: "number = \"no\"\n", batch: fmt.Sprintf("size = 1\n    in_flight = %d", inFlight),
			})
			writeCSV(b, in.file("a.csv"), apiOrders)
			ours = min(ours, elapsed(func() { in.mustSettle(b, engine.Created, apiOrders) }))
			shop.mustHold(b, apiOrders)
		}
	}
	perOrder := func(d time.Duration) float64 { return float64(d.Microseconds()) / apiOrders }
	b.ReportMetric(perOrder(floor), "floor-µs/order")
	b.ReportMetric(perOrder(ours), "µs/order")
	b.ReportMetric(0, "ns/op")
	judgeLeast("to an API, batches of 1, 8 in flight", floor.Seconds()/ours.Seconds(), 0.8, "%.2f × a bare client",
		fmt.Sprintf("  (%.0f and %.0f µs an order)", perOrder(ours), perOrder(floor)))
}

// api is a shop that is served here.
type api struct {
	*shopapi.Shop
	url string
}

func serve(b *testing.B) api {
	shop, err := shopapi.Open(shopapi.Config{Idempotency: 24 * time.Hour})
	must(b, err)
	server := httptest.NewServer(shop)
	b.Cleanup(server.Close)
	return api{shop, server.URL}
}

func (a api) mustHold(b *testing.B, orders int64) {
	if s := a.Stats(); s.Orders != orders || s.Doubles != 0 || s.Requests != orders {
		b.Fatalf("the shop has %+v, want %d orders of as many requests", s, orders)
	}
}

// apiBodies are what is sent of the records of a file.
func apiBodies(b *testing.B, path string) (bodies [][]byte) {
	header := []string{"number", "day", "customer_no", "article", "qty", "price", "amount", "status", "region", "note"}
	scan(b, path, func(cells []string) {
		object := make(map[string]any, len(cells))
		for i, cell := range cells {
			object[header[i]] = cell
			if slices.Contains([]string{"qty", "price", "amount"}, header[i]) {
				object[header[i]] = json.Number(cell)
			}
		}
		body, err := json.Marshal(object)
		must(b, err)
		bodies = append(bodies, body)
	})
	return bodies
}

// apiFloor is a bare client.
func apiFloor(b *testing.B, bodies [][]byte, url string) {
	log, err := os.Create(filepath.Join(b.TempDir(), "sent.log"))
	must(b, err)
	defer func() { _ = log.Close() }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	note := func(body []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := log.Write(body); err != nil {
			return err
		}
		return log.Sync()
	}
	next := make(chan int)
	group, ctx := errgroup.WithContext(b.Context())
	for range inFlight {
		group.Go(func() error {
			for i := range next {
				if err := note(bodies[i]); err != nil {
					return err
				}
				if err := post(client, url+"/orders", i, bodies[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range bodies {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	must(b, group.Wait())
}

func post(client *http.Client, url string, i int, body []byte) error {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprint(i))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("answered %d", response.StatusCode)
	}
	return err
}
