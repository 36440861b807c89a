package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headgate/connectors"
	"headgate/engine/record"
)

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
	return o.d.apply(ctx, lot, o.whole)
}

// Added implements connectors.AddedBefore.
func (o *once) Added(ctx context.Context, changes []connectors.Change) (before []connectors.Presence, err error) {
	d := o.d
	err = d.with(ctx, &d.reading, "look for what was added to "+d.name(), func(ctx context.Context, db *pgx.Conn) error {
		if err := d.check(ctx, db, names(d.resource.Write)); err != nil {
			return err
		}
		before, err = o.before(ctx, db, changes)
		if !refusal(err) {
			return err
		}
		before = make([]connectors.Presence, len(changes))
		for i := range changes { // one that cannot be asked for cannot be there as it is now
			one, err := o.before(ctx, db, changes[i:i+1])
			switch {
			case err == nil:
				before[i] = one[0]
			case !refusal(err):
				return err
			}
		}
		return nil
	})
	return before, err
}

// whole adds what was not added before, and notes it.
func (o *once) whole(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	before, err := o.before(ctx, db, lot.Changes)
	if err != nil {
		return err
	}
	return connectors.AddOnce(lot, receipts, before, func(fresh connectors.Lot, receipts []connectors.Receipt) error {
		if err := o.note(ctx, db, fresh.Changes); err != nil {
			return classify("note in "+connectors.ReferenceTable+" what is added to "+o.d.name(), err) // it is no row's fault
		}
		return o.d.whole(ctx, db, fresh, receipts)
	})
}

// before tells what is there of each record.
func (o *once) before(ctx context.Context, db *pgx.Conn, changes []connectors.Change) ([]connectors.Presence, error) {
	for i := range changes {
		if err := connectors.CheckAppend(&changes[i]); err != nil {
			return nil, err
		}
	}
	if o.d.resource.Reference != "" {
		return o.inColumn(ctx, db, changes)
	}
	before := make([]connectors.Presence, len(changes))
	table, addedTo, made, err := o.beside(ctx, db)
	if err != nil || !made {
		return before, err
	}
	references := make([]string, len(changes))
	for i := range changes {
		references[i] = changes[i].Reference
	}
	rows, err := db.Query(ctx, "SELECT reference, content FROM "+table+" WHERE added_to = $1 AND reference = ANY($2)", addedTo, references)
	if err != nil {
		return nil, err
	}
	there := make(map[string]string)
	var reference, content string
	if _, err := pgx.ForEachRow(rows, []any{&reference, &content}, func() error {
		there[reference] = content
		return nil
	}); err != nil {
		return nil, err
	}
	for i := range changes {
		if content, ok := there[references[i]]; ok {
			before[i] = connectors.CompareContent(content, o.d.resource.ContentOf(&changes[i]))
		}
	}
	return before, nil
}

// note writes the references of what is added into the table beside, which is made where
// it is not there.
func (o *once) note(ctx context.Context, db *pgx.Conn, changes []connectors.Change) error {
	if o.d.resource.Reference != "" || len(changes) == 0 {
		return nil
	}
	table, addedTo, made, err := o.beside(ctx, db)
	if err == nil && !made {
		err = o.make(ctx, db, table)
	}
	if err != nil {
		return err
	}
	references, contents := make([]string, len(changes)), make([]string, len(changes))
	for i := range changes {
		references[i], contents[i] = changes[i].Reference, o.d.resource.ContentOf(&changes[i])
	}
	_, err = db.Exec(ctx, "INSERT INTO "+table+" (added_to, reference, content) SELECT $1, * FROM unnest($2::text[], $3::text[])", addedTo, references, contents)
	return err
}

// inColumn looks for the rows that carry the references, and compares them with what the
// columns would hold of the changes.
func (o *once) inColumn(ctx context.Context, db *pgx.Conn, changes []connectors.Change) ([]connectors.Presence, error) {
	d, r, before := o.d, &o.d.resource, make([]connectors.Presence, len(changes))
	var keys [][]record.Value
	var at []int
	for i := range changes {
		if reference := r.ReferenceValue(&changes[i]); reference.Missing() {
			before[i] = connectors.Nameless
		} else {
			keys, at = append(keys, []record.Value{reference}), append(at, i)
		}
	}
	var columns []int
	for i := range r.Write {
		if r.IsContent(i) {
			columns = append(columns, i)
		}
	}
	type found struct {
		at    int
		texts []*string
	}
	var there []found
	err := d.lookUp(ctx, db, []string{r.Reference}, keys, namesAt(r.Write, columns), func(k int, texts []*string) {
		there = append(there, found{at[k], slices.Clone(texts)})
	})
	if err != nil || len(there) == 0 {
		return before, err
	}
	known := make([]connectors.Change, len(there))
	for k, f := range there {
		known[k] = changes[f.at]
	}
	stored, err := o.stored(ctx, db, known, columns)
	if err != nil {
		return nil, err
	}
	for k, f := range there {
		before[f.at] = connectors.Present
		for n, i := range columns {
			if !known[k].Values[i].IsAbsent() && !d.same(r.Write[i], f.texts[n], stored[k][n]) {
				before[f.at] = connectors.PresentOther
			}
		}
	}
	return before, nil
}

// stored returns the texts that columns would hold of changes: a number has as many
// decimals as its column then, and a time as many.
func (o *once) stored(ctx context.Context, db *pgx.Conn, changes []connectors.Change, columns []int) ([][]*string, error) {
	stored := make([][]*string, len(changes))
	if len(columns) == 0 {
		return stored, nil
	}
	var arrays []any
	var unnest, named, list []string
	for n, name := range namesAt(o.d.resource.Write, columns) {
		texts := make([]*string, len(changes))
		for k := range changes {
			texts[k] = o.d.text(changes[k].Values[columns[n]], name)
		}
		column, _ := o.d.column(name)
		arrays = append(arrays, texts)
		unnest = append(unnest, fmt.Sprintf("$%d::text[]", n+1))
		named = append(named, fmt.Sprintf("v%d", n))
		list = append(list, fmt.Sprintf("(v%d::%s)::text", n, column.stored))
	}
	rows, err := db.Query(ctx, fmt.Sprintf("SELECT %s FROM unnest(%s) WITH ORDINALITY AS sent(%s, n) ORDER BY n",
		strings.Join(list, ", "), strings.Join(unnest, ", "), strings.Join(named, ", ")), arrays...)
	if err != nil {
		return nil, err
	}
	targets := make([]any, len(columns))
	texts := make([]*string, len(columns))
	for n := range targets {
		targets[n] = &texts[n]
	}
	k := 0
	_, err = pgx.ForEachRow(rows, targets, func() error {
		stored[k] = slices.Clone(texts)
		k++
		return nil
	})
	return stored, err
}

// same compares what a column holds with what it would: blanks at the end are cut to its
// length by an INSERT, too.
func (t *table) same(column record.Column, there, sent *string) bool {
	if there == nil || sent == nil {
		return there == sent
	}
	c, _ := t.column(column.Name)
	return record.Same(t.value(there, column.Name, column.Kind), t.value(sent, column.Name, column.Kind)) ||
		c.oid == oidVarchar && strings.TrimRight(*there, " ") == strings.TrimRight(*sent, " ")
}

// beside returns the table of references in the schema of the table, the name that the
// table has in it, and whether it is made.
func (o *once) beside(ctx context.Context, db *pgx.Conn) (table, addedTo string, made bool, err error) {
	var schema string
	err = db.QueryRow(ctx, `SELECT n.nspname, c.relname, EXISTS (SELECT FROM pg_class r WHERE r.relnamespace = n.oid AND r.relname = $2)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::regclass`, o.d.from(), connectors.ReferenceTable).Scan(&schema, &addedTo, &made)
	return quote(schema) + "." + quote(connectors.ReferenceTable), addedTo, made, err
}

// make makes the table of references, unless another flow does so at the same time.
func (o *once) make(ctx context.Context, db *pgx.Conn, table string) error {
	if _, err := db.Exec(ctx, "SELECT pg_advisory_xact_lock($1::int, hashtext($2))", lockClass, table); err != nil {
		return err
	}
	if _, _, made, err := o.beside(ctx, db); err != nil || made {
		return err
	}
	create := "CREATE TABLE " + table + " (" + connectors.ReferenceColumns + ")"
	_, err := db.Exec(ctx, create)
	if denied, ok := errors.AsType[*pgconn.PgError](err); ok && denied.Code == "42501" {
		return &connectors.Error{
			Class: connectors.Broken, Code: denied.Code, Op: "make " + table, Err: err,
			Hint: fmt.Sprintf("let its owner run `%s` and grant SELECT and INSERT on it, or give the resource a column for the reference", create),
		}
	}
	return err
}

var (
	_ connectors.Destination = (*once)(nil)
	_ connectors.AddedBefore = (*once)(nil)
)
