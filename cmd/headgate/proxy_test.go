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

// badNetwork lies between headgate and a server.
type badNetwork struct {
	*operator
	*wire.Proxy
	faults int
	dice   *rand.Rand
}

// worsen puts a bad network before a server, given as net.Dial takes it.
func (o *operator) worsen(t *testing.T, network, server string) *badNetwork {
	n := &badNetwork{operator: o, dice: dice(t), faults: times(t, "HEADGATE_TEST_FAULTS", 20)}
	n.Proxy = wire.Start(t, wire.Seeded(n.dice.Uint64(), int64(n.faults)), network, server)
	return n
}

// beginBadNetwork puts one before a PostgreSQL.
func beginBadNetwork(t *testing.T, server *pgtest.Server, files ...string) *badNetwork {
	o := &operator{TB: t, dir: t.TempDir()}
	n := o.worsen(t, "unix", filepath.Join(server.Dir, ".s.PGSQL.5432"))
	o.env = []string{fmt.Sprintf("PROXY_TEST_DSN=host=127.0.0.1 port=%d user=headgate dbname=postgres sslmode=disable", n.Addr().Port)}
	o.copy(files...)
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
	server := pgtest.Start(t)
	n := beginBadNetwork(t, server, "testdata/retail/lines.hcl", "testdata/proxy/in.hcl")
	erp, sent := postgresTillOf(server), 0
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
	server := pgtest.Start(t)
	n := beginBadNetwork(t, server, "testdata/proxy/out.hcl")
	server.Exec(t, "CREATE TABLE items (no int PRIMARY KEY, text text)")
	n.must(os.Mkdir(n.path("out"), 0o755))
	const items = 1000 // a portion
	var want, got []string
	n.through(exitOK, func(portion int) {
		server.Exec(t, fmt.Sprintf("INSERT INTO items SELECT n, 'item ' || n FROM generate_series(%d, %d) n", portion*items+1, (portion+1)*items))
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

// TestProxyHTTP: files into an API that stores an order twice when it is sent twice,
// in each of the ways that leave nobody in doubt.
func TestProxyHTTP(t *testing.T) {
	t.Parallel()
	for way, args := range map[string][]string{"lookup": {"-lag", "50ms"}, "key": {"-window", "24h"}} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			o := &operator{TB: t, dir: t.TempDir()}
			a := o.startAPI(args...)
			n := o.worsen(t, "tcp", a.address)
			o.ruleAPI(way, n.Addr().String())
			const portion = 50
			orders := 0
			n.through(exitOK, func(int) {
				o.orderFile(orders, portion)
				orders += portion
			})
			o.checkOrders(a, way, orders)
		})
	}
}
