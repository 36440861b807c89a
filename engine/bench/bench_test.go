package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"headgate/connectors/postgres/pgtest"
	"headgate/engine"
)

// rounds is how often a floor and the work beside it are measured, in turn. The best
// of each counts: what a busy machine adds is never less than nothing.
const rounds = 10

// comparison is a work beside its floor.
type comparison struct {
	name        string
	floor       func(b *testing.B, path string)
	install     func(b *testing.B) *installation
	most, least float64 // times the floor; times faster again
}

// measure runs floor, work and the same work again, with the file renamed.
func (c *comparison) measure(b *testing.B) {
	n := rows(b)
	path := filepath.Join(b.TempDir(), "floor.csv")
	writeCSV(b, path, n)
	floor, first, again := time.Hour, time.Hour, time.Hour
	for range b.N {
		for range rounds {
			in := c.install(b)
			floor = min(floor, elapsed(func() { c.floor(b, path) }))
			writeCSV(b, in.file("a.csv"), n)
			first = min(first, elapsed(func() { in.mustSettle(b, engine.Created, n) }))
			must(b, os.Rename(in.file("a.csv"), in.file("b.csv")))
			again = min(again, elapsed(func() { in.mustSettle(b, engine.Unchanged, n) }))
		}
	}
	perRow := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n) }
	b.ReportMetric(perRow(floor), "floor-ns/row")
	b.ReportMetric(perRow(first), "ns/row")
	b.ReportMetric(perRow(again), "again-ns/row")
	b.ReportMetric(0, "ns/op")
	judge("into "+c.name, perRow(first)/perRow(floor), c.most, "%.2f × floor", fmt.Sprintf("  (%.0f and %.0f ns a row)", perRow(first), perRow(floor)))
	judgeLeast("the same again, renamed", perRow(first)/perRow(again), c.least, "%.2f × faster", fmt.Sprintf("  (%.0f ns a row)", perRow(again)))
}

func elapsed(f func()) time.Duration {
	runtime.GC() // what others left is not ours
	begin := time.Now()
	f()
	return time.Since(begin)
}

// BenchmarkJSONL is the whole way into JSON Lines.
func BenchmarkJSONL(b *testing.B) {
	c := comparison{name: "JSONL", floor: scanFloor, most: 10, least: 1.5}
	c.install = func(b *testing.B) *installation {
		return install(b, layout{connector: jsonlConnector, resource: jsonlResource})
	}
	c.measure(b)
}

// BenchmarkSQLite is the whole way into SQLite.
func BenchmarkSQLite(b *testing.B) {
	c := comparison{name: "SQLite", floor: sqliteFloor, most: 1.8, least: 3}
	c.install = func(b *testing.B) *installation {
		in := install(b, layout{connector: sqliteConnector, resource: tableResource})
		must(b, makeSQLite(b, filepath.Join(in.dir, "erp.db")).Close())
		return in
	}
	c.measure(b)
}

// BenchmarkPostgres is the whole way into PostgreSQL.
func BenchmarkPostgres(b *testing.B) {
	server := pgtest.Start(b)
	orders := fmt.Sprintf(schema, "date")
	connector := fmt.Sprintf("  type = \"postgres\"\n  host = %q\n  user = \"headgate\"\n  database = \"postgres\"\n  sslmode = \"disable\"", server.Dir)
	c := comparison{name: "PostgreSQL", floor: postgresFloor(server), most: 1.5, least: 3}
	c.install = func(b *testing.B) *installation {
		server.Exec(b, "DROP TABLE IF EXISTS orders, floor", orders, strings.Replace(orders, "orders", "floor", 1))
		return install(b, layout{connector: connector, resource: tableResource})
	}
	c.measure(b)
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}
