package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/record"
)

// model is what is right, told independently of the engine.
type model struct {
	versions map[string][]int // of an item, as the shop had them, in order
	counts   map[string]int   // what the depot counted last
	notes    map[string]string
	last     int
	released map[int]bool   // versions that a person wanted to let pass; a crash may have kept it from that
	closed   map[int]bool   // versions that a person wanted to dismiss
	wrote    map[string]int // the newest version that the ERP was given
	created  map[string]int // how often an item was created in the ERP
}

func newModel() model {
	return model{
		versions: make(map[string][]int), counts: make(map[string]int), notes: make(map[string]string),
		released: make(map[int]bool), closed: make(map[int]bool),
		wrote: make(map[string]int), created: make(map[string]int),
	}
}

// next is a new version of an item: they grow, over all items.
func (m *model) next(key string) int {
	m.last++
	m.versions[key] = append(m.versions[key], m.last)
	return m.last
}

func (m *model) count(key string) int {
	m.counts[key]++
	return m.counts[key]
}

// good reports whether a version passes the rules.
func good(v int) bool { return v%6 != rejectedRest && v%6 != heldRest }

// allowed reports whether a version may be sent.
func (m *model) allowed(v int) bool { return good(v) || m.released[v] }

// written is called before the ERP takes a row. It refuses what the ERP refuses, and
// notes what should not have been sent.
func (w *world) written(op connectors.Op, row map[string]record.Value) (code, words string) {
	key, v := row["sku"].Str(), int(row["qty"].Int())
	if row["qty"].Missing() {
		w.problem("%s has no quantity in the ERP", key)
		return "", ""
	}
	if !w.disk.announced(key) {
		w.problem("%s: version %d was sent before its intent was committed (R1)", key, v)
	}
	if v%6 == refusedRest {
		return "check", "unlucky quantity"
	}
	w.sound("the ERP", key, v)
	if v < w.model.wrote[key] {
		w.problem("%s: version %d was sent after version %d (promise 8)", key, v, w.model.wrote[key])
	}
	w.model.wrote[key] = v
	if op == connectors.Create {
		if w.model.created[key]++; w.model.created[key] > 1 {
			w.problem("%s was created %d times (promise 3)", key, w.model.created[key])
		}
	}
	if note := w.model.notes[key]; note != "" && row["note"].Str() != note {
		w.problem("%s: the ERP's own note %q became %q (promise 5)", key, note, row["note"].Text())
	}
	return "", ""
}

// sound notes a version that no system should have been given.
func (w *world) sound(system, key string, v int) {
	if !slices.Contains(w.model.versions[key], v) {
		w.problem("%s: version %d was never in the shop, and %s was given it", key, v, system)
	}
	if !w.model.allowed(v) {
		w.problem("%s: version %d was stopped by a rule, and was sent to %s", key, v, system)
	}
}

// judge says all that is wrong when everything has come to rest.
func (w *world) judge() {
	w.audit()
	if w.setting.erp {
		w.judgeERP()
	}
	if w.tapeFlow() {
		w.judgeTape()
	}
	if w.setting.register {
		w.judgeRegister()
	}
	if w.setting.inFlight > 0 {
		w.judgeAPI()
	}
}

func (w *world) tapeFlow() bool { return w.setting.tape }

// audit verifies each ledger (promise 1).
func (w *world) audit() {
	names, _ := w.disk.Ledgers()
	for _, name := range names {
		l, _ := w.disk.Ledger(name, "", "")
		report, err := engine.Verify(name, l, w.disk.told(name))
		if err != nil || len(report.Violations) > 0 {
			w.problem("verify %s: %v %v", name, err, report.Violations)
		}
		if intent, _ := l.Intent(); intent != nil {
			w.problem("%s: an intent over %d records is open at rest", name, len(intent.Keys))
		}
	}
}

// waiting are the open records of a flow, by item.
func (w *world) waiting(flow string) map[string]engine.OpenRecord {
	all := make(map[string]engine.OpenRecord)
	b := w.disk.books[flow]
	if b == nil {
		return all
	}
	for _, o := range b.opens {
		all[o.Row[0].Text()] = o
	}
	return all
}

// judgeERP compares the ERP's table with the model: promises 2 and 3.
func (w *world) judgeERP() {
	rows := make(map[string]record.Row)
	for _, row := range w.erp.Rows() {
		key := row[0].Str()
		if rows[key] != nil {
			w.problem("the ERP has two rows of %s", key)
		}
		rows[key] = row
	}
	open := w.waiting("items")
	for _, key := range slices.Sorted(maps.Keys(w.model.versions)) {
		versions := w.model.versions[key]
		last, has := versions[len(versions)-1], 0
		if row := rows[key]; row != nil {
			has = int(row[1].Int())
		}
		w.judgeItem("the ERP", key, last, has, open, last%6 == refusedRest)
		if n := w.model.counts[key]; w.setting.depot && n > 0 && rows[key] != nil {
			if got := rows[key][3].Text(); got != strconv.Itoa(n) {
				w.problem("%s: the depot counted %d, the ERP has %s", key, n, got)
			}
		}
		delete(rows, key)
	}
	for key := range rows {
		w.problem("the ERP has %s, which no system ever had", key)
	}
}

// judgeItem says whether the newest version of an item is there, or waits.
func (w *world) judgeItem(system, key string, last, has int, open map[string]engine.OpenRecord, refused bool) {
	waits, isOpen := open[key]
	switch passes := good(last) && !refused; {
	case passes && has != last:
		w.problem("%s: version %d is lost: %s has %d (promise 2)", key, last, system, has)
	case has == last && isOpen:
		w.problem("%s: version %d is in %s and waits as %s", key, last, system, waits.Outcome)
	case has == last && !passes && !w.model.released[last]:
		w.problem("%s: version %d was stopped, and is in %s", key, last, system)
	case has != last && !isOpen && !w.model.closed[last]:
		w.problem("%s: version %d was stopped, and waits nowhere (%s has %d)", key, last, system, has)
	case isOpen && waits.Row[1].Text() != strconv.Itoa(last):
		w.problem("%s: version %s waits, and the newest is %d", key, waits.Row[1].Text(), last)
	}
}

// judgeTape holds that each version is on the tape once, and in order.
func (w *world) judgeTape() {
	if w.tape.broken != "" {
		w.problem("the tape was %s", w.tape.broken)
	}
	if len(w.tape.part) > 0 {
		w.problem("%d rows of the tape are not published", len(w.tape.part))
	}
	newest := make(map[string]int)
	for _, row := range w.tape.published {
		key, v := row[0].Str(), int(row[1].Int())
		switch {
		case !slices.Contains(w.model.versions[key], v) || !w.model.allowed(v):
			w.problem("%s: version %d must not be on the tape", key, v)
		case v == newest[key]:
			w.problem("%s: version %d is on the tape twice (promise 3)", key, v)
		case v < newest[key]:
			w.problem("%s: version %d is on the tape behind %d (promise 8)", key, v, newest[key])
		}
		newest[key] = max(newest[key], v)
	}
	open := w.waiting("copies")
	for _, key := range slices.Sorted(maps.Keys(w.model.versions)) {
		versions := w.model.versions[key]
		w.judgeItem("the tape", key, versions[len(versions)-1], newest[key], open, false)
	}
	if b := w.disk.books["copies"]; b != nil {
		counted := b.header.Counts[engine.Created] + b.header.Counts[engine.Updated]
		if int64(len(w.tape.published)) != counted {
			w.problem("the tape has %d rows, and the ledger counts %d", len(w.tape.published), counted)
		}
	}
}

// text is all that is wrong.
func (w *world) text() string {
	text := ""
	for _, p := range w.problems {
		text += fmt.Sprintln(" -", p)
	}
	return text
}
