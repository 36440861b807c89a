package engine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headgate/engine/exceptions"
)

const orderLines = `
connector "shop" {
  type = "files"
  dir  = "in"
  resource "orders" {
    entity = entity.order
    glob   = "*.jsonl"
    settle = "0s"
    jsonl {
    }
    read = {
      no = "row.number"
    }
    list "lines" {
      path = "items"
      read = {
        sku   = "upper(row.sku)"
        qty   = "row.count"
        order = "parent.number"
      }
    }
  }
}
connector "erp" {
  type = "files"
  dir  = "out"
  resource "orders" {
    entity = entity.order
    file   = "orders.jsonl"
    jsonl {
    }
  }
}
entity "order" {
  key   = [no]
  owner = connector.shop
  field "no" {
    type = string
  }
  list "lines" {
    key = [sku]
    field "sku" {
      type = string
      trim = true
    }
    field "qty" {
      type = int
      min  = 1
    }
    field "order" {
      type = string
    }
  }
  rule "not_too_many" {
    check = "sum(lines, .qty) <= 10"
  }
}
flow "items" {
  from = connector.shop.orders
  to   = connector.erp.orders
  mode = live
  guard {
    rejects = "100%"
  }
}
`

// TestLines: an order and its lines arrive as one record, are judged as one, and
// an exception shows the lines.
func TestLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, orderLines)
	t.Cleanup(w.remove)
	if err := os.Mkdir(filepath.Join(w.dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.drop("1.jsonl", `{"number":"A","items":[{"sku":" x ","count":2},{"sku":"y","count":3}]}
{"number":"B","items":[{"sku":"x","count":9},{"sku":"y","count":3}]}
{"number":"C","items":[{"sku":"x","count":0}]}
{"number":"D","items":[{"sku":"x","count":"many"}]}
{"number":"E","items":[{"sku":"x","count":1},{"sku":"X","count":1}]}
{"number":"F","items":[]}
{"number":"G","items":null}
{"number":"H","items":"none"}
`)
	if got := countsText(w.run()); got != "2 created, 6 rejected" {
		t.Errorf("run: %s", got)
	}
	content, err := os.ReadFile(filepath.Join(w.dir, "out", "orders.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"no":"A","lines":[{"sku":"X","qty":2,"order":"A"},{"sku":"Y","qty":3,"order":"A"}]}
{"no":"F","lines":[]}
`
	if string(content) != want {
		t.Errorf("published:\n%s\nwant:\n%s", content, want)
	}
	open, _, err := exceptions.Current(filepath.Join(w.dir, "state", "exceptions"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range open {
		got = append(got, x.Key+" "+x.Reason.Code+": "+x.Reason.Message)
		if x.Key == "B" && !strings.Contains(string(x.Record), `{"sku":"Y","qty":3,"order":"B"}`) {
			t.Errorf("the record of B is %s", x.Record)
		}
		if x.Key == "D" && !strings.Contains(string(x.Row), `{"sku":"x","count":"many"}`) {
			t.Errorf("the row of D is %s", x.Row)
		}
	}
	slices.Sort(got)
	if all := strings.Join(got, "\n"); all != `B rule: not true: sum(lines, .qty) <= 10
C min: lines line 1: qty is 0, less than 1
D type: lines line 1: qty is not an int: "many" is not a whole number
E line_key: lines line 2 has the key of line 1
G null: lines is empty and must not be
H type: lines is not a list` {
		t.Errorf("exceptions:\n%s", all)
	}
}
