package bench

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

const batchSize = 1000

// rows is how many rows each work has.
func rows(b *testing.B) int {
	text := os.Getenv("HEADGATE_BENCH_ROWS")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// writeCSV writes n rows of ten columns, keys in order, about 90 bytes each.
func writeCSV(b *testing.B, path string, n int) {
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, strings.Join(columns, ","))
	for i := range n {
		fmt.Fprintln(w, strings.Join(row(i), ","))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

var columns = []string{"no", "day", "customer", "sku", "qty", "price", "total", "status", "region", "note"}

// row is the i-th row.
func row(i int) []string {
	qty, cents := i%9+1, 100+i%900
	money := func(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
	return []string{
		fmt.Sprintf("A-%09d", i), fmt.Sprintf("2026-11-%02d", i%28+1), fmt.Sprintf("C-%05d", i%5000), fmt.Sprintf("1%04d", i%10000),
		fmt.Sprint(qty), money(cents), money(qty * cents), "open", fmt.Sprintf("R%02d", i%40), fmt.Sprintf("some text here %02d and more", i%100),
	}
}

const schema = `CREATE TABLE orders (no text PRIMARY KEY, day %s, customer_no text, article text, qty integer, price numeric, amount numeric, status text, region text, note text)`

// What stands in places of the ruleset.
const (
	jsonlConnector  = "  type = \"files\"\n  dir  = \"out\""
	jsonlResource   = "    file = \"o-%Y%m%dT%H%M%S.jsonl\"\n    jsonl {\n    }"
	sqliteConnector = "  type = \"sqlite\"\n  path = \"erp.db\""
	tableResource   = "    table = \"orders\""
)

// csvSource is where rows come from unless something else is said.
const csvSource = `  type = "files"
  dir  = "in"
  resource "orders" {
    entity = entity.order
    glob   = "*.csv"
    settle = "0s"
    csv {
    }
  }`

// layout is what stands in the places of the ruleset.
type layout struct {
	source              string // the connector of the rows; "": csvSource
	connector, resource string
	write               string // more columns
	batch               string // "": of a thousand
}

// ruleset is two rules, one exact product and three renames.
const ruleset = `
connector "shop" {
%s
}
connector "erp" {
%s
  resource "orders" {
    entity = entity.order
%s
    write = {
%s      customer_no = "customer"
      article     = "sku"
      amount      = "total"
    }
  }
}
entity "order" {
  key   = [no]
  owner = connector.shop
%s
  rule "total" {
    check = "total == qty * price"
  }
  rule "status" {
    check = "status in ['open', 'paid'] and qty > 0"
  }
}
flow "orders" {
  from = connector.shop.orders
  to   = connector.erp.orders
  mode = live
  batch {
%s
  }
}
`

func fields() string {
	var b strings.Builder
	for _, f := range []string{"no string", "day date", "customer string", "sku string", "qty int", "price decimal", "total decimal", "status string", "region string", "note string"} {
		name, kind, _ := strings.Cut(f, " ")
		fmt.Fprintf(&b, "  field %q {\n    type = %s\n  }\n", name, kind)
	}
	return b.String()
}

// installation is a headgate with its own directory.
type installation struct {
	dir string
	set *rules.Ruleset
}

func install(b *testing.B, l layout) *installation {
	dir := b.TempDir()
	for _, sub := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if l.batch == "" {
		l.batch = "size = 1000"
	}
	text := load.Format(fmt.Appendf(nil, ruleset, cmp.Or(l.source, csvSource), l.connector, l.resource, l.write, fields(), l.batch))
	must(b, os.WriteFile(filepath.Join(dir, "bench.hcl"), text, 0o644))
	set, diags := load.Load(dir, []load.File{{Name: "bench.hcl", Bytes: text}}, builtin.Kinds())
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	return &installation{dir, set}
}

// file is a file the flow reads.
func (in *installation) file(name string) string { return filepath.Join(in.dir, "in", name) }

type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run runs all flows once and returns what the only one did.
func (in *installation) run(b *testing.B) engine.Summary {
	db, err := state.Open(filepath.Join(in.dir, "state"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	log, err := exceptions.Open(filepath.Join(in.dir, "state", "exceptions"))
	if err != nil {
		b.Fatal(err)
	}
	e := engine.New(engine.Config{Ruleset: in.set, State: db, Exceptions: log, Clock: clock{}, Open: func(c *rules.Connector) (connectors.Connector, error) {
		for _, k := range builtin.Kinds() {
			if k.Name == c.Type {
				return k.Open(c.Settings, connectors.Tools{
					Now: time.Now, Dir: in.dir, Timeout: c.Timeout,
					Wait: func(ctx context.Context) error { return ctx.Err() },
				})
			}
		}
		return nil, fmt.Errorf("no kind %s", c.Type)
	}})
	summaries, err := e.RunOnce(context.Background(), engine.RunOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for _, closer := range []interface{ Close() error }{e, log, db} {
		if err := closer.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if summaries[0].Err != nil || summaries[0].Paused != "" {
		b.Fatal(summaries[0].Err, summaries[0].Paused)
	}
	return summaries[0]
}

// mustSettle runs all flows once, which must make n records end as outcome.
func (in *installation) mustSettle(b *testing.B, outcome engine.Outcome, n int) {
	if s := in.run(b); s.Counts[outcome] != int64(n) {
		b.Fatalf("%s %d of %d: %v", outcome, s.Counts[outcome], n, s.Counts)
	}
}

func makeSQLite(b *testing.B, path string) *sqlitedb.Conn {
	db, err := sqlitedb.OpenConn(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := sqlitex.ExecuteTransient(db, fmt.Sprintf(schema, "text"), nil); err != nil {
		b.Fatal(err)
	}
	return db
}
