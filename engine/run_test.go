package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/engine/state"
)

// TestWayOfARecord: a record is created once, changed when its source changes it,
// and left alone otherwise.
func TestWayOfARecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 2})
	d.order("A", 1, "Ann", "open")
	d.order("B", 2, nil, "open")
	d.order("C", 3, "Cem", nil)
	d.want("first run", d.run(), "3 created")
	d.want("the ERP", d.sold(), "A 1 Ann open -\nB 2 - open -\nC 3 Cem - -")
	d.want("second run", d.run(), "3 unchanged")
	d.orders.Set("no", record.StringValue("B"), "qty", record.IntValue(5))
	d.want("third run", d.run(), "1 updated, 2 unchanged")
	d.want("the ERP", d.sold(), "A 1 Ann open -\nB 5 - open -\nC 3 Cem - -")
}

// TestFieldsOfTheDestination: promise 5. What the destination owns is sent on
// create and never changed.
func TestFieldsOfTheDestination(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{status: "owner = connector.erp", customer: "on_null = keep"})
	d.order("A", 1, "Ann", "open")
	d.run()
	d.want("created", d.sold(), "A 1 Ann open -")
	d.sales.Set("no", record.StringValue("A"), "status", record.StringValue("shipped"))
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(2))
	d.orders.Set("no", record.StringValue("A"), "customer", record.NullValue())
	d.want("run", d.run(), "1 updated")
	d.want("kept", d.sold(), "A 2 Ann shipped -")
}

// TestRecordsThatWereThere: what the destination has already is adopted, and what
// only equals is not written.
func TestRecordsThatWereThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10})
	d.put(d.sales, "A", 1, "Ann", "open")
	d.put(d.sales, "B", 9, "Bob", "open")
	d.put(d.sales, "D", 1, nil, nil)
	d.put(d.sales, "D", 2, nil, nil)
	for _, no := range []string{"A", "B", "C", "D"} {
		d.order(no, 1, map[string]any{"A": "Ann", "B": "Bob"}[no], "open")
	}
	d.want("run", d.run(), "1 created, 1 updated, 1 unchanged, 1 held")
	d.want("what waits", d.open(), "D held ambiguous_key")
	d.sales.Remove("qty", record.IntValue(2))
	d.want("when one of the two is gone", d.run(), "1 updated, 4 unchanged")
	d.want("what waits", d.open(), "")
}

// TestWhatAFlowMayDo: what is not allowed is skipped.
func TestWhatAFlowMayDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ flow, want, erp string }{
		"no create": {"create = false", "1 updated, 1 skipped", "B 1 - - -"},
		"no update": {"update = false", "1 created, 1 skipped", "A 1 - - -\nB 9 - - -"},
		"filter":    {`filter = "no != 'A'"`, "1 updated, 1 skipped", "B 1 - - -"},
		"rule":      {"rule \"r\" {\n check = \"current != nil\"\n}", "1 updated, 1 rejected", "B 1 - - -"},
		"held":      {"rule \"r\" {\n check = \"current == nil or current.qty < 5\"\n on_fail = hold\n}", "1 created, 1 held", "A 1 - - -\nB 9 - - -"},
		"warned":    {"rule \"r\" {\n check = \"current == nil\"\n on_fail = warn\n}", "1 created, 1 updated", "A 1 - - -\nB 1 - - -"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{flow: test.flow + "\n guard {\n rejects = \"100%\"\n}", size: 10})
			d.put(d.sales, "B", 9)
			d.order("A", 1)
			d.order("B", 1)
			d.want("run", d.run(), test.want)
			d.want("the ERP", d.sold(), test.erp)
		})
	}
}

// TestSameKeyTwice: on_duplicate says what becomes of a second version in one pass.
func TestSameKeyTwice(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ flow, entity, want, erp string }{
		"the last wins":    {"", "", "1 created, 1 updated, 1 duplicate", "A 2 - - -"},
		"the first wins":   {"on_duplicate = first", "", "1 created, 2 duplicate", "A 1 - - -"},
		"neither":          {"on_duplicate = reject", "", "1 created, 3 duplicate, 1 rejected", "A 1 - - -"},
		"the newer wins":   {"", "version = qty", "1 created, 1 updated, 1 duplicate", "A 2 - - -"},
		"never backwards":  {"", "version = qty", "1 created, 1 updated, 1 duplicate", "A 2 - - -"},
		"one at a time":    {"", "", "1 created, 1 updated, 1 duplicate", "A 2 - - -"},
		"all in one batch": {"", "", "1 created, 1 updated, 1 duplicate", "A 2 - - -"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := 10
			if name == "one at a time" {
				size = 1
			}
			d := newDesk(t, rulesetText{flow: test.flow + "\n guard {\n rejects = \"100%\"\n}", entity: test.entity, size: size})
			d.order("A", 1)
			d.order("A", 1)
			d.order("A", 2)
			if name == "neither" { // whichever content came already is a copy
				d.order("A", 2)
				d.order("A", 1)
			}
			d.want("run", d.run(), test.want)
			d.want("the ERP", d.sold(), test.erp)
			if name == "never backwards" {
				d.orders.Remove("qty", record.IntValue(2))
				d.want("an older one", d.run(), "2 superseded")
				d.want("the ERP", d.sold(), test.erp)
			}
		})
	}
}

// TestSteps: transitions say what may be reached from what the destination has.
func TestSteps(t *testing.T) {
	t.Parallel()
	status := `one_of = ["open", "paid", "shipped", "cancelled"]
    transitions = {
      open = ["paid", "cancelled"]
      paid = ["shipped"]
    }`
	for _, test := range []struct{ from, to, want string }{
		{"open", "paid", "1 updated"},
		{"open", "shipped", "1 updated"}, // a polled source misses steps
		{"shipped", "open", "1 rejected"},
		{"cancelled", "paid", "1 rejected"},
		{"paid", "paid", "1 unchanged"},
	} {
		t.Run(test.from+" to "+test.to, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{status: status, flow: "guard {\n rejects = \"100%\"\n}"})
			d.put(d.sales, "A", 1, nil, test.from)
			d.order("A", 1, nil, test.to)
			d.want("run", d.run(), test.want)
			if strings.Contains(test.want, "rejected") {
				d.want("what waits", d.open(), "A rejected transition")
				d.want("the ERP", d.sold(), "A 1 - "+test.from+" -")
			}
		})
	}
}

// knownCustomer holds an order until the ERP has its customer.
const knownCustomer = `rule "known" {
    check   = "customers(customer) != nil"
    on_fail = hold
    within  = "2d"
  }`

const customersLookup = `lookup "customers" {
  from    = connector.crm.customers
  key     = [name]
  refresh = "1m"
}`

// TestHeldUntilTheFactIsThere: a held record is judged again at each run, and
// released by what it waited for, or rejected when that does not come.
func TestHeldUntilTheFactIsThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{entity: knownCustomer, more: customersLookup, flow: "guard {\n rejects = \"100%\"\n}"})
	d.order("A", 1, "Ann", nil)
	d.order("B", 1, "Bob", nil)
	d.want("run", d.run(), "2 held")
	d.put(d.customers, "Ann", "C1")
	d.clock.move(time.Hour)
	d.want("when Ann is there", d.run(), "1 created, 2 unchanged")
	d.want("what waits", d.open(), "B held rule known")
	d.clock.move(48 * time.Hour)
	d.run()
	d.want("when Bob does not come", d.open(), "B rejected within known")
	d.want("the ERP", d.sold(), "A 1 Ann - -")
}

// TestLookupsWithManyAnswers: two answers for one key are a failure of the rule.
func TestLookupsWithManyAnswers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{entity: knownCustomer, more: customersLookup})
	d.put(d.customers, "Ann", "C1")
	d.put(d.customers, "Ann", "C2")
	d.order("A", 1, "Ann", nil)
	d.want("run", d.run(), "1 held")
	d.want("what waits", d.open(), "A held unevaluable known")
}

// TestLookupsOfValues: a lookup may be a table in the ruleset, valid for some days.
func TestLookupsOfValues(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{
		entity: `rule "paid" {
    check = "statuses(status) != nil"
  }`,
		more: `lookup "statuses" {
  values = {
    open = "O"
    paid = "P"
  }
}`, flow: "guard {\n rejects = \"100%\"\n}", size: 5})
	d.order("A", 1, nil, "open")
	d.order("B", 1, nil, "lost")
	d.order("C", 1, nil, nil)
	d.run()
	d.want("the ERP", d.sold(), "A 1 - open -")
}

// TestRefused: what the destination refuses is rejected with its words, and the
// rest of the batch is delivered.
func TestRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 10})
	d.sales.Refuse = func(_ connectors.Op, row map[string]record.Value) (string, string) {
		if row["qty"].Int() == 13 {
			return "check", "13 is unlucky"
		}
		return "", ""
	}
	for i, no := range []string{"A", "B", "C"} {
		d.order(no, 12+i)
	}
	d.want("run", d.run(), "2 created, 1 rejected")
	d.want("what waits", d.open(), "B rejected check")
	d.want("the ERP", d.sold(), "A 12 - - -\nC 14 - - -")
	d.want("not sent again unasked", d.run(), "3 unchanged")
	d.want("what waits", d.open(), "B rejected check")
	d.orders.Set("no", record.StringValue("B"), "qty", record.IntValue(15))
	d.want("mended", d.run(), "1 created, 2 unchanged")
	d.want("what waits", d.open(), "")
}

// TestGuards: a guard stops a run before the batch that goes too far, durably.
func TestGuards(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ guard, want string }{
		"rejects, a number":    {"rejects = 1", "2 rejects in this run, the limit is 1; for example C (few), D (few)"},
		"rejects, a share":     {`rejects = "20%"`, "2 rejects of 4 records judged in this run (50.0 %), the limit is 20 %; for example C (few), D (few)"},
		"creates":              {"creates = 1\nrejects = \"100%\"", "2 creates in this run, the limit is 1; for example A, B"},
		"nothing goes too far": {"creates = 2\nrejects = 2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{
				entity: "rule \"few\" {\n check = \"qty < 5\"\n}",
				flow:   "guard {\n" + test.guard + "\n}", size: 10,
			})
			for i, no := range []string{"A", "B", "C", "D"} {
				d.order(no, 1+2*i)
			}
			got := d.run()
			if test.want == "" {
				d.want("run", got, "2 created, 2 rejected")
				return
			}
			d.want("run", got, "paused: guard: "+test.want)
			d.want("the ERP", d.sold(), "")
			d.want("the next run", d.run(), got)
		})
	}
}

// TestShares: creates and updates are limited by a share of what is known.
func TestShares(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{flow: "guard {\n updates = \"40%\"\n creates = \"50%\"\n}", size: 10})
	d.order("A", 1)
	d.order("B", 1)
	d.want("nothing is known yet", d.run(), "2 created")
	d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(2))
	d.want("run", d.run(), "paused: guard: 1 updates of 2 records known in this run (50.0 %), the limit is 40 %; for example A")
}

// TestSystemsThatFail: a system that comes back is waited for; one that does not
// ends the run with its words, and no record is blamed.
func TestSystemsThatFail(t *testing.T) {
	t.Parallel()
	failing := func(op string, times int, class connectors.Class) *connectortest.Faults {
		return &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
			if c.Op != op || times == 0 {
				return nil
			}
			times--
			return &connectortest.Fault{Err: &connectors.Error{Class: class, Op: op, Err: errors.New("no route")}}
		}}
	}
	for name, test := range map[string]struct {
		shop, erp *connectortest.Faults
		message   string // of the error; "": none
		slept     int
	}{
		"the source comes back":       {failing("read", 2, connectors.Down), nil, "", 2},
		"its list comes back":         {failing("parts", 2, connectors.Down), nil, "", 2},
		"the source does not":         {failing("read", 99, connectors.Down), nil, "flow orders: shop.orders failed 3 times: read: no route", 2},
		"the destination does not":    {nil, failing("apply", 99, connectors.Down), "flow orders: erp.orders failed 3 times: apply: no route", 2},
		"the destination denies":      {nil, failing("apply", 99, connectors.Denied), "flow orders: erp.orders: apply: no route", 0},
		"it cannot be asked":          {nil, failing("find", 99, connectors.Broken), "flow orders: erp.orders: find: no route", 0},
		"the destination comes back":  {nil, failing("apply", 1, connectors.Unclear), "", 1},
		"it can be asked again":       {nil, failing("find", 1, connectors.Down), "", 1},
		"the source denies its parts": {failing("parts", 99, connectors.Denied), nil, "flow orders: shop.orders: parts: no route", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{size: 2})
			d.order("A", 1)
			d.order("B", 1)
			if test.shop != nil {
				d.shopFaults = test.shop
			}
			if test.erp != nil {
				d.erpFaults = test.erp
			}
			s := d.try(engine.RunOptions{})
			message := ""
			if s.Err != nil {
				message = s.Err.Error()
			}
			d.want("error", message, test.message)
			if len(d.clock.slept) != test.slept {
				t.Errorf("slept %v, want %d times", d.clock.slept, test.slept)
			}
			if system, ok := errors.AsType[*engine.SystemError](s.Err); s.Err != nil && !ok {
				t.Errorf("%v is no error of a system", system)
			}
			d.want("what waits", d.open(), "")
			d.shopFaults, d.erpFaults = &connectortest.Faults{}, &connectortest.Faults{}
			d.run()
			d.want("the ERP, when all is well", d.sold(), "A 1 - - -\nB 1 - - -")
		})
	}
}

// TestFailingAnywhere: each call of the destination fails in turn, before it was
// done or with its answer lost, and no later one works; the run ends, and the next
// one finishes the work. Nothing is lost, nothing comes twice, and the state
// verifies after each (promises 1 to 3).
func TestFailingAnywhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		jsonl, lost bool
	}{
		"table, before": {false, false}, "table, the answer lost": {false, true},
		"files, before": {true, false}, "files, the answer lost": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 1
			for ; !failingAt(t, test.jsonl, n, test.lost); n++ {
			}
			if n < 5 {
				t.Errorf("only %d calls were made", n)
			}
		})
	}
}

// failingAt reports whether there is no n-th call.
func failingAt(t *testing.T, jsonl bool, n int, lost bool) (done bool) {
	d := newDesk(t, rulesetText{size: 2, jsonl: jsonl, entity: "rule \"few\" {\n check = \"qty < 5\"\n}", flow: "guard {\n rejects = \"100%\"\n}"})
	var want []string
	for i, no := range []string{"A", "B", "C", "D", "E"} {
		d.order(no, i+1, nil, "open")
		line := fmt.Sprintf("%s %d - open -", no, i+1)
		if jsonl {
			line = fmt.Sprintf(`{"no":"%s","qty":%d,"customer":null,"status":"open"}`, no, i+1)
		}
		if i < 4 {
			want = append(want, line)
		}
	}
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		switch {
		case c.N == n && lost:
			return &connectortest.Fault{Err: errors.New("connection reset"), Lost: true}
		case c.N >= n:
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
		}
		return nil
	}}
	s := d.try(engine.RunOptions{})
	done = len(d.erpFaults.Calls()) < n
	if s.Err == nil && !done && !lost {
		t.Errorf("call %d failed and the run did not", n)
	}
	d.erpFaults = &connectortest.Faults{}
	d.run()
	d.want(fmt.Sprintf("call %d: the ERP", n), d.sold(), strings.Join(want, "\n"))
	d.want(fmt.Sprintf("call %d: what waits", n), d.open(), "E rejected rule few")
	return done
}

// TestLostAnswers: an answer that was lost is looked up before anything is sent
// again (promise 3).
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"it was done": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, rulesetText{size: 10})
			d.put(d.sales, "B", 9)
			d.order("A", 1)
			d.order("B", 1)
			first := true
			d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
				if c.Op != "apply" || !first {
					return nil
				}
				first = false
				return &connectortest.Fault{Err: errors.New("connection reset"), Lost: lost}
			}}
			d.want("run", d.run(), "1 created, 1 updated")
			d.want("the ERP", d.sold(), "A 1 - - -\nB 1 - - -")
		})
	}
}

// TestIDsOfTheDestination: an id that the destination makes is kept, and found
// both ways.
func TestIDsOfTheDestination(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{erp: `id = "row.id"`})
	d.sales.Serial = "id"
	d.order("A", 1)
	d.order("B", 1)
	d.want("run", d.run(), "2 created")
	d.want("the ERP", d.sold(), "A 1 - - 1\nB 1 - - 2")
	key, err := record.EncodeKey(record.Record(cells("B")), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	d.with(func(_ *engine.Engine, db *state.DB) {
		ids := make([]record.Value, 1)
		if err := db.IDs("erp.orders", []record.Key{key}, ids); err != nil || ids[0].Text() != "2" {
			t.Errorf("the id of B is %v, %v", ids[0], err)
		}
		if got, found, err := db.KeyOf("erp.orders", record.IntValue(2)); got != key || !found || err != nil {
			t.Errorf("the key of 2 is %q, %v, %v", got, found, err)
		}
	})
}

// TestObserving: a flow that observes settles and tells, and writes nothing; when
// it goes live it starts at the beginning.
func TestObserving(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{mode: "observe", entity: "rule \"few\" {\n check = \"qty < 5\"\n}", flow: "guard {\n rejects = \"100%\"\n}"})
	d.order("A", 1)
	d.order("B", 9)
	d.order("A", 2)
	d.want("observed", d.run(), "1 created, 1 updated, 1 rejected")
	d.want("the ERP", d.sold(), "")
	d.text.mode = "live"
	d.want("live", d.run(), "1 created, 1 updated, 1 rejected")
	d.want("the ERP", d.sold(), "A 2 - - -")
}

// TestLimits: a run that is limited goes on where it was.
func TestLimits(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 2})
	for _, no := range []string{"A", "B", "C", "D", "E"} {
		d.order(no, 1)
	}
	total := 0
	for range 4 {
		s := d.try(engine.RunOptions{Limit: 3})
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		total += int(s.Counts[engine.Created])
	}
	if total != 5 {
		t.Errorf("%d created in all", total)
	}
}

// TestEndedFromOutside: a run whose context ends settles what it began.
func TestEndedFromOutside(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 1})
	ctx, cancel := context.WithCancel(context.Background())
	reads := 0
	d.shopFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		if c.Op == "read" {
			if reads++; reads == 3 {
				cancel()
			}
		}
		return nil
	}}
	for _, no := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
		d.order(no, 1)
	}
	d.with(func(e *engine.Engine, db *state.DB) {
		if _, err := e.RunOnce(ctx, engine.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		d.verify(db)
	})
	some := d.sales.Len()
	if some == 0 || some == 8 {
		t.Errorf("%d of 8 were written", some)
	}
	d.run()
	if d.sales.Len() != 8 {
		t.Errorf("%d of 8 were written in the end", d.sales.Len())
	}
}

// TestUnknownFlow: a name that is none is told with those there are.
func TestUnknownFlow(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{})
	d.with(func(e *engine.Engine, _ *state.DB) {
		_, err := e.RunOnce(context.Background(), engine.RunOptions{Flows: []string{"order"}})
		if err == nil || !strings.Contains(err.Error(), "[orders]") {
			t.Error(err)
		}
		if _, err := e.Plan(context.Background(), "order", engine.PlanOptions{}); err == nil {
			t.Error("a plan of no flow")
		}
	})
}

// TestPlans: a plan of some keys, and of what changed rules would do.
func TestPlans(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{size: 2, entity: "rule \"few\" {\n check = \"qty < 5\"\n}", flow: "guard {\n rejects = \"100%\"\n}"})
	for i, no := range []string{"A", "B", "C"} {
		d.order(no, 3*i+1)
	}
	p := d.plan(engine.PlanOptions{Keys: []string{"B"}})
	if len(p.Items) != 1 || p.Items[0].Key != "B" || p.Items[0].Outcome != engine.Created {
		t.Errorf("plan of B: %+v", p.Items)
	}
	d.want("the ERP", d.sold(), "")
	d.run()
	if p = d.plan(engine.PlanOptions{}); p.Counts[engine.Unchanged] != 3 {
		t.Errorf("nothing new: %v", p.Counts)
	}
	p = d.plan(engine.PlanOptions{FromStart: true})
	if p.Counts[engine.Rejected] != 1 || p.Counts[engine.Unchanged] != 2 {
		t.Errorf("from the start: %v", p.Counts)
	}
	if p = d.plan(engine.PlanOptions{Limit: 1}); !p.Limited || p.Read != 1 {
		t.Errorf("limited: %+v", p)
	}
}
