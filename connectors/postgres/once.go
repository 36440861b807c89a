package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headgate/connectors"
	"headgate/engine/record"
)

// referenceTable lists the records that were added to tables of its schema without a
// column for headgate's reference.
const referenceTable = "headgate_reference"

// once adds each record to its table once. Whether it is there is told by its reference:
// in the column for it, or in a table beside, written by the same transaction.
type once struct{ d *destination }

// Place implements connectors.Destination.
func (o *once) Place() (string, error) { return o.d.Place() }

// Probe implements connectors.Prober.
func (o *once) Probe(ctx context.Context) (bool, error) {
	d := o.d
	return true, d.with(ctx, &d.reading, "look at "+d.name(), func(ctx context.Context, db *pgx.Conn) error { return d.check(ctx, db, names(d.resource.Write)) })
}

// Apply implements connectors.Destination.
func (o *once) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	return o.d.apply(ctx, lot, o)
}

// whole implements way.
func (o *once) whole(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	is, err := o.fresh(ctx, db, lot.Changes)
	if err != nil {
		return err
	}
	var fresh connectors.Lot
	var at []int
	for i, c := range lot.Changes {
		if is[c.Reference] {
			fresh.Changes, at = append(fresh.Changes, c), append(at, i)
		} else {
			receipts[i].Status = connectors.Same
		}
	}
	added := make([]connectors.Receipt, len(at))
	err = o.d.whole(ctx, db, fresh, added)
	for k, i := range at {
		receipts[i] = added[k]
	}
	return err
}

// one implements way.
func (o *once) one(ctx context.Context, db *pgx.Conn, c connectors.Change) (connectors.Receipt, error) {
	if is, err := o.fresh(ctx, db, []connectors.Change{c}); err != nil || !is[c.Reference] {
		return connectors.Receipt{Status: connectors.Same}, err
	}
	return o.d.one(ctx, db, c)
}

// fresh tells the references of records that are not there yet, and notes that they
// will be.
func (o *once) fresh(ctx context.Context, db *pgx.Conn, changes []connectors.Change) (map[string]bool, error) {
	fresh, references := make(map[string]bool, len(changes)), make([]string, len(changes))
	for i := range changes {
		if err := connectors.CheckAppend(&changes[i]); err != nil {
			return nil, err
		}
		references[i] = changes[i].Reference
	}
	if column := o.d.resource.Reference; column != "" {
		keys := make([][]record.Value, len(references))
		for i, r := range references {
			keys[i], fresh[r] = []record.Value{record.StringValue(r)}, true
		}
		err := o.d.lookUp(ctx, db, []string{column}, keys, nil, func(at int, _ []*string) { delete(fresh, references[at]) })
		return fresh, err
	}
	table, err := o.references(ctx, db)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, "INSERT INTO "+table+" (reference) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING reference", references)
	if err != nil {
		return nil, err
	}
	added, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, r := range added {
		fresh[r] = true
	}
	return fresh, err
}

// references is the table of references in the schema of the table, made where it is
// not there.
func (o *once) references(ctx context.Context, db *pgx.Conn) (string, error) {
	var schema string
	var there bool
	err := db.QueryRow(ctx, `SELECT n.nspname, EXISTS (SELECT FROM pg_class r WHERE r.relnamespace = n.oid AND r.relname = $2)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::regclass`, o.d.from(), referenceTable).Scan(&schema, &there)
	table := quote(schema) + "." + quote(referenceTable)
	if err != nil || there {
		return table, err
	}
	create := "CREATE TABLE " + table + " (reference text PRIMARY KEY)"
	_, err = db.Exec(ctx, create)
	if denied, ok := errors.AsType[*pgconn.PgError](err); ok && denied.Code == "42501" {
		return "", &connectors.Error{
			Class: connectors.Broken, Code: denied.Code, Op: "make " + table, Err: err,
			Hint: fmt.Sprintf("let its owner run `%s` and grant SELECT and INSERT on it, or give the resource a column for the reference", create),
		}
	}
	return table, err
}

var (
	_ connectors.Destination = (*once)(nil)
	_ connectors.Prober      = (*once)(nil)
)
