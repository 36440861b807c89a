package engine_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headgate/connectors/http/shopapi"
	"headgate/engine/exceptions"
)

// The blocks that do several things in one request.
const (
	updateOrders = `
    update {
      path   = "/orders/bulk"
      answer = "order"
      many {
        items  = "items"
        limit  = 10
        answer = "results"
      }
    }`
	deleteOrders = `
    delete {
      path   = "/orders/bulk"
      many {
        items  = "items"
        limit  = 10
        answer = "results"
      }
    }`
)

// TestSeveralAtOnce: of three orders in one request the shop refuses the second. Each
// has what was answered of it, whatever order the answers stand in; one that is
// missing is looked up where that can be, and in doubt where it cannot. The ids that
// were answered are those of the right orders: the updates go by them.
func TestSeveralAtOnce(t *testing.T) {
	t.Parallel()
	refuse := func(fields map[string]any) string {
		if o := (shopapi.Order{Fields: fields}); strings.HasPrefix(o.Text("total"), "-") {
			return "no total below nothing"
		}
		return ""
	}
	reversed := func(results []any) []any { slices.Reverse(results); return results }
	for name, test := range map[string]struct {
		find string
		mix  func([]any) []any
		want string // what becomes of A-0000, of A-0001 which is refused, and of A-0002
	}{
		"in order":                        {"", nil, "A-0001 rejected 422"},
		"in another order":                {findOrder, reversed, "A-0001 rejected 422"},
		"in another order, no lookup":     {"", reversed, "A-0001 in_doubt unknown_answer"},
		"the last is missing":             {findOrder, func(r []any) []any { return r[:min(len(r), 2)] }, "A-0001 rejected 422"},
		"the first is missing, no lookup": {"", func(r []any) []any { return r[len(r)/3:] }, "A-0000 in_doubt unknown_answer, A-0001 in_doubt unknown_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newChanging(t, createOrders+updateOrders+deleteOrders+test.find, 3, 0, shopapi.Config{Refuse: refuse, Mix: test.mix})
			w.patient()
			w.sql("INSERT INTO orders VALUES ('A-0000', 1, NULL), ('A-0001', -1, NULL), ('A-0002', 3, NULL)")
			w.runs(3)
			if got := w.waiting(); got != test.want {
				t.Errorf("waiting %s, want %s", got, test.want)
			}
			if s := w.shop.Stats(); s.Doubles > 0 || s.Orders != 2 {
				t.Errorf("the shop has %d orders, %d of them twice", s.Orders, s.Doubles)
			}
			w.shop.Mix = nil
			w.sql("UPDATE orders SET total = total + 10 WHERE no <> 'A-0001'")
			w.runs(3)
			want := map[string]string{"A-0000": "11", "A-0002": "13"}
			if strings.Contains(test.want, "A-0000") {
				want["A-0000"] = "1" // it waits for a person
			}
			got := make(map[string]string)
			for _, o := range w.shop.Orders() {
				got[o.Text("number")] = o.Text("total")
			}
			if !maps.Equal(got, want) {
				t.Errorf("the shop has %v, want %v", got, want)
			}
		})
	}
}

// runs runs the flows so many times.
func (w *changing) runs(n int) {
	w.Helper()
	for range n {
		w.run()
	}
}

// waiting is what waits, and why, in the order of the keys.
func (w *changing) waiting() string {
	w.Helper()
	open, damaged, err := exceptions.Current(filepath.Join(w.dir, "state", "exceptions"))
	if err != nil || len(damaged) > 0 {
		w.Fatal(err, damaged)
	}
	var all []string
	for _, x := range open {
		all = append(all, fmt.Sprintf("%s %s %s", x.Key, x.Outcome, x.Reason.Code))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
