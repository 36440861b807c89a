package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
)

// referenceTable lists the records that were added to tables without a column for
// headgate's reference.
const referenceTable = "headgate_reference"

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
	var fresh connectors.Lot
	var at []int
	for i, c := range lot.Changes {
		is, err := o.fresh(db, c)
		switch {
		case err != nil:
			return err
		case is:
			fresh.Changes, at = append(fresh.Changes, c), append(at, i)
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
	if is, err := o.fresh(db, c); err != nil || !is {
		return connectors.Receipt{Status: connectors.Same}, err
	}
	return o.d.one(db, c)
}

// fresh reports whether the record is not there yet, and notes that it will be.
func (o *once) fresh(db *sqlitedb.Conn, c connectors.Change) (bool, error) {
	if err := connectors.CheckAppend(&c); err != nil {
		return false, err
	}
	if column := o.d.resource.Reference; column != "" {
		_, more, err := o.run(db, fmt.Sprintf("SELECT 1 FROM %s WHERE %s = ? LIMIT 1", o.d.from(), quote(column)), c.Reference)
		return !more, err
	}
	table := o.references()
	if _, _, err := o.run(db, "CREATE TABLE IF NOT EXISTS "+table+" (reference TEXT PRIMARY KEY) WITHOUT ROWID"); err != nil {
		return false, err
	}
	n, _, err := o.run(db, "INSERT OR IGNORE INTO "+table+" VALUES (?)", c.Reference)
	return n == 1, err
}

// run runs a statement, and returns how many rows it changed and whether it found one.
func (o *once) run(db *sqlitedb.Conn, query string, texts ...string) (changed int, found bool, err error) {
	stmt, err := db.Prepare(query)
	if err != nil {
		return 0, false, err
	}
	for i, text := range texts {
		stmt.BindText(i+1, text)
	}
	found, err = stmt.Step()
	changed = db.Changes()
	return changed, found, errors.Join(err, stmt.Reset())
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
