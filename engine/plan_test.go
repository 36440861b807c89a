package engine_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors"
	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

// fixedClock stands still, and waits for nothing.
type fixedClock struct{}

func (fixedClock) Now() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }

func (fixedClock) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// world is an installation between a directory of CSV files and a SQLite table.
type world struct {
	t   rapid.TB
	dir string
	hcl string
}

const systems = `
connector "shop" {
  type = "files"
  dir  = "in"
  resource "items" {
    entity = entity.item
    glob   = "*.csv"
    csv {
    }
  }
}
connector "erp" {
  type = "sqlite"
  path = "erp.db"
  resource "items" {
    entity = entity.item
    table  = "items"
  }
}
entity "item" {
  key   = [sku]
  owner = connector.shop
%s
  field "sku" {
    type = string
  }
  field "qty" {
    type = int
  }
  field "price" {
    type     = decimal
    optional = true
  }
  field "note" {
    type     = string
    optional = true
    owner    = connector.erp
  }
%s
}
flow "items" {
  from = connector.shop.items
  to   = connector.erp.items
  mode = live
  %s
  batch {
    size = %d
  }
  guard {
    rejects = "100%%"
  }
}
`

func newWorld(t rapid.TB, hcl string) *world {
	dir, err := os.MkdirTemp("", "world")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, dir, hcl}
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.sql("CREATE TABLE items (sku TEXT PRIMARY KEY, qty INTEGER CHECK (qty <> 13), price NUMERIC, note TEXT)")
	return w
}

func (w *world) remove() { _ = os.RemoveAll(w.dir) }

func (w *world) sql(statement string) string {
	db, err := sqlitedb.OpenConn(filepath.Join(w.dir, "erp.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var rows []string
	err = sqlitex.ExecuteTransient(db, statement, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlitedb.Stmt) error {
		var cells []string
		for i := range stmt.ColumnCount() {
			cells = append(cells, stmt.ColumnText(i))
		}
		rows = append(rows, strings.Join(cells, "|"))
		return nil
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(rows, "\n")
}

func (w *world) drop(name, content string) {
	if err := os.WriteFile(filepath.Join(w.dir, "in", name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// with opens everything, calls f, and closes it.
func (w *world) with(f func(*engine.Engine, *state.DB)) {
	set, diags := load.Load(w.dir, []load.File{{Name: "x.hcl", Bytes: []byte(w.hcl)}}, builtin.Kinds())
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	db, err := state.Open(filepath.Join(w.dir, "state"), fixedClock{}.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	log, err := exceptions.Open(filepath.Join(w.dir, "state", "exceptions"))
	if err != nil {
		w.t.Fatal(err)
	}
	e := engine.New(engine.Config{Ruleset: set, State: db, Exceptions: log, Clock: fixedClock{}, Open: func(c *rules.Connector) (connectors.Connector, error) {
		for _, k := range builtin.Kinds() {
			if k.Name == c.Type {
				return k.Open(c.Settings, connectors.Tools{Now: fixedClock{}.Now, Dir: w.dir})
			}
		}
		return nil, fmt.Errorf("no kind %s", c.Type)
	}})
	f(e, db)
	for _, c := range []interface{ Close() error }{e, log, db} {
		if err := c.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// run runs the flow once and verifies the state.
func (w *world) run() (s engine.Summary) {
	w.with(func(e *engine.Engine, db *state.DB) {
		all, err := e.RunOnce(context.Background(), engine.RunOptions{})
		if err != nil || all[0].Err != nil {
			w.t.Fatal(err, all)
		}
		s = all[0]
		if s.Counts.Sum() != s.Read {
			w.t.Fatalf("%d read and %d outcomes", s.Read, s.Counts.Sum())
		}
		w.verify(db)
	})
	return s
}

func (w *world) verify(db *state.DB) {
	open, damaged, err := exceptions.Current(filepath.Join(w.dir, "state", "exceptions"))
	if err != nil || len(damaged) > 0 {
		w.t.Fatal(err, damaged)
	}
	ids := make(map[string]bool)
	for _, x := range open {
		ids[x.ID] = true
	}
	l, err := db.Ledger("items", "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	report, err := engine.Verify("items", l, ids)
	if err != nil || len(report.Violations) > 0 || len(report.Notes) > 0 {
		w.t.Fatal(err, report)
	}
}

func (w *world) plan() (p *engine.Plan) {
	w.with(func(e *engine.Engine, _ *state.DB) {
		var err error
		if p, err = e.Plan(context.Background(), "items", engine.PlanOptions{}); err != nil {
			w.t.Fatal(err)
		}
	})
	return p
}

// TestPlanEqualsRun: over generated rulesets, files and destinations, a plan before a
// run and the run agree on every record and every count, a plan writes nothing, the
// state verifies after every run, and a run with nothing new writes nothing. Only
// what the destination itself refuses may differ.
func TestPlanEqualsRun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, generateRuleset(t))
		defer w.remove()
		if rapid.Bool().Draw(t, "filled") {
			w.sql("INSERT INTO items VALUES ('K1', 1, 1.5, 'mine'), ('K2', 2, NULL, NULL)")
		}
		for pass := range rapid.IntRange(1, 3).Draw(t, "passes") {
			for f := range rapid.IntRange(1, 2).Draw(t, "files") {
				w.drop(fmt.Sprintf("%d-%d.csv", rapid.IntRange(0, 3).Draw(t, "name"), pass*2+f), generateCSV(t))
			}
			before, told := w.rows(), w.told()
			plan := w.plan()
			if after := w.rows(); !maps.Equal(after, before) {
				t.Fatalf("the plan wrote:\n%v\nbefore:\n%v", after, before)
			}
			s := w.run()
			refused := carryOut(t, plan, before)
			if len(refused) == 0 && (plan.Counts != s.Counts || plan.Read != s.Read) {
				t.Fatalf("planned %v of %d, done %v of %d", plan.Counts, plan.Read, s.Counts, s.Read)
			}
			compareRecords(t, before, w.rows(), refused)
			compareStops(t, plan, w.told()[len(told):], refused)
		}
		settled := w.sql("SELECT * FROM items ORDER BY sku")
		if s := w.run(); s.Counts[engine.Created]+s.Counts[engine.Updated] > 0 {
			t.Fatalf("a run with nothing new wrote: %v", s.Counts)
		}
		if again := w.sql("SELECT * FROM items ORDER BY sku"); again != settled {
			t.Fatalf("a run with nothing new changed:\n%s\nto:\n%s", settled, again)
		}
	})
}

func generateRuleset(t *rapid.T) string {
	rule := rapid.SampledFrom([]string{"", "qty > 0", "price == nil or price * 2 <= qty", "qty in [1, 2, 3, 13]", "price > 1", "sku != 'K3'"}).Draw(t, "rule")
	onFail := rapid.SampledFrom([]string{"reject", "hold", "warn"}).Draw(t, "on_fail")
	block := ""
	if rule != "" {
		block = fmt.Sprintf("  rule \"one\" {\n    check   = %q\n    on_fail = %s\n  }\n", rule, onFail)
	}
	flow := rapid.SampledFrom([]string{"", "filter = \"qty != 7\"", "on_duplicate = first", "on_duplicate = reject", "update = false", "create = false"}).Draw(t, "flow")
	version := rapid.SampledFrom([]string{"", "  version = qty"}).Draw(t, "version")
	return fmt.Sprintf(systems, version, block, flow, rapid.IntRange(1, 5).Draw(t, "size"))
}

func generateCSV(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("sku,qty,price,note\n")
	for range rapid.IntRange(0, 8).Draw(t, "rows") {
		b.WriteString(strings.Join([]string{
			rapid.SampledFrom([]string{"K1", "K2", "K3", "K4", ""}).Draw(t, "sku"),
			rapid.SampledFrom([]string{"1", "2", "7", "13", "x", "", "-4"}).Draw(t, "qty"),
			rapid.SampledFrom([]string{"", "1.5", "1.50", "0.1", "12"}).Draw(t, "price"),
			rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "note"),
		}, ","))
		b.WriteString(rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n", ",extra\n"}).Draw(t, "end"))
	}
	return b.String()
}

// stored is a row of the table: qty, price, note, as texts.
type stored [3]string

// unlucky is the quantity that the table itself refuses.
const unlucky = "13"

// rows are the rows of the table, by key.
func (w *world) rows() map[string]stored {
	rows := make(map[string]stored)
	for _, line := range strings.Fields(w.sql("SELECT sku, ifnull(qty, '-'), ifnull(price, '-'), ifnull(note, '-') FROM items")) {
		cells := strings.Split(line, "|")
		rows[cells[0]] = stored(cells[1:])
	}
	return rows
}

// told are the exceptions written so far, each time one was: key, outcome and code.
func (w *world) told() (lines []string) {
	for x, err := range exceptions.Read(filepath.Join(w.dir, "state", "exceptions")) {
		if err != nil {
			w.t.Fatal(err)
		}
		if x.Closed == "" {
			lines = append(lines, fmt.Sprintf("%s %s %s", x.Key, x.Outcome, x.Reason.Code))
		}
	}
	return lines
}

// carryOut does to rows what the plan says, record by record, and returns the keys
// that the table refused: nothing is compared of them, since a plan cannot know.
func carryOut(t *rapid.T, plan *engine.Plan, rows map[string]stored) map[string]bool {
	refused := make(map[string]bool)
	for _, item := range plan.Items {
		row, there := rows[item.Key]
		switch {
		case item.Outcome == engine.Created && there:
			t.Fatalf("%s is planned to be created, and is there: %v", item.Key, row)
		case item.Outcome == engine.Updated && !there && !refused[item.Key]:
			t.Fatalf("%s is planned to be updated, and is not there", item.Key)
		case item.Outcome == engine.Created:
			row = stored{"-", "-", "-"}
		case item.Outcome != engine.Updated:
			continue
		}
		for _, c := range item.Changes {
			if at := slices.Index([]string{"qty", "price", "note"}, c.Column); at >= 0 && !c.Kept {
				row[at] = "-"
				if !c.New.Missing() {
					row[at] = plainText(c.New)
				}
			}
		}
		if row[0] == unlucky {
			refused[item.Key] = true
		}
		rows[item.Key] = row
	}
	return refused
}

// plainText is a value as SQLite gives it back: 1.50 is 1.5 there.
func plainText(v record.Value) string {
	if v.Kind() == record.Decimal {
		return v.Number().Reduce().String()
	}
	return v.Text()
}

func compareRecords(t *rapid.T, planned, done map[string]stored, refused map[string]bool) {
	for key := range refused {
		delete(planned, key)
		delete(done, key)
	}
	if !maps.Equal(planned, done) {
		t.Fatalf("planned:\n%v\ndone:\n%v", planned, done)
	}
}

// compareStops compares, record by record, what was stopped and why.
func compareStops(t *rapid.T, plan *engine.Plan, told []string, refused map[string]bool) {
	var planned []string
	for _, item := range plan.Items {
		if item.Outcome.Open() {
			planned = append(planned, fmt.Sprintf("%s %s %s", item.Key, item.Outcome, item.Failures[0].Code))
		}
	}
	other := func(line string) bool {
		key, _, _ := strings.Cut(line, " ")
		return refused[key]
	}
	planned, told = slices.DeleteFunc(planned, other), slices.DeleteFunc(told, other)
	slices.Sort(planned)
	slices.Sort(told)
	if !slices.Equal(planned, told) {
		t.Fatalf("planned to stop:\n%v\nstopped:\n%v", planned, told)
	}
}
