package engine_test

import (
	"fmt"
	nethttp "net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors/http/shopapi"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/state"
)

// losing lets the answer to one effect be wrong, and counts the effects since.
type losing struct {
	fault   shopapi.Fault
	armed   atomic.Bool
	effects atomic.Int64
}

func (l *losing) next(_ int64, r *nethttp.Request) shopapi.Fault {
	if r.Method == nethttp.MethodGet {
		return shopapi.None
	}
	l.effects.Add(1)
	if l.armed.CompareAndSwap(true, false) {
		return l.fault
	}
	return shopapi.None
}

// steps bring about one effect on an order that is there already, but for "create".
var steps = map[string]string{
	"create": "INSERT INTO orders VALUES ('B', 5, NULL)",
	"update": "UPDATE orders SET total = 7 WHERE no = 'A'",
	"delete": "DELETE FROM orders WHERE no = 'A'",
}

// TestAnswerLost: the answer to one effect is lost, whether it was done or not. Where
// the shop can be asked, what was done is not sent again and what was not is; under a
// key of idempotency, and where it is absolute, the same is sent again; with
// on_unknown = doubt it waits for a person, who is told all that was sent, and with
// retry it is sent again, whatever that doubles.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	const on = "\n on_unknown = "
	with := func(word string) string {
		return strings.NewReplacer(`"/orders"`, `"/orders"`+on+word, `"/orders/${id}"`, `"/orders/${id}"`+on+word).Replace(createOrder + updateOrder + deleteOrder)
	}
	for means, blocks := range map[string]string{
		"find":  createOrder + updateOrder + deleteOrder + findByID + findOrder,
		"key":   createOrder + updateOrder + deleteOrder + keyedOrder,
		"put":   createOrder + replaceOrder + deleteOrder + findByID + findOrder,
		"doubt": with("doubt"),
		"retry": with("retry"),
	} {
		for step, change := range steps {
			for _, fault := range []shopapi.Fault{shopapi.FailBefore, shopapi.ErrorBody, shopapi.FailAfter, shopapi.ResetAfter} {
				t.Run(fmt.Sprint(means, " ", step, " ", fault), func(t *testing.T) {
					t.Parallel()
					l := &losing{fault: fault}
					w := newChanging(t, blocks, 1, 0, shopapi.Config{Fault: l.next, Idempotency: time.Hour})
					w.patient()
					w.sql("INSERT INTO orders VALUES ('A', 1, NULL), ('Z', 1, NULL)")
					w.settle()
					w.sql(change)
					clear(w.counts)
					l.effects.Store(0)
					l.armed.Store(true)
					w.settle()
					stored := fault >= shopapi.FailAfter && fault <= shopapi.StallAfter
					w.lost(l, means, step, stored)
				})
			}
		}
	}
}

// patient makes an answer late only after so long that none is on a busy machine.
func (w *changing) patient() { w.text = strings.Replace(w.text, `"100ms"`, `"3s"`, 1) }

// lost holds what became of a lost answer to what was promised of the means.
func (w *changing) lost(l *losing, means, step string, stored bool) {
	w.Helper()
	want := int64(2)
	if means == "doubt" || stored && (means == "find" || means == "put") && step == "create" || stored && means == "find" && step == "update" {
		want = 1
	}
	if got := l.effects.Load(); got != want {
		w.Errorf("%d effects were sent, want %d", got, want)
	}
	if means == "doubt" {
		w.resolve(stored)
		w.settle()
	}
	became := map[string]engine.Outcome{"create": engine.Created, "update": engine.Updated, "delete": engine.Deleted}[step]
	if n := w.counts[became]; means != "doubt" && n != 1 {
		w.Errorf("%d are counted as %s, want 1: %v", n, became, w.counts)
	}
	if waits := w.waiting(); waits != "" {
		w.Errorf("waiting %s", waits)
	}
	if s := w.shop.Stats(); means == "retry" && step == "create" && stored {
		if s.Doubles != 1 {
			w.Errorf("%d doubles, want the one that was asked for", s.Doubles)
		}
		return
	}
	w.mustAgree()
}

// resolve says of the only order in doubt what is true of it.
func (w *changing) resolve(stored bool) {
	w.Helper()
	open, _, err := exceptions.Current(filepath.Join(w.dir, "state", "exceptions"))
	if err != nil || len(open) != 1 || open[0].Outcome != engine.InDoubt || open[0].Sent == "" || open[0].Reference == "" {
		w.Fatalf("%d wait, want one in doubt with what was sent: %v %.300v", len(open), err, open)
	}
	as, id := engine.NotApplied, ""
	if stored {
		as = engine.WasApplied
		for _, o := range w.shop.Orders() {
			if o.Text("number") == open[0].Key {
				id = fmt.Sprint(o.ID)
			}
		}
	}
	w.with(w.T, func(e *engine.Engine, _ *state.DB) {
		if _, err := e.Resolve("orders", open[0].ID, as, id, engine.Actor{Name: "test"}, "looked"); err != nil {
			w.Fatal(err)
		}
	})
}
