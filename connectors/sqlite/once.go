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
type once struct{ d *destination }

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

// Added implements connectors.AddedBefore.
func (o *once) Added(ctx context.Context, changes []connectors.Change) (before []connectors.Presence, err error) {
	d := o.d
	err = d.with(ctx, &d.reading, true, "look for what was added to "+d.name(), func(db *sqlitedb.Conn) error {
		if err = d.check(db, names(d.resource.Write)); err == nil {
			before, err = o.before(db, changes)
		}
		return err
	})
	return before, err
}

// whole implements way.
func (o *once) whole(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	return o.add(db, lot, receipts, func(fresh connectors.Lot, receipts []connectors.Receipt) error {
		return o.d.whole(db, fresh, receipts)
	})
}

// one implements way.
func (o *once) one(db *sqlitedb.Conn, c connectors.Change) (connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, 1)
	err := o.add(db, connectors.Lot{Changes: []connectors.Change{c}}, receipts, func(fresh connectors.Lot, receipts []connectors.Receipt) (err error) {
		for i, c := range fresh.Changes {
			receipts[i], err = o.d.one(db, c)
		}
		return err
	})
	return receipts[0], err
}

// add adds what was not added before, and notes it.
func (o *once) add(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt, add func(connectors.Lot, []connectors.Receipt) error) error {
	before, err := o.before(db, lot.Changes)
	if err != nil {
		return err
	}
	return connectors.AddOnce(lot, receipts, before, func(fresh connectors.Lot, receipts []connectors.Receipt) error {
		if err := o.note(db, fresh.Changes); err != nil {
			return err
		}
		return add(fresh, receipts)
	})
}

// before tells what is there of each record.
func (o *once) before(db *sqlitedb.Conn, changes []connectors.Change) ([]connectors.Presence, error) {
	before := make([]connectors.Presence, len(changes))
	find := o.inColumn
	if o.d.resource.Reference == "" {
		addedTo, there, err := o.beside(db)
		if err != nil || !there {
			return before, err
		}
		find = func(db *sqlitedb.Conn, c *connectors.Change) (connectors.Presence, error) {
			content, there, err := o.text(db, "SELECT content FROM "+o.references()+" WHERE added_to = ? AND reference = ?", addedTo, c.Reference)
			if err != nil || !there {
				return connectors.New, err
			}
			return connectors.CompareContent(content, o.d.resource.ContentOf(c)), nil
		}
	}
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

// beside returns the name that the table was made with, however the ruleset writes it,
// and whether the table of references is there.
func (o *once) beside(db *sqlitedb.Conn) (addedTo string, there bool, err error) {
	if err := exec(db, wideCache); err != nil {
		return "", false, err
	}
	const find = " WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
	schema, table := o.schema(), o.d.settings().Table
	addedTo, _, err = o.text(db, "SELECT name FROM "+schema+"sqlite_schema"+find, table[strings.LastIndex(table, ".")+1:])
	if err == nil {
		_, there, err = o.text(db, "SELECT name FROM "+schema+"sqlite_schema"+find, connectors.ReferenceTable)
	}
	return addedTo, there, err
}

// note writes the references of what is added into the table beside, which is made where
// it is not there.
func (o *once) note(db *sqlitedb.Conn, changes []connectors.Change) error {
	if o.d.resource.Reference != "" || len(changes) == 0 {
		return nil
	}
	addedTo, there, err := o.beside(db)
	if err == nil && !there {
		err = exec(db, "CREATE TABLE "+o.references()+" ("+connectors.ReferenceColumns+") WITHOUT ROWID")
	}
	for i := range changes {
		if err == nil {
			_, _, err = o.text(db, "INSERT INTO "+o.references()+" (added_to, reference, content) VALUES (?, ?, ?)", addedTo, changes[i].Reference, o.d.resource.ContentOf(&changes[i]))
		}
	}
	return err
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

// references is the table of references beside the table.
func (o *once) references() string { return o.schema() + quote(connectors.ReferenceTable) }

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
	_ connectors.AddedBefore = (*once)(nil)
)
