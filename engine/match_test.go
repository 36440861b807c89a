package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
)

// matching is a shop and an ERP that know customers by their own ids only.
const matching = `
connector "shop" {
  type = "shop"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "customers" {
    entity = entity.customer
    table  = "clients"
    id     = "row.id"
  }
}
connector "erp" {
  type = "erp"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "customers" {
    entity = entity.customer
    table  = "partners"
    id     = "row.id"
%s
  }
}
entity "customer" {
  match = [vat_no, mail]
  owner = connector.shop
  field "vat_no" {
    type     = string
    optional = true
  }
  field "mail" {
    type     = string
    optional = true
  }
  field "name" {
    type = string
  }
  field "credit" {
    type     = int
    optional = true
    owner    = connector.erp
  }
}
flow "ashop" {
  from = connector.shop.customers
  to   = connector.erp.customers
  mode = live
  batch {
    size = 2
  }
%s
}
flow "berp" {
  from = connector.erp.customers
  to   = connector.shop.customers
  mode = live
}
`

func newMatching(t testing.TB, resource, flow string) *desk {
	d := newDesk(t, rulesetText{whole: fmt.Sprintf(matching, resource, flow)})
	d.orders = d.shop.Create("clients", "id", "vat_no", "mail", "name", "credit")
	d.sales = d.erp.Create("partners", "id", "vat_no", "mail", "name", "credit", "ref")
	d.orders.Serial, d.sales.Serial = "id", "id"
	return d
}

// TestMatch: customers that share no key, created on either side and matched by VAT
// number or mail address, are created once, also when both sides create the same one
// before either is asked.
func TestMatch(t *testing.T) {
	t.Parallel()
	d := newMatching(t, "", "")
	d.put(d.sales, nil, "DE9", nil, "Old", 100)  // the ERP had it: found by VAT number
	d.order(nil, "DE1", "a@x", "Ann")            // on one side
	d.put(d.sales, nil, nil, "b@x", "Bob", 5)    // on the other
	d.order(nil, "DE2", "c@x", "Cem")            // on both, by VAT number
	d.put(d.sales, nil, "DE2", nil, "Cem", 7)    //
	d.order(nil, nil, "d@x", "Eve")              // on both, by mail address
	d.put(d.sales, nil, "DE3", "d@x", "Eve", 8)  //
	d.order(nil, "DE9", "o@x", "Old")            //
	d.order(nil, nil, nil, "Nemo")               // null matches nothing
	d.put(d.sales, nil, nil, nil, "Nobody", nil) //
	d.both()
	d.both()
	erp := "1 DE9 o@x Old 100 -\n2 - b@x Bob 5 -\n3 DE2 c@x Cem 7 -\n4 - d@x Eve 8 -\n5 - - Nobody - -"
	if got := d.sold(); !strings.HasPrefix(got, erp) || d.sales.Len() != 7 {
		t.Errorf("the ERP:\n%s\nwant:\n%s\nand two more", got, erp)
	}
	shop := "1 DE1 a@x Ann -\n2 DE2 c@x Cem 7\n3 - d@x Eve 8\n4 DE9 o@x Old 100\n5 - - Nemo -"
	if got := d.inShop(); !strings.HasPrefix(got, shop) || d.orders.Len() != 7 {
		t.Errorf("the shop:\n%s\nwant:\n%s\nand two more", got, shop)
	}
	d.both()
	d.want("then nothing is written", d.both(), "ashop: 7 unchanged\nberp: 7 unchanged")
	d.orders.Set("name", record.StringValue("Ann"), "mail", record.StringValue("new@x"))
	d.sales.Set("name", record.StringValue("Cem"), "credit", record.IntValue(99))
	d.both()
	d.both()
	if !strings.Contains(d.sold(), "DE1 new@x Ann") || !strings.Contains(d.inShop(), "2 DE2 c@x Cem 99") {
		t.Errorf("a linked record follows, whatever it was matched by:\n%s\n\n%s", d.sold(), d.inShop())
	}
	d.sales.Set("name", record.StringValue("Ann"), "name", record.StringValue("Anne"))
	d.both("berp")
	if got := d.both("ashop"); !strings.Contains(got, "1 foreign") || !strings.Contains(d.sold(), "new@x Ann ") {
		t.Errorf("a foreign change is set right: %s\n%s", got, d.sold())
	}
	d.both()
	d.both()
	d.want("in the end", d.both(), "ashop: 7 unchanged\nberp: 7 unchanged")
}

// TestAmbiguousMatch: what could be more than one record is for a person.
func TestAmbiguousMatch(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(*desk){
		"several rows": func(d *desk) {
			d.put(d.sales, nil, "DE1", nil, "One", nil)
			d.put(d.sales, nil, "DE1", nil, "Two", nil)
			d.order(nil, "DE1", nil, "Ann")
		},
		"two that are new": func(d *desk) {
			d.order(nil, "DE1", nil, "Ann")
			d.order(nil, "DE1", nil, "Bob")
		},
		"one that is linked": func(d *desk) {
			d.order(nil, "DE1", nil, "Ann")
			d.order(nil, "DE2", nil, "Cem")
			d.both("ashop")
			d.order(nil, "DE1", nil, "Bob")
		},
		"one that is claimed": func(d *desk) {
			d.put(d.sales, nil, "DE1", nil, "One", nil)
			d.order(nil, "DE1", nil, "Ann")
			d.order(nil, "DE1", nil, "Bob")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newMatching(t, "", "guard {\n rejects = \"100%\"\n}")
			fill(d)
			rows := d.sales.Len()
			var plan *engine.Plan
			d.plans("ashop", &plan)
			got := d.both("ashop")
			if plan.Counts[engine.Held] != 1 || !strings.Contains(got, "1 held") || d.sales.Len() > max(rows, 1) {
				t.Errorf("planned %v, done %s, the ERP:\n%s", plan.Counts, got, d.sold())
			}
			if got := d.open(); !strings.HasSuffix(got, "held ambiguous_match") {
				t.Errorf("waiting: %s", got)
			}
		})
	}
}

// TestUnknownCreates: a create whose answer was lost is found by the reference, or by
// what it is matched by; where nothing can find it, it is left in doubt and never
// sent twice (promise 3).
func TestUnknownCreates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		resource, mail, after string
		applied               bool
	}{
		"by reference":                 {`reference = "ref"`, "", "ashop: 1 unchanged", true},
		"by reference, not applied":    {`reference = "ref"`, "", "ashop: 1 created", false},
		"by match":                     {"", "a@x", "ashop: 1 unchanged", true},
		"by match, not applied":        {"", "a@x", "ashop: 1 created", false},
		"by nothing":                   {"", "", "ashop: 1 in_doubt", true},
		"by nothing, and not applied ": {"", "", "ashop: 1 in_doubt", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, crash := range []bool{false, true} {
				d := newMatching(t, test.resource, "")
				d.order(nil, nil, map[bool]any{true: test.mail}[test.mail != ""], "Ann")
				d.erpFaults = lostApply(test.applied, crash)
				d.summaries(engine.RunOptions{Flows: []string{"ashop"}})
				d.erpFaults = &connectortest.Faults{}
				d.both("ashop")
				if want := 1; d.sales.Len() > want || d.sales.Len() == 0 && !strings.Contains(test.after, "in_doubt") {
					t.Errorf("crash %v: the ERP has\n%s", crash, d.sold())
				}
				if doubtful := strings.Contains(test.after, "in_doubt"); doubtful != strings.Contains(d.open(), "in_doubt unknown_create") {
					t.Errorf("crash %v: waiting %s", crash, d.open())
				}
				rows := d.sales.Len()
				d.both("ashop")
				if d.sales.Len() != rows {
					t.Errorf("crash %v: sent again:\n%s", crash, d.sold())
				}
			}
		})
	}
}

// lostApply loses the answer to the first lot, applied or not; with crash nothing
// works after it.
func lostApply(applied, crash bool) *connectortest.Faults {
	first := true
	return &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		switch {
		case c.Op == "apply" && first:
			first = false
			if !applied {
				return &connectortest.Fault{Err: errors.New("connection reset")}
			}
			return &connectortest.Fault{Lost: true, Err: errors.New("connection reset")}
		case !first && crash:
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
		}
		return nil
	}}
}

// TestMatchDeleted: what a person deleted in the destination is created again when its
// owner changes it, and linked anew.
func TestMatchDeleted(t *testing.T) {
	t.Parallel()
	d := newMatching(t, "", "delete = true\n guard {\n deletes = 1\n}")
	d.order(nil, "DE1", nil, "Ann")
	d.both("ashop")
	d.sales.Remove("vat_no", record.StringValue("DE1"))
	d.orders.Set("vat_no", record.StringValue("DE1"), "name", record.StringValue("Anna"))
	d.want("created again", d.both("ashop"), "ashop: 1 created")
	d.want("the ERP", d.sold(), "2 DE1 - Anna - -")
	d.order(nil, "DE2", nil, "Bob")
	d.both("ashop")
	d.orders.Remove("vat_no", record.StringValue("DE1"))
	d.want("vanished", d.both("ashop"), "ashop: 1 deleted, 1 unchanged")
	d.want("the ERP", d.sold(), "3 DE2 - Bob - -")
}

// TestMatchSideBySide: what one flow created is linked before the other, which read it
// meanwhile, decides about it: also a customer that nothing could match is created once.
func TestMatchSideBySide(t *testing.T) {
	t.Parallel()
	for _, mail := range []string{"-", "a@x"} {
		d := newMatching(t, "", "")
		d.text.whole = strings.ReplaceAll(d.text.whole, "attempts = 2", "attempts = 1000000\n budget = \"0s\"")
		d.order(nil, nil, map[bool]any{true: mail}[mail != "-"], "Ann")
		d.erpFaults.Fail = func(c connectortest.Call) *connectortest.Fault {
			if c.Op == "read" && d.sales.Len() == 0 { // the ERP is read when Ann was just created there
				return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("busy")}}
			}
			return nil
		}
		d.want("side by side", d.both(), "ashop: 1 created\nberp: 1 unchanged")
		d.want("the ERP", d.sold(), fmt.Sprintf("1 - %s Ann - -", mail))
		d.want("the shop", d.inShop(), fmt.Sprintf("1 - %s Ann -", mail))
	}
}
