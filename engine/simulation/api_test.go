package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/record"
)

// apis are the kinds of API, by how an unknown answer to it is settled; 0 is none.
var apis = []struct {
	name string
	memory.API
}{
	1: {"asked", memory.API{Find: true, Lag: time.Minute}},
	2: {"knowing", memory.API{Window: time.Hour, Knows: knows}},
	3: {"asked and knowing", memory.API{Find: true, Lag: time.Minute, Window: time.Hour, Knows: knows}},
	4: {"absolute", memory.API{Repeat: true}},
	5: {"doubling", memory.API{Double: true}},
	6: {"silent", memory.API{}},
}

// knows is for how long such an API really knows a message again: its clock is not ours.
const knows = 48 * time.Minute

// sendFaults are the ways in which a message fails that reaches the API.
var sendFaults = map[fate]memory.Fault{
	swallowed: {Status: connectors.Unknown, Err: errFailed},
	late:      {Status: connectors.Unknown, Stores: true, In: lateness, Err: errFailed},
	busy:      {Status: connectors.Untried, Err: &connectors.Error{Class: connectors.Down, Op: "send", After: time.Minute, Err: errFailed}},
	declined:  {Status: connectors.Refused, Code: "check", Words: "not today"},
}

// lateness is how long behind a lost answer its message may be done: less than the
// timeout of the connector.
const lateness = 20 * time.Second

// server is an API as it is: what it took, and what nobody heard of it.
type server struct {
	memory.API
	table  *memory.Table
	unique bool // it takes no second row of an item

	next     *memory.Fault // how the message fails that comes next; nil: not at all
	last     []string      // the items of the message that came last
	late     time.Time     // what is done late is done by then
	quiet    time.Time     // it asked to be left alone until then
	remapped bool          // a version may be told anew, with more of it or less
	over     bool          // it may know no message any more that this process knows of
	came     map[string]bool
	rows     map[string]int  // of each item
	newest   map[string]int  // version of each item
	took     map[int]bool    // versions
	declined map[int]bool    // versions that it said no to, though they are good
	doubtful map[string]bool // items of which an answer was lost, or may have been
	acted    map[string]bool // items that a person settled
	ordered  map[string]bool // messages that a person wants sent again
}

func newServer(pl plan, table *memory.Table) *server {
	s := &server{
		API: apis[pl.API].API, table: table, unique: pl.Unique > 0,
		came: make(map[string]bool), rows: make(map[string]int), newest: make(map[string]int),
		took: make(map[int]bool), declined: make(map[int]bool),
		doubtful: make(map[string]bool), acted: make(map[string]bool), ordered: make(map[string]bool),
	}
	s.Many = 1 + pl.Many
	table.API = &s.API
	return s
}

// mayDouble reports whether the operator lets an item have two rows.
func (s *server) mayDouble() bool { return s.Double && !s.unique }

// faults are the fates of a message. One that would be done behind its repetition, by
// a system that cannot tell, no protocol can save.
func (s *server) faults() []fate {
	all := []fate{failed, lost, swallowed, busy, declined}
	if !s.Repeat && !s.Double {
		all = append(all, late)
	}
	return all
}

// receive is called when a message has come, and says how it fails. It notes what
// should not have been sent.
func (w *world) receive(m memory.Send) *memory.Fault {
	s := w.api
	fault := s.next
	s.next, s.last = nil, nil
	intent := w.disk.announcedAs(m)
	switch {
	case intent == nil:
		w.problem("the API was sent what no intent says (R1): %q", m.Text)
		return fault
	case string(intent.Bytes) != string(m.Bytes):
		w.problem("%s was sent again as other bytes (R6)", itemOf(intent.Key()))
	}
	for i := range intent.Changes {
		item := itemOf(intent.Changes[i].Key)
		s.last = append(s.last, item)
		switch doubted := w.disk.inDoubt(intent.Changes[i].Key); {
		case doubted == "" || s.ordered[string(m.Bytes)]:
		case doubted != string(m.Bytes):
			w.problem("%s was sent while another version of it was in doubt (R9)", item)
		case unsettled(s):
			w.problem("%s is in doubt, and was sent again (promise 3)", item)
		}
	}
	if fault != nil && fault.Status == connectors.Refused && s.Window > 0 && s.came[string(m.Bytes)] {
		fault = nil // what it knows it answers as before
	}
	if s.came[string(m.Bytes)] = true; fault != nil {
		w.failing(fault, intent)
	}
	return fault
}

// failing notes what becomes of a message that fails.
func (w *world) failing(fault *memory.Fault, intent *engine.SendIntent) {
	s := w.api
	switch fault.Status {
	case connectors.Unknown:
		s.unanswered()
		s.late = time.Now().Add(fault.In)
	case connectors.Refused:
		for i := range intent.Changes {
			s.declined[versionOf(&intent.Changes[i])] = true
		}
	case connectors.Untried:
		s.quiet = time.Now().Add(connectors.AfterOf(fault.Err))
	}
}

// unanswered notes that nobody knows what became of the message that came last.
func (s *server) unanswered() {
	for _, item := range s.last {
		s.doubtful[item] = true
	}
}

// take is asked before the API stores a row, and notes what it should not have been given.
func (w *world) take(op connectors.Op, row map[string]record.Value) (code, words string) {
	s, key, v := w.api, row["sku"].Str(), int(row["qty"].Int())
	if v%6 == refusedRest {
		return "check", "unlucky quantity"
	}
	if op == connectors.Create && s.unique && s.rows[key] > 0 {
		s.declined[v] = true
		return "unique", "there is one"
	}
	w.sound("the API", key, v)
	if v < s.newest[key] {
		w.problem("%s: version %d was sent to the API after version %d (promise 8)", key, v, s.newest[key])
	}
	if s.took[v] && !s.Repeat && !s.Double && !s.remapped {
		w.problem("%s: the API was given version %d twice (promise 3)", key, v)
	}
	s.newest[key], s.took[v] = v, true
	if op == connectors.Create {
		if s.rows[key]++; s.rows[key] > 1 && !s.mayDouble() {
			w.problem("%s was created %d times in the API (promise 3)", key, s.rows[key])
		}
	}
	return "", ""
}

// judgeAPI says what the API lacks, has twice, or has wrong, and what is in doubt
// though it is known, or known to nobody and in doubt with nobody.
func (w *world) judgeAPI() {
	s := w.api
	time.Sleep(lateness)
	if err := s.table.CatchUp(time.Now()); err != nil {
		w.problem("the API: %v", err)
	}
	has, rows := make(map[string]int), make(map[string]int)
	for _, row := range s.table.Rows() {
		key := row[0].Str()
		if rows[key]++; rows[key] == 1 {
			has[key] = int(row[1].Int())
		}
	}
	open := w.waiting("orders")
	for _, key := range slices.Sorted(maps.Keys(w.model.versions)) {
		versions := w.model.versions[key]
		last := versions[len(versions)-1]
		switch o, ok := open[key]; {
		case ok && o.Outcome == engine.InDoubt:
			w.judgeDoubt(key, last, &o)
			continue
		case ok && rows[key] > 1: // it says no to whatever names two rows
			continue
		case ok && s.remapped && s.declined[last]: // it has it, and said no to be told anew
			continue
		}
		if s.doubtful[key] && !s.acted[key] && unsettled(s) {
			w.problem("%s: an answer of the API was lost, and nobody is told", key)
		}
		gaveUp := w.model.closed[last] || s.declined[last] // a person, once it was found not done, or the API
		w.judgeItem("the API", key, last, has[key], open, last%6 == refusedRest || has[key] != last && gaveUp)
	}
	if b := w.disk.books["orders"]; b != nil && len(b.sends) > 0 {
		w.problem("%d messages are kept at rest", len(b.sends))
	}
}

// unsettled reports whether nothing settles an unknown answer of the API.
func unsettled(s *server) bool { return !s.Find && s.Window == 0 && !s.Repeat && !s.Double }

// judgeDoubt holds that only what nobody can tell is in doubt, with its newest version.
func (w *world) judgeDoubt(key string, last int, o *engine.OpenRecord) {
	s := w.api
	switch {
	case !s.doubtful[key]:
		w.problem("%s is in doubt, and every answer of it was heard", key)
	case s.Find || s.Window > 0 && !s.over:
		w.problem("%s is in doubt, and the API can be asked (%s)", key, o.Code)
	case o.Row[1].Text() != fmt.Sprint(last):
		w.problem("%s: version %s waits behind what is in doubt, and the newest is %d", key, o.Row[1].Text(), last)
	}
}

// settleDoubt lets a person say what became of what is in doubt, as the API shows it.
func (p *process) settleDoubt(flow string, o *engine.OpenRecord) (what string, f func() error) {
	s, doubted := p.world.api, &o.Doubt.Changes[0]
	if time.Now().Before(s.late) || p.world.disk.sent(o.Key) {
		return "", nil // who looks now does not see it
	}
	if err := s.table.CatchUp(time.Now()); err != nil {
		p.world.problem("the API: %v", err)
	}
	as := engine.WasApplied
	if !s.took[versionOf(doubted)] {
		as = []engine.Resolution{engine.NotApplied, engine.SendAgain}[p.random.IntN(2)]
	}
	if s.acted[itemOf(o.Key)] = true; as == engine.SendAgain {
		s.ordered[string(o.Doubt.Bytes)] = true
	}
	return "resolve --" + string(as), func() error {
		_, err := p.engine.Resolve(flow, o.Exception, as, "", engine.Actor{Name: "ann"}, "looked")
		return err
	}
}

// lostAtTheEnd notes what was about to be sent when a process ended: nobody knows
// whether it was.
func (w *world) lostAtTheEnd() {
	b := w.disk.books["orders"]
	if b == nil {
		return
	}
	for _, send := range b.sends {
		for i := range send.Changes {
			if send.Changes[i].Answer == nil {
				w.api.doubtful[itemOf(send.Changes[i].Key)] = true
			}
		}
	}
}

// itemOf is the item that a ledger key is of.
func itemOf(key record.Key) string {
	at := strings.LastIndex(string(key), "K")
	return string(key)[at : at+len(sku(0))]
}

// versionOf is the version of an item that a change carries.
func versionOf(c *engine.ChangeIntent) int {
	return int(c.Sent[slices.Index(c.SentTo, "qty")].Int())
}

// announcedAs returns the kept message that says what m says, or one of the same
// changes, or nil.
func (d *disk) announcedAs(m memory.Send) *engine.SendIntent {
	defer d.lock()()
	var like *engine.SendIntent
	for _, b := range d.books {
		for _, send := range b.sends {
			if string(send.Bytes) == string(m.Bytes) {
				return &send
			} else if send.Text == m.Text {
				like = &send
			}
		}
	}
	return like
}

// itemsOf are the items that a kept message is about; what is no message is told as it is.
func (d *disk) itemsOf(about string) string {
	intent := d.announcedAs(memory.Send{Text: about})
	if intent == nil {
		return about
	}
	items := ""
	for i := range intent.Changes {
		items += fmt.Sprint(intent.Changes[i].Op, " ", itemOf(intent.Changes[i].Key), " ")
	}
	return items
}

// sent reports whether a message is kept that carries the record.
func (d *disk) sent(key record.Key) bool {
	defer d.lock()()
	for _, send := range d.books["orders"].sends {
		if slices.ContainsFunc(send.Changes, func(c engine.ChangeIntent) bool { return c.Key == key }) {
			return true
		}
	}
	return false
}

// inDoubt returns what was sent of a record that is in doubt, or "".
func (d *disk) inDoubt(key record.Key) string {
	defer d.lock()()
	if o := d.books["orders"].opens[key]; o.Outcome == engine.InDoubt {
		return string(o.Doubt.Bytes)
	}
	return ""
}
