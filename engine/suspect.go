package engine

import (
	"context"
	"fmt"
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// suspectPage is how many suspected records are asked for at a time.
const suspectPage = 500

// Suspects are records of another flow that may have been changed by another system.
type Suspects struct {
	Ledger string
	Keys   []record.Key
}

// witness compares the rows that this flow reads with what another flow delivered
// there. It only suspects: what it reads may be older than what was delivered since,
// or newer than what is settled. The other flow looks for itself.
type witness struct {
	flow    string
	from    string // its source
	ledger  Ledger
	name    string
	shape   record.Hash
	own     *rules.Ownership
	width   int // how many columns an update of that flow may write
	columns []witnessed
	fresh   bool // nothing was suspected before: the flow is to be told
}

// witnessed is one column that the other flow delivers and this flow reads.
type witnessed struct {
	row, column, k int // in the row, in the other's columns, among those it may update
	kind           record.Kind
}

// openWitnesses opens what the live flows into this flow's source delivered there.
func (r *run) openWitnesses() ([]*witness, error) {
	if r.observer != nil {
		return nil, nil
	}
	ledgers, err := r.engine.State.Ledgers()
	if err != nil {
		return nil, fmt.Errorf("list the ledgers: %w", err)
	}
	var all []*witness
	for _, f := range r.of.set.Flows {
		if f.To != r.flow.From || f.Mode != rules.Live || !slices.Contains(ledgers, LedgerName(f.Name, f.Mode)) {
			continue
		}
		w := newWitness(f)
		if len(w.columns) == 0 {
			continue
		}
		if w.ledger, err = r.engine.State.Ledger(w.name, resourceName(f.From), resourceName(f.To)); err != nil {
			return nil, fmt.Errorf("open the ledger of flow %s: %w", f.Name, err)
		}
		before, err := w.ledger.Suspects("", 1)
		if err != nil {
			return nil, fmt.Errorf("read what is suspected of flow %s: %w", f.Name, err)
		}
		w.fresh = len(before) == 0
		all = append(all, w)
	}
	return all, nil
}

func newWitness(f *rules.Flow) *witness {
	own := rules.NewOwnership(f)
	w := &witness{flow: f.Name, from: resourceName(f.From), name: LedgerName(f.Name, f.Mode), own: own, shape: shapeOf(own)}
	for c, column := range own.Columns {
		if !own.Update[c] {
			continue
		}
		if at := slices.Index(f.To.Columns.Names, column.Name); at >= 0 && column.Kind != record.List {
			w.columns = append(w.columns, witnessed{row: at, column: c, k: w.width, kind: column.Kind})
		}
		w.width++
	}
	return w
}

// suspect notes the records of a batch whose rows do not show what other flows
// delivered.
func (d *decider) suspect(b *batch) error {
	if b.again || b.unit {
		return nil
	}
	for _, w := range d.witnesses {
		keys, items, err := d.namesFor(w, b)
		if err != nil {
			return err
		}
		entries := make([]Entry, len(keys))
		if err := w.ledger.Find(keys, entries); err != nil {
			return fmt.Errorf("look up what flow %s delivered: %w", w.flow, err)
		}
		found := Suspects{Ledger: w.name}
		for i := range entries {
			if items[i].broken == "" && d.shows(w, &entries[i], items[i]) {
				found.Keys = append(found.Keys, keys[i])
			}
		}
		if found.Keys = slices.Compact(found.Keys); len(found.Keys) > 0 {
			b.suspects = append(b.suspects, found)
			b.wake = append(b.wake, w)
		}
	}
	return nil
}

// namesFor returns the keys under which the other flow knows the items, in order.
func (d *decider) namesFor(w *witness, b *batch) (keys []record.Key, items []*item, err error) {
	for _, i := range b.order {
		if it := &b.items[i]; it.key != "" && it.key[0] == keyedSpace {
			keys, items = append(keys, it.key), append(items, it)
		}
	}
	if !d.matches() {
		return keys, items, nil
	}
	return d.linkedNames(w, items)
}

// shows reports whether the row shows something else than was delivered.
func (d *decider) shows(w *witness, e *Entry, it *item) bool {
	if !e.Delivered || e.Shape != w.shape || len(e.Hashes) != w.width || !e.Stopped.IsZero() {
		return false
	}
	for _, c := range w.columns {
		v := it.row[c.row]
		delivered := e.Hashes[c.k]
		if v.IsAbsent() || delivered == absentHash || delivered == nullHash && w.own.KeepOnNull[c.column] {
			continue
		}
		if v.Missing() {
			if delivered == nullHash {
				continue
			}
		} else if converted, err := record.Convert(v, c.kind, d.flow.From.Locale); err == nil {
			v = converted
		}
		d.digest = v.AppendCanonical(d.digest[:0])
		if hash := record.HashOf(d.digest); hash != delivered && (c.k >= len(e.Shown) || e.Shown[c.k] != hash) {
			return true
		}
	}
	return false
}

// readSuspects asks the source for the records that other flows suspect, and has
// them compared with the destination. Where it cannot be asked by key, they are
// compared when they are read next.
func (rd *reader) readSuspects(ctx context.Context) error {
	getter, columns := rd.askedByKey()
	if getter == nil {
		return nil // they were noted when the run began
	}
	for after := record.Key(""); ctx.Err() == nil; {
		keys, err := rd.ledger.Suspects(after, suspectPage)
		if err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1]
		b := &batch{again: true, examined: keys}
		if b.items, err = rd.getSuspects(ctx, getter, columns, keys); err != nil {
			return err
		}
		if err := rd.judge.items(rd.work, b); err != nil {
			return err
		}
		if rd.keys != nil {
			b.keep(rd.keys)
		}
		b.sortItems()
		if err := rd.send(b); err != nil {
			return err
		}
	}
	return nil
}

// askedByKey returns the source where it can be asked for records by key, and by
// which columns; else nil.
func (r *run) askedByKey() (connectors.Getter, []string) {
	columns := sourceKey(r.flow.From)
	if getter := connectors.GetterBy(r.source, columns); getter != nil && columns != nil {
		return getter, columns
	}
	return nil, nil
}

// awaitSuspects notes what is to be compared when it is read, where the source cannot
// be asked for it. All stages of the run look there, so it is noted before they begin.
func (r *run) awaitSuspects() error {
	if getter, _ := r.askedByKey(); getter != nil {
		return nil
	}
	defer func() { r.tellSuspected(len(r.suspected)) }()
	for after := record.Key(""); ; {
		keys, err := r.ledger.Suspects(after, suspectPage)
		if err != nil || len(keys) == 0 {
			return err
		}
		if r.suspected == nil {
			r.suspected = make(map[record.Key]bool)
		}
		for _, key := range keys {
			r.suspected[key] = true
		}
		after = keys[len(keys)-1]
	}
}

// tellSuspected tells that more records than before wait to be compared: their
// source cannot be asked for them, so that may be long.
func (r *run) tellSuspected(n int) {
	if r.observer != nil || !r.engine.suspected.more(r.ledgerName(), int64(n)) {
		return
	}
	const what = "records look otherwise than they were delivered; they are compared when their source is read again: at the next sweep, or rewind the flow"
	r.log.Warn(what, "records", n, "system", r.summary.To)
	r.notify(Event{Kind: EventConflict, Code: "suspected", Count: int64(n), Sample: r.summary.To + ": " + what})
}

// getSuspects reads the records by key. One that the source has no more, or twice,
// is left to its readings.
func (rd *reader) getSuspects(ctx context.Context, getter connectors.Getter, columns []string, keys []record.Key) (items []item, err error) {
	entity, asked := rd.flow.From.Entity, make([][]record.Value, 0, len(keys))
	for _, key := range keys {
		values, err := keyValues(entity, key[1:])
		if err != nil {
			return nil, fmt.Errorf("read the suspected key %q: %w", key, err)
		}
		if rd.matches() {
			if values[0], err = rd.idAsGiven(values[0]); err != nil {
				return nil, err
			}
		}
		asked = append(asked, values)
	}
	var got []connectors.Got
	get := func() (err error) {
		got, err = getter.Get(ctx, columns, asked)
		return hideIn(err, sensitiveKeys(entity.Schema, entity.Schema.Key, asked))
	}
	if err := rd.retry(ctx, rd.flow.From, get); err != nil {
		return nil, err
	}
	count := make(map[int]int, len(got))
	for _, g := range got {
		count[g.At]++
	}
	for _, g := range got {
		if count[g.At] == 1 {
			items = append(items, item{row: g.Row, where: "asked for by key"})
		}
	}
	return items, nil
}

// sourceKey are the columns that hold the key where rows are read, nil where an
// expression makes a part of it: then rows cannot be asked for by key.
func sourceKey(from *rules.Resource) []string {
	if from.Entity.Match != nil {
		return from.ReadKey
	}
	var columns []string
	for _, f := range from.Entity.Schema.Key {
		reading := from.Read[f]
		if reading.Program != nil || reading.Column < 0 {
			return nil
		}
		columns = append(columns, from.Columns.Names[reading.Column])
	}
	return columns
}

// keyValues are the parts of a key.
func keyValues(entity *rules.Entity, key record.Key) ([]record.Value, error) {
	return record.DecodeKey(key, entity.KeyKinds())
}

// wakeSuspected lets the flows run whose records were found changed.
func (r *run) wakeSuspected(b *batch) {
	for _, w := range b.wake {
		if w.fresh {
			w.fresh = false
			r.engine.Kick(w.flow)
		}
	}
}
