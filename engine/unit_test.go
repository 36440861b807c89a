package engine_test

import (
	"testing"

	"headgate/engine"
)

// drops is an installation whose orders arrive as files with a head and a tail.
const drops = `
connector "shop" {
  type = "files"
  dir  = "in"
  resource "items" {
    entity = entity.item
    glob   = "items-*.csv"
    settle = "0s"
    csv {
      delimiter = ";"
      decimal   = ","
      head = ["kind", "day"]
      tail = ["kind", "count", "sum"]
    }
    totals = {
      sum = "row.amount"
    }
    rule "whole" {
      check   = "tail.kind == 'END' and tail.count == rows"
      message = "the upload broke off"
    }
    rule "sum" {
      when  = "tail.sum != nil"
      check = "tail.sum == totals.sum"
    }
  }
  resource "prices" {
    entity = entity.price
    glob   = "prices.csv"
    settle = "0s"
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
    write = {
      sku   = "sku"
      qty   = "qty"
      price = "prices(sku, day).price"
    }
  }
}
entity "price" {
  key   = [sku]
  owner = connector.shop
  field "sku" {
    type = string
  }
  field "price" {
    type = decimal
  }
  field "from" {
    type = date
  }
  field "to" {
    type     = date
    optional = true
  }
}
entity "item" {
  key   = [sku]
  owner = connector.shop
  field "sku" {
    type = string
  }
  field "qty" {
    type = int
  }
  field "day" {
    type = date
  }
  rule "priced" {
    check   = "prices(sku, day) != nil"
    on_fail = hold
  }
}
lookup "prices" {
  from    = connector.shop.prices
  key     = [sku]
  valid   = [from, to]
  refresh = "1s"
}
flow "items" {
  from = connector.shop.items
  to   = connector.erp.items
  mode = live
  guard {
    rejects = "100%"
  }
}
`

// TestUnits: a file is judged as a whole before its first record: its trailer and
// its sums. One that fails is one exception, read when it is mended.
func TestUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, drops)
	t.Cleanup(w.remove)
	w.drop("prices.csv", "sku,price,from,to\nA,1.50,2026-01-01,2026-06-30\nA,2.50,2026-07-01,\nB,3,2026-01-01,\n")
	const header = "ORDERS;2026-11-24\nsku;qty;amount;day\n"
	w.drop("items-1.csv", header+"A;2;1.000,25;2026-06-30\nB;1;0,50;2026-11-24\nEND;2;1000,75\n")
	w.drop("items-2.csv", header+"C;2;1;2026-11-24\nD;1;1;2026-11-24\n")              // broken off
	w.drop("items-3.csv", header+"E;2;1;2026-11-24\nF;1;1,5;2026-11-24\nEND;2;2,4\n") // another sum
	w.drop("items-4.csv", header+"G;2;x;2026-11-24\nEND;1;0\n")                       // none
	s := w.run()
	if got := countsText(s); got != "2 created, 3 rejected" {
		t.Errorf("run: %s", got)
	}
	if got := w.sql("SELECT sku, qty, price FROM items ORDER BY sku"); got != "A|2|1.5\nB|1|3" {
		t.Errorf("the ERP has\n%s", got)
	}
	if got := countsText(w.run()); got != "" {
		t.Errorf("again: %s", got)
	}
	w.drop("items-2.csv", header+"C;2;1;2026-11-24\nD;1;1;2026-11-24\nEND;2;2\n")
	w.drop("prices.csv", "sku,price,from,to\nA,2.50,2026-07-01,\nC,4,2026-01-01,\n")
	s = w.run()
	if s.Counts[engine.Held] != 1 || s.Counts[engine.Created] != 1 {
		t.Errorf("mended: %s", countsText(s))
	}
	if got := w.sql("SELECT sku, qty, price FROM items WHERE sku = 'C'"); got != "C|2|4" {
		t.Errorf("the ERP has\n%s", got)
	}
}
