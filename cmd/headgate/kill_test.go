package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors/postgres/pgtest"
)

// TestKillImport kills headgate at random moments of an import, again and again, and
// starts it again each time. In the end nothing is lost and nothing doubled: the
// destination, which itself would take a line twice, holds what it holds after an
// undisturbed run. HEADGATE_TEST_KILLS says how many kills must land inside an import.
func TestKillImport(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(testing.TB) *till{
		"sqlite": sqliteTill, "postgres": postgresTill, "jsonl": jsonlTill,
		"sqlite_append": sqliteTill, "postgres_append": postgresAppendTill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killImports(t, name, begin(t))
		})
	}
}

// till is a destination of lines.
type till struct {
	env   []string
	dsn   string                     // of a database
	empty func(o *operator)          // makes it, without a line
	lines func(o *operator) []string // all it holds, as soldText writes them
}

const linesToImport = 2000

// killImports imports the same lines again and again, killing the import, until
// enough kills have landed inside one.
func killImports(t *testing.T, name string, erp *till) {
	dice, kills := dice(t), times(t, "HEADGATE_TEST_KILLS", 4)
	if strings.HasSuffix(name, "_append") { // the same database once more, and only its lots are made another way
		kills = kills/4 + 1
	}
	sales := manySales(dice, linesToImport)
	calm := beginImport(t, name, erp, sales)
	began := time.Now()
	calm.ask([]int{exitOpen}, "run", "--once")
	took := time.Since(began)
	want := accountOf(calm, erp)
	accepted, stopped := accounted(sales)
	slices.Sort(accepted)
	if diff := cmp.Diff(accepted, want.Lines); diff != "" {
		t.Fatalf("the undisturbed run is wrong (- counted by hand, + delivered):\n%s", diff)
	}
	if diff := cmp.Diff(stopped, want.Stopped); diff != "" {
		t.Fatalf("the undisturbed run stops other lines (- counted by hand):\n%s", diff)
	}
	landed, imports, all := 0, 0, 0
	window := took / 2
	for ; landed < kills; imports++ {
		n, tried := killOneImport(t, dice, beginImport(t, name, erp, sales), erp, &window, want)
		landed, all = landed+n, all+tried
		if imports > 3*kills+10 {
			t.Fatalf("only %d of %d kills landed inside %d imports", landed, all, imports)
		}
	}
	t.Logf("%d of %d kills landed inside %d imports of %d lines, each of which took %s undisturbed", landed, all, imports, len(sales), took)
}

func beginImport(t testing.TB, name string, erp *till, sales []sale) *operator {
	o := &operator{TB: t, dir: t.TempDir(), env: erp.env}
	o.copy("testdata/retail/lines.hcl", "testdata/retail/"+name+".hcl")
	o.must(writeSales(o.path("in"), sales, 8))
	erp.empty(o)
	return o
}

// killOneImport brings one import to its end, killing it on the way. A kill has landed
// inside when something was settled since the last one, and not all.
func killOneImport(t *testing.T, dice *rand.Rand, o *operator, erp *till, window *time.Duration, want *account) (landed, kills int) {
	for read := int64(0); ; {
		p := o.start("run", "--once")
		if !p.killedAfter(time.Duration(dice.Int64N(int64(*window)))) {
			if p.code != exitOpen {
				t.Fatalf("the import left with %d:\n%s", p.code, p.told)
			}
			*window -= *window / 8
			break
		}
		kills++
		if _, err := os.Stat(o.path("state/headgate.db")); errors.Is(err, os.ErrNotExist) {
			*window += *window / 8
			continue
		}
		o.verify()
		if now := o.status().Flows[0].Read; now > read && now < linesToImport {
			landed, read = landed+1, now
		} else {
			*window += *window / 8 // too early: the machine is slower now
		}
	}
	o.verify()
	if diff := cmp.Diff(want, accountOf(o, erp)); diff != "" {
		t.Fatalf("after %d kills the end is another (- undisturbed, + killed):\n%s", kills, diff)
	}
	return landed, kills
}

// account is all that an import leaves for others to see.
type account struct {
	Lines      []string       // of the destination, in order
	Stopped    map[string]int // exceptions by rule
	Exceptions []string       // their ids, in order
	Outcomes   map[string]int64
	Left       []string // what an import must not leave behind
}

func accountOf(o *operator, erp *till) *account {
	o.Helper()
	a := &account{Lines: erp.lines(o), Stopped: make(map[string]int), Outcomes: o.status().Flows[0].Outcomes}
	slices.Sort(a.Lines)
	// What was written just before a kill is found, and unchanged.
	a.Outcomes["created"] += a.Outcomes["unchanged"]
	delete(a.Outcomes, "unchanged")
	seen := make(map[string]bool)
	for _, x := range o.exceptions() {
		if !seen[x.ID] { // one written again after a kill is one
			seen[x.ID] = true
			a.Exceptions = append(a.Exceptions, x.ID)
			a.Stopped[x.Reason.Rule]++
		}
	}
	slices.Sort(a.Exceptions)
	left, err := filepath.Glob(o.path("out/.*"))
	o.must(err)
	a.Left = left
	return a
}

func sqliteTill(testing.TB) *till {
	return &till{
		empty: func(o *operator) {
			db, err := sqlitedb.OpenConn(o.path("erp.db"))
			o.must(err)
			o.must(errors.Join(sqlitex.ExecuteScript(db, makeLines, nil), db.Close()))
		},
		lines: func(o *operator) (lines []string) {
			db, err := sqlitedb.OpenConn(o.path("erp.db"))
			o.must(err)
			o.must(errors.Join(sqlitex.ExecuteTransient(db, selectLines, &sqlitex.ExecOptions{ResultFunc: func(s *sqlitedb.Stmt) error {
				lines = append(lines, soldText(s.ColumnText(0), s.ColumnText(1), s.ColumnText(2), s.ColumnText(3), s.ColumnText(4), s.ColumnText(5), s.ColumnText(6), s.ColumnText(7)))
				return nil
			}}), db.Close()))
			return lines
		},
	}
}

// makeLines makes a table that takes a line twice: nothing but headgate keeps it single.
const makeLines = `
CREATE TABLE lines (invoice text, stock_code text, description text, quantity text, invoiced_at text, price text, customer text, amount text);
CREATE INDEX lines_by_invoice ON lines (invoice, stock_code);`

const selectLines = "SELECT invoice, stock_code, description, quantity, invoiced_at, price, customer, amount FROM lines"

func postgresTill(t testing.TB) *till { return postgresTillOf(pgtest.Start(t)) }

func postgresTillOf(server *pgtest.Server) *till {
	return &till{
		env: []string{"KILL_TEST_DSN=" + server.DSN()}, dsn: server.DSN(),
		empty: func(o *operator) { server.Exec(o, "DROP TABLE IF EXISTS lines", makeLines) },
		lines: func(o *operator) []string {
			ctx := context.Background()
			db, err := pgx.Connect(ctx, server.DSN())
			o.must(err)
			defer func() { o.must(db.Close(ctx)) }()
			rows, err := db.Query(ctx, selectLines)
			o.must(err)
			lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
				var c [8]string
				err := row.Scan(&c[0], &c[1], &c[2], &c[3], &c[4], &c[5], &c[6], &c[7])
				return soldText(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]), err
			})
			o.must(err)
			return lines
		},
	}
}

// postgresAppendTill has a column for references: lines know which they are.
func postgresAppendTill(t testing.TB) *till {
	server := pgtest.Start(t)
	erp := postgresTillOf(server)
	erp.empty = func(o *operator) {
		server.Exec(o, "DROP TABLE IF EXISTS lines", makeLines, "ALTER TABLE lines ADD COLUMN ref text", "CREATE INDEX lines_by_ref ON lines (ref)")
	}
	return erp
}

func jsonlTill(testing.TB) *till {
	return &till{
		empty: func(o *operator) { o.must(os.Mkdir(o.path("out"), 0o755)) },
		lines: func(o *operator) (lines []string) {
			names, err := filepath.Glob(o.path("out/*.jsonl"))
			o.must(err)
			for _, name := range names {
				text, err := os.ReadFile(name)
				o.must(err)
				for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
					var row map[string]any
					decoder.UseNumber()
					if err := decoder.Decode(&row); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						o.Fatalf("%s: %v", name, err)
					}
					at := func(column string) string { return fmt.Sprint(row[column]) }
					lines = append(lines, soldText(at("invoice"), at("stock_code"), at("description"), at("quantity"), at("invoiced_at"), at("price"), at("customer"), at("amount")))
				}
			}
			return lines
		},
	}
}
