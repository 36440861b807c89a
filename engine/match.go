package engine

import (
	"context"
	"fmt"
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// matches reports whether the two systems share no key: a record is then known by
// its id in the source, and found in the destination by its link, or by fields.
func (r *run) matches() bool { return r.flow.From.Entity.Match != nil }

// recordName is the name of a record that has none yet: its ids in all systems are
// kept under the id and the resource it was first seen in.
func recordName(resource string, id record.Value) record.Key {
	var name []byte
	for _, text := range []string{resource, id.Text()} {
		name, _ = record.AppendKey(name, record.StringValue(text)) // a text is a key, however long
	}
	return record.Key(name)
}

// nameMatched fills the names of the records of a batch: of those that are linked,
// the name that all their ids are kept under.
func (r *run) nameMatched(b *batch, names []record.Key) error {
	from := resourceName(r.flow.From)
	for i := range b.items {
		it := &b.items[i]
		if it.link == nil {
			continue
		}
		id := it.id
		if id.Missing() {
			id = record.StringValue(KeyText(r.flow.From.Entity, it.key[1:]))
		}
		name, known, err := r.engine.State.KeyOf(from, id)
		if err != nil {
			return fmt.Errorf("look up the links of %s: %w", from, err)
		}
		if !known {
			name = recordName(from, id)
		}
		it.link.name, names[i] = name, name
	}
	return nil
}

// askMatched finds what the destination holds of records without a common key: by
// their link, and where there is none by the fields of match, in turn.
func (d *decider) askMatched(ctx context.Context, b *batch, ask []int32) error {
	var linked, free []*item
	for _, i := range ask {
		switch it := &b.items[i]; {
		case d.simulated(it):
		case it.toID.Missing():
			free = append(free, it)
		default:
			linked = append(linked, it)
		}
	}
	found, err := d.findBy(ctx, d.flow.To.WriteKey, linked, func(it *item) record.Value { return it.toID })
	if err != nil {
		return err
	}
	for _, it := range linked {
		switch rows := found[it]; len(rows) {
		case 0: // it was deleted there
			it.toID = record.Value{}
			free = append(free, it)
		case 1:
			d.foundRow(it, &rows[0])
		default:
			it.verdict = ambiguous(len(rows))
		}
	}
	return d.match(ctx, free)
}

// match tries the fields of match in turn.
func (d *decider) match(ctx context.Context, free []*item) error {
	claimed := make(map[string]bool)
	free, err := d.matchBy(ctx, free, claimed, d.own.Reference, func(it *item) bool { return d.unknownCreate(it) })
	if err != nil {
		return err
	}
	for _, c := range d.own.Match {
		if free, err = d.matchBy(ctx, free, claimed, c, func(*item) bool { return true }); err != nil {
			return err
		}
	}
	if !isWithheld(d.dest) || d.matched == nil {
		d.matched = make(map[string]bool) // what is created is found by the next batch
	}
	for _, it := range free {
		d.unmatched(it)
	}
	return nil
}

// matchBy links the records that one column finds, and returns those it does not.
func (d *decider) matchBy(ctx context.Context, free []*item, claimed map[string]bool, c int, wanted func(*item) bool) (left []*item, err error) {
	if c < 0 {
		return free, nil
	}
	var asked []*item
	for _, it := range free {
		if !it.values[c].Missing() && wanted(it) {
			asked = append(asked, it)
		}
	}
	found, err := d.findBy(ctx, []string{d.own.Columns[c].Name}, asked, func(it *item) record.Value { return it.values[c] })
	if err != nil {
		return nil, err
	}
	for _, it := range free {
		switch rows := found[it]; len(rows) {
		case 0:
			left = append(left, it)
		case 1:
			if err := d.linkTo(it, &rows[0], claimed, c); err != nil {
				return nil, err
			}
		default:
			it.verdict = d.ambiguousMatch(c, fmt.Sprintf("finds %d rows in the destination", len(rows)))
		}
	}
	return left, nil
}

// linkTo links a record with the row it was matched to, which may be linked with
// other systems, but with no other record of this source.
func (d *decider) linkTo(it *item, row *connectors.Found, claimed map[string]bool, c int) error {
	id := d.judge.destinationID(row.Returning)
	from, to := resourceName(d.flow.From), resourceName(d.flow.To)
	name, known, err := d.engine.State.KeyOf(to, id)
	if err != nil {
		return fmt.Errorf("look up the links of %s: %w", to, err)
	}
	if known && name != it.link.name {
		ids := make([]record.Value, 1)
		if err := d.engine.State.IDs(from, []record.Key{name}, ids); err != nil {
			return fmt.Errorf("look up ids of %s: %w", from, err)
		}
		if !ids[0].Missing() {
			claimed[id.Text()] = true
		} else {
			*it.link = link{name: name} // both ids are kept under the name that is known
		}
	}
	if claimed[id.Text()] {
		it.verdict = d.ambiguousMatch(c, "finds a row that is linked to another record of "+from)
		return nil
	}
	claimed[id.Text()] = true
	d.foundRow(it, row)
	return nil
}

// unmatched decides for a record that nothing was found for. One that cannot be told
// from another that is being created waits; one that may have been created by a run
// whose end is not known is left in doubt, where nothing could find it (promise 3).
func (d *decider) unmatched(it *item) {
	findable := false
	for _, c := range d.own.Match {
		if c < 0 || it.values[c].Missing() {
			continue
		}
		findable = true
		value := string(it.values[c].AppendCanonical(append([]byte(d.own.Columns[c].Name), 0)))
		if d.matched[value] && !it.stopped() {
			it.verdict = d.ambiguousMatch(c, "is also that of another record of "+resourceName(d.flow.From))
		}
		d.matched[value] = true
	}
	if d.unknownCreate(it) && !findable && d.own.Reference < 0 {
		it.verdict = unknownCreate()
		it.decide(InDoubt)
	}
	it.asked = true
}

// unknownCreate reports whether the record may have been created by an attempt whose
// answer is not known.
func (d *decider) unknownCreate(it *item) bool {
	_, open := d.intents[it.key]
	return open || it.entry.Outcome == InDoubt
}

func unknownCreate() rules.Verdict {
	return rules.Verdict{Severity: rules.Hold, Failures: []record.Reason{{
		Stage: record.StageDestination, Code: "unknown_create",
		Message: "it may have been created: the answer was lost, and none of the fields it is matched by has a value to find it by",
	}}}
}

func (d *decider) ambiguousMatch(c int, why string) rules.Verdict {
	return rules.Verdict{Severity: rules.Hold, Failures: []record.Reason{{
		Stage: record.StageDestination, Code: "ambiguous_match", Field: d.own.FieldsText(c),
		Message: "its " + d.own.FieldsText(c) + " " + why,
	}}}
}

func (d *decider) foundRow(it *item, row *connectors.Found) {
	it.asked, it.current = true, row.Write
	it.toID = d.judge.destinationID(row.Returning)
	if d.own.NeedsCurrent && len(row.Read) > 0 {
		it.held = d.judge.worker.Current(row.Read)
	}
}

// findBy asks for the rows whose column has the value of each item.
func (r *run) findBy(ctx context.Context, columns []string, items []*item, value func(*item) record.Value) (map[*item][]connectors.Found, error) {
	if len(items) == 0 {
		return nil, nil
	}
	query := connectors.Query{Columns: columns, Keys: make([][]record.Value, len(items))}
	for i, it := range items {
		query.Keys[i] = []record.Value{value(it)}
	}
	rows, err := r.find(ctx, &query, func() []*item { return items })
	if err != nil {
		return nil, err
	}
	found := make(map[*item][]connectors.Found, len(rows))
	for _, row := range rows {
		found[items[row.At]] = append(found[items[row.At]], row)
	}
	return found, nil
}

// lookForCreated asks for records that were being created when the answer was lost:
// by the reference, or by what they are matched by. Updates and deletes by id are
// sent again. One that nothing can find is left in doubt.
func (d *deliverer) lookForCreated(ctx context.Context, doubt map[*item]bool) error {
	columns := slices.Concat([]int{d.own.Reference}, d.own.Match)
	if d.own.Reference >= 0 {
		columns = columns[:1] // it finds what was created, and nothing else
	}
	var left []*item
	for it := range doubt {
		if it.op == connectors.Create {
			left = append(left, it)
		}
	}
	for _, it := range left {
		asked := false
		for _, c := range columns {
			if c < 0 || it.values[c].Missing() {
				continue
			}
			asked = true
			found, err := d.findBy(ctx, []string{d.own.Columns[c].Name}, []*item{it}, func(it *item) record.Value { return it.values[c] })
			if err != nil {
				return err
			}
			if len(found[it]) == 1 {
				d.wasCreated(it, &found[it][0], doubt)
				break
			}
		}
		if !asked {
			it.verdict, it.outcome = unknownCreate(), InDoubt
			delete(doubt, it)
		}
	}
	return nil
}

// wasCreated takes a row that was found for a create without an answer.
func (d *deliverer) wasCreated(it *item, row *connectors.Found, doubt map[*item]bool) {
	it.toID = d.judge.destinationID(row.Returning)
	if d.holds(row.Write, it.send) {
		delete(doubt, it)
		return
	}
	it.op, it.outcome = connectors.Update, Updated
	it.send = updatesOf(it.send, d.own.Update)
}

// idAsGiven returns the id of a record of the source as that gave it, of which the
// ledger keeps the text.
func (r *run) idAsGiven(text record.Value) (record.Value, error) {
	from := resourceName(r.flow.From)
	name, known, err := r.engine.State.KeyOf(from, text)
	if err != nil || !known {
		return text, err
	}
	ids := make([]record.Value, 1)
	if err := r.engine.State.IDs(from, []record.Key{name}, ids); err != nil || ids[0].Missing() {
		return text, err
	}
	return ids[0], nil
}

// linkedNames returns the ledger keys under which another flow knows the records of
// this source that are linked to its own, in order.
func (d *decider) linkedNames(w *witness, items []*item) (keys []record.Key, linked []*item, err error) {
	names := make([]record.Key, len(items))
	for i, it := range items {
		names[i] = it.link.name
	}
	ids := make([]record.Value, len(names))
	if err := d.engine.State.IDs(w.from, names, ids); err != nil {
		return nil, nil, fmt.Errorf("look up ids of %s: %w", w.from, err)
	}
	type pair struct {
		key record.Key
		it  *item
	}
	var pairs []pair
	for i, id := range ids {
		if key, err := record.AppendKey([]byte{keyedSpace}, record.StringValue(id.Text())); err == nil && !id.Missing() {
			pairs = append(pairs, pair{record.Key(key), items[i]})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return compareText(string(a.key), string(b.key)) })
	for _, p := range pairs {
		keys, linked = append(keys, p.key), append(linked, p.it)
	}
	return keys, linked, nil
}
