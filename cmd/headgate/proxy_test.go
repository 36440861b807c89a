package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"headgate/connectors/connectortest/wire"
	"headgate/connectors/postgres/pgtest"
)

// The tests here put a network that fails between headgate and a server, one fault a
// connection, and run headgate until all faults are over. In the end everything is
// there exactly once, whatever an answer that was lost had been about.
// HEADGATE_TEST_FAULTS says how many connections go wrong.

// badNetwork lies between headgate and a PostgreSQL.
type badNetwork struct {
	*operator
	*wire.Proxy
	server *pgtest.Server
	faults int
	dice   *rand.Rand
}

func beginBadNetwork(t *testing.T, files ...string) *badNetwork {
	n := &badNetwork{server: pgtest.Start(t), dice: dice(t), faults: times(t, "HEADGATE_TEST_FAULTS", 20)}
	n.Proxy = wire.Start(t, wire.Seeded(n.dice.Uint64(), int64(n.faults)), "unix", filepath.Join(n.server.Dir, ".s.PGSQL.5432"))
	dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=headgate dbname=postgres sslmode=disable", n.Addr().Port)
	n.operator = &operator{TB: t, dir: t.TempDir(), env: []string{"PROXY_TEST_DSN=" + dsn}}
	n.copy(files...)
	return n
}

// through runs the flow, audits the state, and gives it more to do when it has done
// all, until the faults are over and everything is done.
func (n *badNetwork) through(done int, more func(portion int)) {
	n.Helper()
	more(0)
	for portion, runs := 0, 1; ; runs++ {
		r := n.start("run", "--once")
		<-r.ended
		n.verify()
		switch {
		case r.code != done && r.code != exitFailed || runs > 3*n.faults+10:
			n.Fatalf("run %d left with %d after %s:\n%s", runs, r.code, n.Proxy, r.told)
		case r.code == done && n.Connections() > int64(n.faults):
			n.Logf("%d runs, %d portions, %s", runs, portion+1, n.Proxy)
			return
		case r.code == done:
			portion++
			more(portion)
		}
	}
}

// TestProxyPostgresIn: files into a table that itself would take a line twice.
func TestProxyPostgresIn(t *testing.T) {
	t.Parallel()
	n := beginBadNetwork(t, "testdata/retail/lines.hcl", "testdata/proxy/in.hcl")
	erp, sent := postgresTillOf(n.server), 0
	erp.empty(n.operator)
	const lines = 300 // a portion
	sales := manySales(n.dice, (3*n.faults+10)*lines)
	n.through(exitOpen, func(portion int) {
		text := salesHeader + "\n"
		for _, s := range sales[sent : sent+lines] {
			text += s.csv() + "\n"
		}
		n.write(fmt.Sprintf("in/%04d.csv", portion), []byte(text))
		sent += lines
	})
	want, _ := accounted(sales[:sent])
	slices.Sort(want)
	got := erp.lines(n.operator)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table has not what it should (- counted by hand, + there):\n%s", diff)
	}
}

// TestProxyPostgresOut: a table into files.
func TestProxyPostgresOut(t *testing.T) {
	t.Parallel()
	n := beginBadNetwork(t, "testdata/proxy/out.hcl")
	n.server.Exec(t, "CREATE TABLE items (no int PRIMARY KEY, text text)")
	n.must(os.Mkdir(n.path("out"), 0o755))
	const items = 1000 // a portion
	var want, got []string
	n.through(exitOK, func(portion int) {
		n.server.Exec(t, fmt.Sprintf("INSERT INTO items SELECT n, 'item ' || n FROM generate_series(%d, %d) n", portion*items+1, (portion+1)*items))
		for no := portion*items + 1; no <= (portion+1)*items; no++ {
			want = append(want, fmt.Sprintf("%d item %d", no, no))
		}
	})
	names, err := filepath.Glob(n.path("out/*.jsonl"))
	n.must(err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		n.must(err)
		for line := range bytes.Lines(text) {
			var row struct {
				No   int
				Text string
			}
			n.must(json.Unmarshal(line, &row))
			got = append(got, fmt.Sprint(row.No, " ", row.Text))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the files have not what they should (- the table, + the files):\n%s", diff)
	}
	if left, _ := filepath.Glob(n.path("out/.*")); len(left) > 0 {
		t.Errorf("left behind: %s", strings.Join(left, ", "))
	}
}
