package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
)

// wideCache is as much of the database in memory as references need: one lot looks at as
// many pages as it has records, wherever they stand.
const wideCache = "PRAGMA cache_size = -16384" // KiB

// way is how a lot is applied, and one change of it.
type way interface {
	whole(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt) error
	one(db *sqlitedb.Conn, c connectors.Change) (connectors.Receipt, error)
}

// once adds each record to its table once. Whether it is there is told by its reference:
// in the column for it, or in a table beside, written by the same transaction.
type once struct {
	d       *destination
	addedTo string // the table's name, as the table of references has it
}

// Place implements connectors.Destination.
func (o *once) Place() (string, error) { return o.d.Place() }

// Probe implements connectors.Prober.
func (o *once) Probe(ctx context.Context) (bool, error) {
	if there, err := o.d.Probe(ctx); err != nil || !there {
		return there, err
	}
	d := o.d
	return true, d.with(ctx, &d.reading, true, "look at "+d.name(), func(db *sqlitedb.Conn) error { return d.check(db, names(d.resource.Write)) })
}

// Apply implements connectors.Destination.
func (o *once) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	return o.d.apply(ctx, lot, o)
}

// whole implements way.
func (o *once) whole(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	before, err := o.before(db, lot.Changes)
	if err != nil {
		return err
	}
	return connectors.AddOnce(lot, receipts, before, func(fresh connectors.Lot, receipts []connectors.Receipt) error {
		return o.d.whole(db, fresh, receipts)
	})
}

// one implements way.
func (o *once) one(db *sqlitedb.Conn, c connectors.Change) (connectors.Receipt, error) {
	lot, receipts := connectors.Lot{Changes: []connectors.Change{c}}, make([]connectors.Receipt, 1)
	before, err := o.before(db, lot.Changes)
	if err != nil {
		return connectors.Receipt{}, err
	}
	err = connectors.AddOnce(lot, receipts, before, func(fresh connectors.Lot, receipts []connectors.Receipt) error {
		for i, c := range fresh.Changes {
			var err error
			if receipts[i], err = o.d.one(db, c); err != nil {
				return err
			}
		}
		return nil
	})
	return receipts[0], err
}

// before tells what is there of each record. Those that were not added are noted: they
// will be.
func (o *once) before(db *sqlitedb.Conn, changes []connectors.Change) ([]connectors.Presence, error) {
	find := o.inColumn
	if o.d.resource.Reference == "" {
		if err := o.prepare(db); err != nil {
			return nil, err
		}
		find = o.inTable
	}
	before := make([]connectors.Presence, len(changes))
	for i := range changes {
		err := connectors.CheckAppend(&changes[i])
		if err == nil {
			before[i], err = find(db, &changes[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return before, nil
}

// prepare makes the table of references where it is not there, and learns the name that
// the table was made with, however it is written in the ruleset.
func (o *once) prepare(db *sqlitedb.Conn) error {
	if err := exec(db, wideCache); err != nil {
		return err
	}
	schema, table := o.schema(), o.d.settings().Table
	name, _, err := o.text(db, "SELECT name FROM "+schema+"sqlite_schema WHERE name = ? COLLATE NOCASE", table[strings.LastIndex(table, ".")+1:])
	o.addedTo = name
	if err != nil {
		return err
	}
	return exec(db, "CREATE TABLE IF NOT EXISTS "+schema+quote(connectors.ReferenceTable)+" ("+connectors.ReferenceColumns+") WITHOUT ROWID")
}

// inTable looks for the reference in the table beside.
func (o *once) inTable(db *sqlitedb.Conn, c *connectors.Change) (connectors.Presence, error) {
	table, content := o.schema()+quote(connectors.ReferenceTable), o.d.resource.ContentOf(c)
	before, there, err := o.text(db, "SELECT content FROM "+table+" WHERE added_to = ? AND reference = ?", o.addedTo, c.Reference)
	if err != nil || there {
		return connectors.CompareContent(before, content), err
	}
	_, _, err = o.text(db, "INSERT INTO "+table+" (added_to, reference, content) VALUES (?, ?, ?)", o.addedTo, c.Reference, content)
	return connectors.New, err
}

// inColumn looks for the row that carries the reference, and compares it with what the
// columns would hold of the change, each in its own form.
func (o *once) inColumn(db *sqlitedb.Conn, c *connectors.Change) (connectors.Presence, error) {
	r := &o.d.resource
	reference := r.ReferenceValue(c)
	if reference.Missing() {
		return connectors.Nameless, nil
	}
	var columns []int
	same := []string{"1"}
	for _, i := range o.d.present(c.Values) {
		if r.IsContent(i) {
			columns, same = append(columns, i), append(same, quote(r.Write[i].Name)+" COLLATE BINARY IS ?")
		}
	}
	stmt, err := db.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", strings.Join(same, " AND "), o.d.from(), quote(r.Reference)))
	if err != nil {
		return connectors.New, err
	}
	for k, i := range columns {
		o.d.bind(stmt, k+1, r.Write[i].Name, c.Values[i])
	}
	o.d.bind(stmt, len(columns)+1, r.Reference, reference)
	there, err := stmt.Step()
	presence := connectors.New
	switch {
	case there && stmt.ColumnBool(0):
		presence = connectors.Present
	case there:
		presence = connectors.PresentOther
	}
	return presence, errors.Join(err, stmt.Reset())
}

// text runs a statement, and returns the first text it finds, if any.
func (o *once) text(db *sqlitedb.Conn, query string, bound ...string) (text string, found bool, err error) {
	stmt, err := db.Prepare(query)
	if err != nil {
		return "", false, err
	}
	for i, text := range bound {
		stmt.BindText(i+1, text)
	}
	if found, err = stmt.Step(); found && err == nil {
		text = stmt.ColumnText(0)
	}
	return text, found, errors.Join(err, stmt.Reset())
}

// schema is what stands before the names of the table and of the one beside it, if any.
func (o *once) schema() string {
	table := o.d.settings().Table
	if i := strings.LastIndex(table, "."); i >= 0 {
		return qualified(table[:i]) + "."
	}
	return ""
}

var (
	_ connectors.Destination = (*once)(nil)
	_ connectors.Prober      = (*once)(nil)
)
