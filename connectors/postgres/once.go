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

// way is how a lot is applied, and one change of it.
type way interface {
	whole(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt) error
	one(ctx context.Context, db *pgx.Conn, c connectors.Change) (connectors.Receipt, error)
}

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
	before, err := o.before(ctx, db, lot.Changes)
	if err != nil {
		return err
	}
	var fresh connectors.Lot
	var at []int
	for i, c := range lot.Changes {
		same, there := before[c.Reference]
		switch {
		case !there:
			fresh.Changes, at = append(fresh.Changes, c), append(at, i)
		case !same:
			return errRow
		default:
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
	before, err := o.before(ctx, db, []connectors.Change{c})
	if err != nil {
		return connectors.Receipt{}, err
	}
	if same, there := before[c.Reference]; there {
		return connectors.AddedBefore(same), nil
	}
	return o.d.one(ctx, db, c)
}

// before tells which records were added, by their references, and whether with no other
// content as far as is known. Those that were not are noted: they will be.
func (o *once) before(ctx context.Context, db *pgx.Conn, changes []connectors.Change) (map[string]bool, error) {
	for i := range changes {
		if err := connectors.CheckAppend(&changes[i]); err != nil {
			return nil, err
		}
	}
	if o.d.resource.Reference != "" {
		return o.inColumn(ctx, db, changes)
	}
	table, err := o.references(ctx, db)
	if err != nil {
		return nil, err
	}
	references, contents, added := make([]string, len(changes)), make([]string, len(changes)), make(map[string]string, len(changes))
	for i := range changes {
		references[i], contents[i] = changes[i].Reference, connectors.ContentOf(o.d.resource.Write, &changes[i])
		added[references[i]] = contents[i]
	}
	before := make(map[string]bool)
	rows, err := db.Query(ctx, "SELECT reference, content FROM "+table+" WHERE reference = ANY($1)", references)
	if err != nil {
		return nil, err
	}
	var reference, content string
	if _, err := pgx.ForEachRow(rows, []any{&reference, &content}, func() error {
		before[reference] = connectors.SameContent(content, added[reference])
		return nil
	}); err != nil || len(before) == len(changes) {
		return before, err
	}
	_, err = db.Exec(ctx, "INSERT INTO "+table+" (reference, content) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING", references, contents)
	return before, err
}

// inColumn looks for the rows that carry the references.
func (o *once) inColumn(ctx context.Context, db *pgx.Conn, changes []connectors.Change) (map[string]bool, error) {
	d, keys := o.d, make([][]record.Value, len(changes))
	for i := range changes {
		keys[i] = []record.Value{record.StringValue(changes[i].Reference)}
	}
	before := make(map[string]bool)
	err := d.lookUp(ctx, db, []string{d.resource.Reference}, keys, names(d.resource.Write), func(at int, texts []*string) {
		c := &changes[at]
		same := true
		for i, column := range d.resource.Write {
			same = same && (c.Values[i].IsAbsent() || record.Same(d.value(texts[i], column.Name, column.Kind), c.Values[i]))
		}
		before[c.Reference] = same
	})
	return before, err
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
	create := "CREATE TABLE " + table + " (reference text PRIMARY KEY, content text NOT NULL)"
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
