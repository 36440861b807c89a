package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
	"headgate/engine/record"
)

// referenceTable lists the records that were added to tables without a column for
// headgate's reference.
const referenceTable = "headgate_reference"

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

// whole implements way.
func (o *once) whole(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	if err := o.prepare(db); err != nil {
		return err
	}
	var fresh connectors.Lot
	var at []int
	for i, c := range lot.Changes {
		there, same, err := o.there(db, &c)
		switch {
		case err != nil:
			return err
		case !there:
			fresh.Changes, at = append(fresh.Changes, c), append(at, i)
		case !same:
			return errRow
		default:
			receipts[i].Status = connectors.Same
		}
	}
	added := make([]connectors.Receipt, len(at))
	err := o.d.whole(db, fresh, added)
	for k, i := range at {
		receipts[i] = added[k]
	}
	return err
}

// one implements way.
func (o *once) one(db *sqlitedb.Conn, c connectors.Change) (connectors.Receipt, error) {
	if err := o.prepare(db); err != nil { // it was undone with the whole lot
		return connectors.Receipt{}, err
	}
	if there, same, err := o.there(db, &c); err != nil || there {
		return connectors.AddedBefore(same), err
	}
	return o.d.one(db, c)
}

// prepare makes the table of references where it is needed and not there.
func (o *once) prepare(db *sqlitedb.Conn) error {
	if o.d.resource.Reference != "" {
		return nil
	}
	if err := exec(db, wideCache); err != nil {
		return err
	}
	return exec(db, "CREATE TABLE IF NOT EXISTS "+o.references()+" (reference TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID")
}

// there reports whether the record was added, and with no other content as far as is
// known. One that was not is noted: it will be.
func (o *once) there(db *sqlitedb.Conn, c *connectors.Change) (there, same bool, err error) {
	if err := connectors.CheckAppend(c); err != nil {
		return false, false, err
	}
	if o.d.resource.Reference != "" {
		return o.inColumn(db, c)
	}
	table, content := o.references(), connectors.ContentOf(o.d.resource.Write, c)
	before, err := o.text(db, "SELECT content FROM "+table+" WHERE reference = ?", c.Reference)
	if err != nil || before != "" {
		return true, connectors.SameContent(before, content), err
	}
	_, err = o.text(db, "INSERT INTO "+table+" VALUES (?, ?)", c.Reference, content)
	return false, false, err
}

// inColumn looks for the row that carries the reference.
func (o *once) inColumn(db *sqlitedb.Conn, c *connectors.Change) (there, same bool, err error) {
	columns := o.d.present(c.Values)
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", o.d.list(columns), o.d.from(), quote(o.d.resource.Reference))
	stmt, err := db.Prepare(query)
	if err != nil {
		return false, false, err
	}
	stmt.BindText(1, c.Reference)
	there, err = stmt.Step()
	same = there
	for k, i := range columns {
		if same && err == nil {
			same = record.Same(o.d.value(stmt, k, o.d.resource.Write[i].Kind), c.Values[i])
		}
	}
	return there, same, errors.Join(err, stmt.Reset())
}

// text runs a statement, and returns the first text it finds, if any.
func (o *once) text(db *sqlitedb.Conn, query string, bound ...string) (string, error) {
	stmt, err := db.Prepare(query)
	if err != nil {
		return "", err
	}
	for i, text := range bound {
		stmt.BindText(i+1, text)
	}
	found, err := stmt.Step()
	text := ""
	if found && err == nil {
		text = stmt.ColumnText(0)
	}
	return text, errors.Join(err, stmt.Reset())
}

// references is the table of references beside the table.
func (o *once) references() string {
	table := o.d.settings().Table
	return qualified(table[:strings.LastIndex(table, ".")+1] + referenceTable)
}

var (
	_ connectors.Destination = (*once)(nil)
	_ connectors.Prober      = (*once)(nil)
)
