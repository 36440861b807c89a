package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/memory"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/load"
)

// What becomes of a version is seen from what it leaves when it is divided by six.
const (
	rejectedRest = 2 // a rule rejects it
	heldRest     = 3 // a rule holds it, until a person lets it pass
	refusedRest  = 4 // the ERP refuses it
)

const systems = `
connector "shop" {
  type = "table"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
    %s
  }
}
connector "depot" {
  type = "table"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
    fields = [sku, stock]
  }
}
connector "erp" {
  type = "table"
  retry {
    attempts = 3
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
  }
}
connector "api" {
  type = "table"
  retry {
    attempts = 3
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
    fields = %s
  }
}
connector "register" {
  type = "register"
  retry {
    attempts = 3
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
    fields = [qty, kind]
  }
}
connector "tape" {
  type = "tape"
  retry {
    attempts = 3
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
    fields = [sku, qty, kind]
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
  field "kind" {
    type = string
  }
  field "stock" {
    type     = int
    optional = true
    owner    = connector.depot
  }
  field "note" {
    type     = string
    optional = true
    owner    = connector.erp
  }
}
`

// flowText is one flow into a destination, with what may be reloaded of it.
const flowText = `
flow "%s" {
  from = connector.%s.items
  to   = connector.%s.items
  mode = live
  %s
  batch {
    size = %d%s
  }
  guard {
    rejects = "100%%"
  }
}
`

const shopRules = `
  rule "sound" {
    check = "kind != 'bad'"
  }
  rule "seen" {
    check   = "kind != 'odd'"
    on_fail = hold
    release = ["ann"]
  }
`

// setting is what a world is made of; equal ones have one ruleset.
type setting struct {
	erp, tape, depot bool // which flows there are
	register         bool
	cursor           bool // the shop is read by a cursor
	size             int  // of a batch
	inFlight         int  // messages to the API at a time; 0: there is none
	remapped         bool // the API is told of less
}

func (s setting) hcl() string {
	shop := "fields = [sku, qty, kind, note]"
	if s.cursor {
		shop += "\n    cursor = \"seq\""
	}
	told := "[sku, qty, kind]"
	if s.remapped {
		told = "[sku, qty]"
	}
	var text strings.Builder
	fmt.Fprintf(&text, systems, shop, told)
	if s.erp {
		fmt.Fprintf(&text, flowText, "items", "shop", "erp", shopRules, s.size, "")
	}
	if s.depot {
		fmt.Fprintf(&text, flowText, "stock", "depot", "erp", "create = false", s.size, "")
	}
	if s.tape {
		fmt.Fprintf(&text, flowText, "copies", "shop", "tape", shopRules, s.size, "")
	}
	if s.register {
		fmt.Fprintf(&text, flowText, "bookings", "shop", "register", shopRules, s.size, "")
	}
	if s.inFlight > 0 {
		fmt.Fprintf(&text, flowText, "orders", "shop", "api", shopRules, s.size, fmt.Sprintf("\n    in_flight = %d", s.inFlight))
	}
	return text.String()
}

// loaded keeps the rulesets, which are read only: compiling one takes longer than a run.
var loaded struct {
	sync.Mutex
	sets map[setting]*rules.Ruleset
}

// ruleset compiles what the setting says.
func (s setting) ruleset() *rules.Ruleset {
	loaded.Lock()
	defer loaded.Unlock()
	if set := loaded.sets[s]; set != nil {
		return set
	}
	table := memory.Kind(memory.New())
	table.Name = "table"
	set, diags := load.Load(".", []load.File{{Name: "x.hcl", Bytes: []byte(s.hcl())}}, []connectors.Kind{table, tapeKind(), registerKind()})
	if diags.HasErrors() {
		panic(fmt.Sprint(diags))
	}
	if loaded.sets == nil {
		loaded.sets = make(map[setting]*rules.Ruleset)
	}
	loaded.sets[s] = set
	return set
}

// world is everything that outlives a process: the systems, and the disk. It knows what
// is right (see model_test.go).
type world struct {
	setting
	disk     *disk
	stores   map[string]*memory.Store
	items    *memory.Table // of the shop
	depot    *memory.Table
	erp      *memory.Table
	tape     *tape
	register *register
	api      *server
	model    model
	problems []string
}

func newWorld(pl plan) *world {
	w := &world{setting: pl.setting(), disk: newDisk(), tape: &tape{}, stores: make(map[string]*memory.Store)}
	for _, name := range []string{"shop", "depot", "erp", "api"} {
		w.stores[name] = memory.New()
	}
	w.items = w.stores["shop"].Create("items", "sku", "qty", "kind", "note", "seq")
	w.depot = w.stores["depot"].Create("items", "sku", "stock")
	w.erp = w.stores["erp"].Create("items", "sku", "qty", "kind", "stock", "note")
	w.erp.Refuse = w.written
	w.api = newServer(pl, w.stores["api"].Create("items", "sku", "qty", "kind"))
	w.api.table.Refuse, w.api.Fail = w.take, w.receive
	w.register = &register{entries: make(map[string]entered), take: w.entered}
	w.model = newModel()
	return w
}

// open opens a connector of the ruleset, whose calls go through the gate.
func (w *world) open(c *rules.Connector, g gate) (connectors.Connector, error) {
	kind := memory.Kind(w.stores[c.Name])
	switch c.Name {
	case "tape":
		kind = tapeKind()
		kind.Open = func(any, connectors.Tools) (connectors.Connector, error) { return tapeConnector{w.tape}, nil }
	case "register":
		kind = registerKind()
		kind.Open = func(any, connectors.Tools) (connectors.Connector, error) {
			return registerConnector{register: w.register}, nil
		}
	}
	faults := &connectortest.Faults{Around: func(call connectortest.Call, do func() error) error {
		op := c.Name + "." + call.Op
		if c.Name == "api" { // several may be under way
			op += " " + w.disk.itemsOf(call.About)
		}
		return g(op, do)
	}}
	return connectortest.Faulty(kind, faults).Open(c.Settings, connectors.Tools{Now: clock{}.Now})
}

// problem notes what is wrong.
func (w *world) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func sku(n int) string { return fmt.Sprintf("K%02d", n) }

// sell lets the shop bring a new version of an item.
func (w *world) sell(n int) {
	key := sku(n)
	v := w.model.next(key)
	qty, kind := record.IntValue(int64(v)), record.StringValue(kindOf(v))
	if w.items.Set("sku", record.StringValue(key), "qty", qty) == 0 {
		w.items.Insert(record.StringValue(key), qty, kind, record.StringValue("first"), qty)
		return
	}
	w.items.Set("sku", record.StringValue(key), "kind", kind)
	w.items.Set("sku", record.StringValue(key), "seq", qty)
}

// kindOf is what the rules see of a version.
func kindOf(v int) string {
	switch v % 6 {
	case rejectedRest:
		return "bad"
	case heldRest:
		return "odd"
	}
	return "fine"
}

// stock lets the depot count an item anew.
func (w *world) stock(n int) {
	key := sku(n)
	v := record.IntValue(int64(w.model.count(key)))
	if w.depot.Set("sku", record.StringValue(key), "stock", v) == 0 {
		w.depot.Insert(record.StringValue(key), v)
	}
}

// remark lets the ERP's people write into a field that is theirs.
func (w *world) remark(r *rand.Rand) {
	rows := w.erp.Rows()
	if len(rows) == 0 {
		return
	}
	key, note := rows[r.IntN(len(rows))][0], fmt.Sprint("seen ", r.IntN(100))
	w.erp.Set("sku", key, "note", record.StringValue(note))
	w.model.notes[key.Str()] = note
}
