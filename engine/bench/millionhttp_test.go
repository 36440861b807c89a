package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// pagedSource is an API that rows are read from, a thousand a page.
const pagedSource = `  type = "http"
  url  = %q
  resource "orders" {
    entity = entity.order
    fetch {
      path    = "/rows"
      records = "items"
      page {
        number = "page"
        first  = 0
        size   = "size"
        limit  = 1000
        last   = "body.last"
      }
    }
  }`

// bulkResource takes a hundred rows in one request.
const bulkResource = `    id = "row.id"
    create {
      path   = "/rows"
      answer = "row"
      many {
        items  = "items"
        limit  = 100
        answer = "results"
      }
    }
    idempotency {
      window = "24h"
    }`

// most is how many rows the larger run has: HEADGATE_BENCH_MOST, or a million. The
// smaller one has a tenth.
func most(b *testing.B) int {
	text := os.Getenv("HEADGATE_BENCH_MOST")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	must(b, err)
	return n
}

// BenchmarkMillionHTTP runs the binary on 100,000 and on 1,000,000 rows that come from
// an API, page by page, and that go to one: in requests of a hundred, eight in flight,
// since each alone would take a quarter of an hour. Memory must not grow with them.
func BenchmarkMillionHTTP(b *testing.B) {
	n := most(b)
	b.Run("From", func(b *testing.B) {
		judgeFlat(b, "from an API", n, func(n int) process {
			server := httptest.NewServer(rowPages(n))
			defer server.Close()
			in := install(b, layout{source: fmt.Sprintf(pagedSource, server.URL), connector: jsonlConnector, resource: jsonlResource})
			return in.process(b)
		})
	})
	b.Run("To", func(b *testing.B) {
		judgeFlat(b, "to an API", n, func(n int) process {
			taken := &rowsTaken{}
			server := httptest.NewServer(taken)
			defer server.Close()
			in := install(b, layout{
				connector: fmt.Sprintf("  type = \"http\"\n  url  = %q", server.URL), resource: bulkResource,
				batch: fmt.Sprintf("size = 100\n    in_flight = %d", inFlight),
			})
			writeCSV(b, in.file("a.csv"), n)
			p := in.process(b)
			if got := taken.n.Load(); got != int64(n) {
				b.Fatalf("%d rows were taken, of %d", got, n)
			}
			return p
		})
	})
}

// process runs the binary once.
func (in *installation) process(b *testing.B) process {
	return headgate(b, in.dir, "run", "--once", "--output", "jsonl")
}

// judgeFlat compares a run over n rows with one over a tenth of them.
func judgeFlat(b *testing.B, what string, n int, run func(n int) process) {
	small, large := run(n/10), run(n)
	fast, slow := small.perRow(b, n/10), large.perRow(b, n)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(fast, "ns/row-few")
	b.ReportMetric(slow, "ns/row-many")
	what = fmt.Sprintf("%d rows %s", n, what)
	judge(what+", time a row", slow/fast, 1.15, "%.2f × that of a tenth", fmt.Sprintf("  (%.0f and %.0f ns)", slow, fast))
	if len(small.anon) == 0 || len(large.anon) == 0 {
		return
	}
	b.ReportMetric(large.peak(0, 1), "MiB-RssAnon")
	judge("its anonymous memory, peak", large.peak(0, 1), 96, "%.0f MiB", fmt.Sprintf("  (%.0f MiB for a tenth)", small.peak(0, 1)))
	judge("last quarter against second", large.peak(0.75, 1)/large.peak(0.25, 0.5), 1.1, "%.2f ×", "")
}

// rowPages gives n rows, page by page.
func rowPages(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.FormValue("page"))
		size, _ := strconv.Atoi(r.FormValue("size"))
		items := []map[string]string{}
		for i := page * size; i < min((page+1)*size, n); i++ {
			item := make(map[string]string, len(columns))
			for c, cell := range row(i) {
				item[columns[c]] = cell
			}
			items = append(items, item)
		}
		answer(w, map[string]any{"items": items, "last": (page+1)*size >= n})
	}
}

// rowsTaken counts rows, gives each an id, and keeps none.
type rowsTaken struct{ n atomic.Int64 }

func (t *rowsTaken) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Items []json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	results := make([]any, len(body.Items))
	for i := range results {
		results[i] = map[string]any{"status": http.StatusCreated, "row": map[string]int64{"id": t.n.Add(1)}}
	}
	answer(w, map[string]any{"results": results})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
