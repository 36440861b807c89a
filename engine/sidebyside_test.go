package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"headgate/engine"
	"headgate/engine/record"
)

// twoSources are a shop that owns the quantity of an order and a warehouse that owns
// its status; each has a flow of its own into the same table of the ERP.
const twoSources = `
connector "shop" {
  type = "shop"
  resource "orders" {
    entity = entity.order
    table  = "orders"
    fields = [no, qty]
  }
}
connector "warehouse" {
  type = "shop"
  resource "orders" {
    entity = entity.order
    table  = "picked"
    fields = [no, status]
  }
}
connector "erp" {
  type = "erp"
  resource "orders" {
    entity = entity.order
    table  = "sales"
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
  field "status" {
    type  = string
    owner = connector.warehouse
  }
}
flow "ordered" {
  from = connector.shop.orders
  to   = connector.erp.orders
  mode = live
  batch {
    size = 5
  }
}
flow "picked" {
  from = connector.warehouse.orders
  to   = connector.erp.orders
  mode = live
  batch {
    size = 7
  }
}
`

// TestOneKeyOfTwoFlows: the lock of a key is that of its resource, across flows (R9).
// Of two flows side by side that both bring a record the ERP does not have, one
// creates it and the other, which then finds it, adds what it owns.
func TestOneKeyOfTwoFlows(t *testing.T) {
	t.Parallel()
	const orders = 300
	d := newDesk(t, rulesetText{whole: twoSources})
	picked := d.shop.Create("picked", "no", "status")
	for i := range orders {
		d.order(fmt.Sprintf("%03d", i), 1)
		d.put(picked, fmt.Sprintf("%03d", i), "open")
	}
	bothWrite := func(what string, want engine.Counts, qty int, status string) {
		t.Helper()
		var did engine.Counts
		for _, s := range d.summaries(engine.RunOptions{}) {
			if s.Err != nil {
				t.Fatal(s.Err)
			}
			did.Add(&s.Counts)
		}
		if did != want {
			t.Errorf("%s: %v, want %v", what, did, want)
		}
		d.want("what waits", d.open(), "")
		rows := strings.Split(d.sold(), "\n")
		if len(rows) != orders {
			t.Fatalf("%s: the ERP has %d orders, want %d", what, len(rows), orders)
		}
		for i, row := range rows {
			if row != fmt.Sprintf("%03d %d - %s -", i, qty, status) {
				t.Fatalf("%s: the ERP has %q", what, row)
			}
		}
	}
	bothWrite("both are new", engine.Counts{engine.Created: orders, engine.Updated: orders}, 1, "open")
	for i := range orders {
		no := record.StringValue(fmt.Sprintf("%03d", i))
		d.orders.Set("no", no, "qty", record.IntValue(2))
		picked.Set("no", no, "status", record.StringValue("shipped"))
	}
	bothWrite("both changed", engine.Counts{engine.Updated: 2 * orders}, 2, "shipped")
	bothWrite("nothing did", engine.Counts{engine.Unchanged: 2 * orders}, 2, "shipped")
}
