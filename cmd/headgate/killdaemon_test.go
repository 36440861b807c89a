package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headgate/engine/control"
)

// market is a shop and an ERP, both at work while a daemon is killed between them.
type market struct {
	*operator
	dice   *rand.Rand
	orders int // that the shop has sent
	files  int
}

func beginMarket(t testing.TB, dice *rand.Rand) *market {
	m := &market{operator: &operator{TB: t, dir: t.TempDir()}, dice: dice}
	m.must(os.Mkdir(m.path("shop"), 0o755))
	script, err := os.ReadFile("testdata/market/erp.sql")
	m.must(err)
	m.sql(string(script))
	m.lay("strict", strictly)
	m.lay("mended", "abs(total - round(qty * price, 2)) <= 0.01")
	m.adopt("strict")
	return m
}

// strictly is what the ruleset demands of a total.
const strictly = "total == round(qty * price, 2)"

// lay writes the ruleset beside where rules leads, demanding something else of a total.
func (m *market) lay(variant, demanded string) {
	names, err := filepath.Glob("testdata/market/*.hcl")
	m.must(err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		m.must(err)
		m.write(variant+".d/"+filepath.Base(name), bytes.ReplaceAll(text, []byte(strictly), []byte(demanded)))
	}
}

// adopt puts one of the rulesets in force, all its files at once.
func (m *market) adopt(variant string) {
	m.must(os.Symlink(variant+".d", m.path("next")))
	m.must(os.Rename(m.path("next"), m.path("rules")))
}

// What an order is for: its number says what is wrong with it.
const (
	offByACent = iota // rejected, until the rule is mended
	unknown           // held, until the ERP knows the customer
	negative          // rejected
	blocked           // refused by the ERP
	altered           // delivered, and ordered otherwise in the next file
	kinds      = 10   // the others are good
)

// send lets the shop send new orders in a file, and some of them twice; before them,
// what was wrong with those of the last file is put right, so that few wait at a time.
func (m *market) send() {
	var text strings.Builder
	text.WriteString("Order No;Date;Customer No;SKU;Qty;Price;Total;E-Mail\n")
	rows := 0
	for i := m.orders - min(m.orders, ordersAtOnce); i < m.orders; i++ {
		if kind := i % kinds; kind == altered {
			fmt.Fprintf(&text, "A-%06d;02.11.2026;C-7;10100;3;12,50;37,50;a@example.com\n", i)
			rows++
		} else if kind == negative || kind == blocked {
			fmt.Fprintf(&text, "A-%06d;02.11.2026;C-7;10100;2;12,50;25,00;a@example.com\n", i)
			rows++
		}
	}
	m.know()
	m.files++
	for i := m.orders; i < m.orders+ordersAtOnce; i++ {
		customer, sku, qty, total := "C-7", "10100", "2", "25,00"
		switch i % kinds {
		case offByACent:
			total = "25,01"
		case unknown:
			customer = fmt.Sprintf("N-%d", m.files)
		case negative:
			qty, total = "-2", "-25,00"
		case blocked:
			sku = "10500"
		}
		line := fmt.Sprintf("A-%06d;02.11.2026;%s;%s;%s;12,50;%s;a@example.com\n", i, customer, sku, qty, total)
		times := 1 + i%7/6
		text.WriteString(strings.Repeat(line, times))
		rows += times
	}
	fmt.Fprintf(&text, "END;%d\n", rows)
	m.orders += ordersAtOnce
	m.write("next.part", []byte(text.String()))
	m.must(os.Rename(m.path("next.part"), m.file(m.files)))
	_ = os.Remove(m.file(m.files - filesKept)) // there may be none yet
}

// filesKept is how many of its last files the shop leaves where they are: long runs
// would look at all of them ever anew.
const filesKept = 20

func (m *market) file(n int) string { return m.path(fmt.Sprintf("shop/orders-%05d.csv", n)) }

// know lets the ERP know the customer whom the orders of the last file name.
func (m *market) know() {
	m.sql(fmt.Sprintf("PRAGMA busy_timeout = 60000; INSERT OR IGNORE INTO customers VALUES (%d, 'N-%d', 'New');", 1000+m.files, m.files))
}

// work lets the ERP go on with some of its orders.
func (m *market) work() {
	m.sql(fmt.Sprintf("PRAGMA busy_timeout = 60000; UPDATE orders SET state = CASE state WHEN 'OPEN' THEN 'PAID' ELSE 'SHIPPED' END WHERE state <> 'SHIPPED' AND doc_entry %% 5 = %d;", m.dice.IntN(5)))
}

// TestKillDaemon kills the daemon at random moments while the shop sends orders, the
// ERP works on them, and the rules are replaced. In the end every order is in the ERP
// once or waits for a person, and the shop was told each status once.
// HEADGATE_TEST_KILLS says how many kills must land while orders are moved. A market
// survives some of them and is counted; the next one begins with an empty ERP, because
// one that knows all orders ever takes longer to look at than to kill.
func TestKillDaemon(t *testing.T) {
	t.Parallel()
	dice := dice(t)
	for left := times(t, "HEADGATE_TEST_KILLS", 3); left > 0; left -= killsOfAMarket {
		m := beginMarket(t, dice)
		m.survive(t, min(left, killsOfAMarket))
		m.settle()
		m.check()
	}
}

const killsOfAMarket = 25

// survive kills the daemon until so many kills landed while orders were moved.
func (m *market) survive(t *testing.T, kills int) {
	took := m.undisturbed()
	landed, all, known := 0, 0, int64(m.orders)
	for ; landed < kills; all++ {
		if all > 20*kills+100 {
			t.Fatalf("only %d of %d kills landed", landed, all)
		}
		if known == int64(m.orders) {
			m.send()
		}
		p := m.start("run")
		if m.dice.IntN(2) == 0 {
			m.work()
		}
		m.adopt([]string{"strict", "mended"}[m.dice.IntN(2)])
		if !p.killedAfter(time.Duration(m.dice.Int64N(int64(took)))) {
			t.Fatalf("the daemon left with %d:\n%s", p.code, p.told)
		}
		// Nobody but headgate writes what the shop owns: what a kill left between apply and settle is no foreign change.
		if bytes.Contains(p.told.Bytes(), []byte("foreign changes")) {
			t.Fatalf("a foreign change was told that nobody made:\n%s", p.told)
		}
		if _, err := os.Stat(m.path("state/headgate.db")); errors.Is(err, os.ErrNotExist) {
			continue
		}
		m.verify()
		before := known
		switch known = m.status().Flows[0].Known; known {
		case before:
			took += took / 8 // too early: the machine is slower now
		case int64(m.orders):
			took -= took / 8
		default:
			landed++
		}
	}
	t.Logf("%d of %d kills landed while %d orders were moved, %d of which took %s undisturbed", landed, all, m.orders, ordersAtOnce, took)
}

const ordersAtOnce = 150

// undisturbed is how long a daemon that starts takes to move new orders.
func (m *market) undisturbed() time.Duration {
	m.send()
	began := time.Now()
	d := m.daemon()
	d.awaitRead(ordersAtOnce)
	defer d.stop()
	return time.Since(began)
}

// settle mends what is wrong with the rules and the ERP, and lets a daemon come to rest.
func (m *market) settle() {
	m.adopt("mended")
	m.know()
	d := m.daemon()
	var s []control.FlowStatus
	_, stopped := m.due()
	m.Cleanup(func() {
		if told, _ := m.told(); m.Failed() {
			m.Logf("of %d orders, what the shop was told (-) and the ERP has (+):\n%s\n%+v", m.orders, cmp.Diff(told, m.inERP()), s)
		}
	})
	m.eventually("all orders are moved, both ways", patience, func() bool {
		s = d.status().Flows
		told, _ := m.told()
		return s[0].Known == int64(m.orders) && s[0].Open["held"] == 0 && s[0].Open["rejected"] <= int64(len(stopped)) && maps.Equal(told, m.inERP())
	})
	d.stop()
	m.verify()
}

// inERP returns the status of each order the ERP has.
func (m *market) inERP() map[string]string {
	all := make(map[string]string)
	for _, row := range m.rows("SELECT cust_ref, doc_no, lower(state) FROM orders") {
		no, rest, _ := strings.Cut(row, "|")
		all[no] = rest
	}
	return all
}

// told returns the furthest status the shop was told of each order, and all it was told.
func (m *market) told() (furthest map[string]string, all []string) {
	m.Helper()
	furthest = make(map[string]string)
	names, err := filepath.Glob(m.path("shop/feedback-*.jsonl"))
	m.must(err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		m.must(err)
		for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
			var row struct {
				Order struct {
					Number string
					ERPNo  string `json:"erp_no"`
				}
				Status string
			}
			if err := decoder.Decode(&row); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				m.Fatalf("%s: %v", name, err)
			}
			status := row.Order.ERPNo + "|" + row.Status
			all = append(all, row.Order.Number+"|"+status)
			// open, paid and shipped come in the order of the alphabet, and never go back.
			furthest[row.Order.Number] = max(furthest[row.Order.Number], status)
		}
	}
	return furthest, all
}

// due are the orders that the ERP has in the end, and those that wait for a person.
func (m *market) due() (want []string, stopped map[string]bool) {
	stopped = make(map[string]bool)
	for i := range m.orders {
		no := fmt.Sprintf("A-%06d", i)
		if last := i >= m.orders-ordersAtOnce; last && (i%kinds == negative || i%kinds == blocked) {
			stopped[no] = true
			continue
		}
		want = append(want, no)
	}
	return want, stopped
}

func (m *market) check() {
	want, stopped := m.due()
	if diff := cmp.Diff(want, m.rows("SELECT cust_ref FROM orders ORDER BY cust_ref")); diff != "" {
		m.Errorf("orders of the ERP (- wanted, + there):\n%s", diff)
	}
	last := fmt.Sprintf("A-%06d", m.orders-ordersAtOnce)
	for _, row := range m.rows(fmt.Sprintf("SELECT cust_ref, qty FROM orders WHERE cust_ref LIKE '%%%d' AND cust_ref < '%s'", altered, last)) {
		if !strings.HasSuffix(row, "|3") {
			m.Errorf("an order was altered, and the ERP has %s", row)
		}
	}
	_, all := m.told()
	slices.Sort(all)
	if again := len(all) - len(slices.Compact(slices.Clone(all))); again > 0 {
		m.Errorf("the shop was told %d of %d things twice", again, len(all))
	}
	open := make(map[string]bool)
	for _, x := range m.waiting() {
		open[x.Key] = true
	}
	if diff := cmp.Diff(stopped, open); diff != "" {
		m.Errorf("what waits for a person (- wanted, + waits):\n%s", diff)
	}
}
