package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/builtin"
	"headgate/connectors/connectortest"
	"headgate/connectors/files"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

// clock is moved by the test, and by those who wait.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.move(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// desk is an installation whose systems, "shop" and "erp", live in memory. Its
// state, exception log and ruleset are real.
type desk struct {
	t                     testing.TB
	dir                   string
	clock                 *clock
	shop, erp             *memory.Store
	orders, sales         *memory.Table // the shop's and the ERP's
	customers             *memory.Table // the shop's
	shopFaults, erpFaults *connectortest.Faults
	text                  rulesetText
	notify                func(engine.Event) // told what the engine tells; nil: nobody
	jitter                func(time.Duration) time.Duration
	notes                 engine.Notes // of what is handled; nil: none
}

// rulesetText is what a test writes into the desk's ruleset.
type rulesetText struct {
	entity   string // in the entity
	status   string // in its field status
	customer string // in its field customer
	shop     string // in the shop's resource
	erp      string // in the ERP's resource
	system   string // in the ERP's connector
	jsonl    bool   // the ERP takes files, not rows of a table
	flow     string // in the flow
	size     int    // of a batch
	whole    string // instead of all that
	batch    string // more of the flow's batch block
	mode     string
	more     string // beside all that
}

const deskRuleset = `
connector "shop" {
  type = "shop"
  retry {
    attempts = 3
    backoff  = "1s"
  }
  resource "orders" {
    entity = entity.order
    table  = "orders"
%s
  }
}
connector "erp" {
  type = "erp"
%s
  retry {
    attempts = 3
    backoff  = "1s"
  }
  resource "orders" {
    entity = entity.order
%s
%s
  }
}
connector "crm" {
  type = "shop"
  resource "customers" {
    entity = entity.customer
    table  = "customers"
    id     = "row.id"
  }
}
entity "customer" {
  key   = [name]
  owner = connector.crm
  field "name" {
    type = string
  }
}
entity "order" {
  key   = [no]
  owner = connector.shop
  field "no" {
    type = string
  }
  field "qty" {
    type = int
  }
  field "customer" {
    type     = string
    optional = true
%s
  }
  field "status" {
    type     = string
    optional = true
%s
  }
%s
}
flow "orders" {
  from = connector.shop.orders
  to   = connector.erp.orders
  mode = %s
  batch {
    size = %d
%s
  }
%s
}
%s
`

func newDesk(t testing.TB, text rulesetText) *desk {
	d := &desk{
		t: t, dir: t.TempDir(), text: text,
		clock: &clock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)},
		shop:  memory.New(), erp: memory.New(),
		shopFaults: &connectortest.Faults{}, erpFaults: &connectortest.Faults{},
	}
	d.orders = d.shop.Create("orders", "no", "qty", "customer", "status")
	d.sales = d.erp.Create("sales", "no", "qty", "customer", "status", "id")
	if err := os.Mkdir(filepath.Join(d.dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.customers = d.shop.Create("customers", "name", "id")
	return d
}

// cells makes values of what a test writes.
func cells(values ...any) []record.Value {
	row := make([]record.Value, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			row[i] = record.NullValue()
		case string:
			row[i] = record.StringValue(v)
		case int:
			row[i] = record.IntValue(int64(v))
		default:
			panic(fmt.Sprintf("%T", v))
		}
	}
	return row
}

// order puts one order into the shop: no, qty, customer, status.
func (d *desk) order(values ...any) { d.orders.Insert(cells(values...)...) }

// put adds a row to a table of the ERP.
func (d *desk) put(table *memory.Table, values ...any) { table.Insert(cells(values...)...) }

// sold is what the ERP has, a row a line, sorted.
func (d *desk) sold() string {
	if d.text.jsonl {
		return d.published()
	}
	return tableText(d.sales)
}

// published is what the files that the ERP was given hold, a line a record, sorted.
func (d *desk) published() string {
	d.t.Helper()
	names, err := filepath.Glob(filepath.Join(d.dir, "out", "*.jsonl"))
	if err != nil {
		d.t.Fatal(err)
	}
	var lines []string
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			d.t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(content)), "\n")...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func tableText(table *memory.Table) string {
	var lines []string
	for _, row := range table.Rows() {
		var texts []string
		for _, v := range row {
			text := v.Text()
			if v.Missing() {
				text = "-"
			}
			texts = append(texts, text)
		}
		lines = append(lines, strings.Join(texts, " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (d *desk) kinds() []connectors.Kind {
	named := func(name string, store *memory.Store, faults *connectortest.Faults) connectors.Kind {
		k := memory.Kind(store)
		k.Name = name
		return connectortest.Faulty(k, faults)
	}
	erp := named("erp", d.erp, d.erpFaults)
	if d.text.jsonl {
		k := files.Kind()
		k.Name = "erp"
		erp = connectortest.Faulty(k, d.erpFaults)
	}
	return append(builtin.Kinds(), named("shop", d.shop, d.shopFaults), erp)
}

// hcl is the ruleset as text.
func (d *desk) hcl() string {
	x := d.text
	if x.whole != "" {
		return x.whole
	}
	return fmt.Sprintf(deskRuleset, x.shop, map[bool]string{true: `  dir = "out"`}[x.jsonl]+x.system, d.table(), x.erp, x.customer, x.status, x.entity, or(x.mode, "live"), max(x.size, 1), x.batch, x.flow, x.more)
}

func (d *desk) ruleset() *rules.Ruleset {
	d.t.Helper()
	hcl := d.hcl()
	set, diags := load.Load(d.dir, []load.File{{Name: "x.hcl", Bytes: []byte(hcl)}}, d.kinds())
	if diags.HasErrors() {
		for _, x := range diags {
			d.t.Error(x)
		}
		d.t.FailNow()
	}
	return set
}

// table is where the ERP keeps the orders.
func (d *desk) table() string {
	if d.text.jsonl {
		return "file = \"sales-%Y%m%d.jsonl\"\n jsonl {\n }"
	}
	return "table = \"sales\""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// with opens everything, calls f, and closes it.
func (d *desk) with(f func(*engine.Engine, *state.DB)) {
	d.t.Helper()
	db, err := state.Open(filepath.Join(d.dir, "state"), d.clock.Now)
	if err != nil {
		d.t.Fatal(err)
	}
	log, err := exceptions.Open(d.logDir())
	if err != nil {
		d.t.Fatal(err)
	}
	kinds := d.kinds()
	e := engine.New(engine.Config{Notify: d.notify, Notes: d.notes, Jitter: d.jitter, Ruleset: d.ruleset(), State: db, Exceptions: log, Clock: d.clock, Open: func(c *rules.Connector) (connectors.Connector, error) {
		i := slices.IndexFunc(kinds, func(k connectors.Kind) bool { return k.Name == c.Type })
		return kinds[i].Open(c.Settings, connectors.Tools{Now: d.clock.Now, Dir: d.dir})
	}})
	f(e, db)
	for _, c := range []interface{ Close() error }{e, log, db} {
		if err := c.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) logDir() string { return filepath.Join(d.dir, "state", "exceptions") }

// try runs the flow once; it may fail. Nothing may be unaccounted for after it.
func (d *desk) try(options engine.RunOptions) (s engine.Summary) {
	d.t.Helper()
	d.with(func(e *engine.Engine, db *state.DB) {
		all, err := e.RunOnce(context.Background(), options)
		if err != nil {
			d.t.Fatal(err)
		}
		s = all[0]
		if s.Counts.Sum() != s.Read {
			d.t.Errorf("%d read and outcomes %v", s.Read, s.Counts)
		}
		d.verify(db)
	})
	return s
}

// run runs the flow once, which must succeed, and returns what became of the records.
func (d *desk) run() string {
	d.t.Helper()
	s := d.try(engine.RunOptions{})
	if s.Err != nil {
		d.t.Fatal(s.Err)
	}
	return countsText(s)
}

// countsText is what a run did: "2 created, 1 rejected".
func countsText(s engine.Summary) string {
	var texts []string
	for o, n := range s.Counts {
		if n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, engine.Outcome(o)))
		}
	}
	if s.Paused != "" {
		texts = append(texts, "paused: "+s.Paused)
	}
	return strings.Join(texts, ", ")
}

func (d *desk) verify(db *state.DB) {
	d.t.Helper()
	open, damaged, err := exceptions.Current(d.logDir())
	if err != nil || len(damaged) > 0 {
		d.t.Fatal(err, damaged)
	}
	ids := make(map[string]bool)
	for _, x := range open {
		ids[x.ID] = true
	}
	names, err := db.Ledgers()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		l, err := db.Ledger(name, "", "")
		if err != nil {
			d.t.Fatal(err)
		}
		report, err := engine.Verify(name, l, ids)
		if err != nil || len(report.Violations) > 0 {
			d.t.Error(err, report)
		}
	}
}

// open are the exceptions that wait: "A-1 rejected rule", in the order of the keys.
func (d *desk) open() string {
	d.t.Helper()
	all, _, err := exceptions.Current(d.logDir())
	if err != nil {
		d.t.Fatal(err)
	}
	var texts []string
	for _, x := range all {
		texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", x.Key, x.Outcome, x.Reason.Code, x.Reason.Rule)))
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

// told is how often the log tells of the record with the key, and what.
func (d *desk) told(key string) (lines []string) {
	d.t.Helper()
	for x, err := range exceptions.Read(d.logDir()) {
		if err != nil {
			d.t.Fatal(err)
		}
		if x.Key == key {
			lines = append(lines, strings.TrimSpace(x.Outcome.String()+" "+x.Closed))
		}
	}
	return lines
}

func (d *desk) plan(options engine.PlanOptions) (p *engine.Plan) {
	d.t.Helper()
	d.with(func(e *engine.Engine, _ *state.DB) {
		var err error
		if p, err = e.Plan(context.Background(), "orders", options); err != nil {
			d.t.Fatal(err)
		}
	})
	return p
}

// plans plans a flow by its name.
func (d *desk) plans(flow string, p **engine.Plan) {
	d.t.Helper()
	d.with(func(e *engine.Engine, _ *state.DB) {
		var err error
		if *p, err = e.Plan(context.Background(), flow, engine.PlanOptions{}); err != nil {
			d.t.Fatal(err)
		}
	})
}

func (d *desk) want(what, got, want string) {
	d.t.Helper()
	if got != want {
		d.t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}
