package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/connectors/http/shopapi"
)

// linkedOrders are of an entity without a common key: an ERP and a shop know orders by
// their own ids, and headgate keeps which belong together.
func linkedOrders(text string) string {
	return strings.NewReplacer(
		"key   = [no]", "match = [no]",
		`table  = "orders"`, "table  = \"orders\"\nid = \"row.id\"",
	).Replace(text)
}

// TestOrdersLinked: an order goes by the id that the shop gave it, in the paths of what
// is sent and in what comes back from the shop, also when the number it was matched by
// is another one now, with a third of all answers wrong and a new process each time.
func TestOrdersLinked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settled string
		shop    shopapi.Config
	}{
		"by looking": {findByID + findByNumber + findOrder, shopapi.Config{Lag: 50 * time.Millisecond}},
		"by key":     {findByID + findByNumber + keyedOrder, shopapi.Config{Idempotency: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newChanging(t, createOrder+updateOrder+deleteOrder+c.settled, 1, 0.3, c.shop)
			w.text = linkedOrders(w.text)
			w.sql("DROP TABLE orders")
			w.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, no TEXT, total NUMERIC, status TEXT)")
			for i := range 12 {
				w.sql("INSERT INTO orders (no, total) VALUES (?, ?)", fmt.Sprintf("A-%04d", i), i)
			}
			w.settle()
			w.mustAgree()
			for round := range 3 {
				w.sql("UPDATE orders SET total = total + 10 WHERE id % 3 = ?", round)
				w.sql("UPDATE orders SET no = 'B' || no WHERE id % 4 = ?", round)
				w.sql("DELETE FROM orders WHERE id = ?", round+1)
				for _, o := range w.shop.Orders() {
					if o.ID%3 == int64(round) {
						w.inShop("PATCH", fmt.Sprintf("/orders/%d", o.ID), fmt.Sprintf(`{"status":"s%d"}`, round))
					}
				}
				w.run()
			}
			w.settle()
			w.mustAgree()
		})
	}
}
