package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
	"headgate/engine/record"
)

// rowsAtOnce are the numbers of rows one INSERT may carry, the most first. A statement
// has a savepoint within its transaction, so many rows share one; two numbers keep
// the statements few that stay prepared.
var rowsAtOnce = [...]int{250, 50}

// maxVariables is how many values SQLite binds to a statement, unless it was built otherwise.
const maxVariables = 32766

// destination writes a table, one transaction a lot.
type destination struct {
	table
	inserting insertion
	lenient   bool // a conflict may be no refusal: the table or a trigger says what is done of it
}

// insertion is the statement of the last insert of many rows: the next one is most
// often the same.
type insertion struct {
	columns []int
	rows    int
	insert  string
	query   string
}

// errRow says that a row was refused while a whole lot was tried at once.
var errRow = errors.New("a row was refused")

// Apply implements connectors.Destination. The lot is tried as a whole; when a row
// is refused, the rows are tried one by one, each in a savepoint; and when that comes
// when the transaction ends, or ends it, in halves, each in a transaction of its own.
func (d *destination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	return d.apply(ctx, lot, d)
}

func (d *destination) apply(ctx context.Context, lot connectors.Lot, w way) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	err := d.with(ctx, &d.writing, false, "write "+d.name(), func(db *sqlitedb.Conn) error {
		if err := d.check(db, names(d.resource.Write), d.resource.WriteKey, d.resource.Returning); err != nil {
			return err
		}
		err := d.transaction(db, receipts, func() error { return w.whole(db, lot, receipts) })
		if err == nil || !refusal(err) {
			return err
		}
		if err := d.apart(db, lot, receipts, w); err != nil {
			return err
		}
		d.lenient = d.lenient || !slices.ContainsFunc(receipts, isRefused)
		return nil
	})
	return receipts, err
}

// apart applies a lot of which a row is refused, so that the others stay.
func (d *destination) apart(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt, w way) error {
	err := d.transaction(db, receipts, func() error { return single(db, lot, receipts, w) })
	if !refusal(err) {
		return err
	}
	n := len(lot.Changes)
	if n == 1 {
		receipts[0] = refused(err)
		return nil
	}
	if err := d.apart(db, connectors.Lot{Changes: lot.Changes[:n/2]}, receipts[:n/2], w); err != nil {
		return err
	}
	return d.apart(db, connectors.Lot{Changes: lot.Changes[n/2:]}, receipts[n/2:], w)
}

func isRefused(r connectors.Receipt) bool { return r.Status == connectors.Refused }

// transaction runs f in one transaction. When it fails nothing was done, but for a
// commit whose answer is not known.
func (d *destination) transaction(db *sqlitedb.Conn, receipts []connectors.Receipt, f func() error) error {
	clear(receipts)
	if err := exec(db, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		if err = exec(db, "COMMIT"); err == nil {
			return nil
		}
		if db.AutocommitEnabled() { // the transaction is over, and how is not known
			for i := range receipts {
				receipts[i] = connectors.Receipt{Status: connectors.Unknown}
			}
			return err
		}
	}
	clear(receipts)
	if !db.AutocommitEnabled() {
		db.SetInterrupt(nil)
		err = errors.Join(err, exec(db, "ROLLBACK"))
	}
	return err
}

func exec(db *sqlitedb.Conn, sql string) error {
	stmt, err := db.Prepare(sql)
	if err != nil {
		return err
	}
	_, err = stmt.Step()
	return errors.Join(err, stmt.Reset())
}

// step runs a statement that writes. What fails only then, and not when it was prepared,
// is about the values of a row: a text that is no JSON where an index or a trigger of the
// table reads it as such.
func step(stmt *sqlitedb.Stmt) (bool, error) {
	more, err := stmt.Step()
	if sqlitedb.ErrCode(err).ToPrimary() == sqlitedb.ResultError {
		err = fmt.Errorf("%w: %w", errRow, err)
	}
	return more, err
}

// refusal reports whether err is about one row, not about the database.
func refusal(err error) bool {
	code := sqlitedb.ErrCode(err).ToPrimary()
	return errors.Is(err, errRow) || code == sqlitedb.ResultConstraint || code == sqlitedb.ResultMismatch || code == sqlitedb.ResultTooBig
}

// whole applies all changes, many rows a statement.
func (d *destination) whole(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	for i := 0; i < len(lot.Changes); {
		n := d.alike(lot.Changes[i:])
		if n > 1 {
			if err := d.insert(db, lot.Changes[i:i+n]); err != nil {
				return err
			}
			for k := range n {
				receipts[i+k].Status = connectors.Applied
			}
			i += n
			continue
		}
		receipt, err := d.one(db, lot.Changes[i])
		if err != nil {
			return err
		}
		if receipt.Status == connectors.Refused {
			return errRow
		}
		receipts[i] = receipt
		i++
	}
	return nil
}

// alike returns how many changes at the front are created by one statement: those
// of the same columns, in one of the numbers of rowsAtOnce.
func (d *destination) alike(changes []connectors.Change) int {
	if changes[0].Op != connectors.Create || len(d.resource.Returning) > 0 {
		return 1
	}
	n := 1
	for n < len(changes) && n < rowsAtOnce[0] && changes[n].Op == connectors.Create && samePresence(changes[0].Values, changes[n].Values) {
		n++
	}
	for _, rows := range rowsAtOnce {
		if n >= rows && rows*len(changes[0].Values) <= maxVariables {
			return rows
		}
	}
	return 1
}

func samePresence(a, b []record.Value) bool {
	for i := range a {
		if a[i].IsAbsent() != b[i].IsAbsent() {
			return false
		}
	}
	return true
}

// insert creates rows by one statement. A conflict ends the transaction, which is not
// kept then: a statement that can be undone alone keeps a journal of its own, of a
// third of the time.
func (d *destination) insert(db *sqlitedb.Conn, changes []connectors.Change) error {
	columns := d.present(changes[0].Values)
	insert := "INSERT OR ROLLBACK"
	if d.lenient {
		insert = "INSERT"
	}
	if d.inserting.rows != len(changes) || d.inserting.insert != insert || !slices.Equal(d.inserting.columns, columns) {
		row := "(" + marks(len(columns)) + "), "
		query := fmt.Sprintf("%s INTO %s (%s) VALUES %s", insert, d.from(), d.list(columns), strings.TrimSuffix(strings.Repeat(row, len(changes)), ", "))
		d.inserting = insertion{columns, len(changes), insert, query}
	}
	stmt, err := db.Prepare(d.inserting.query)
	if err != nil {
		return err
	}
	at := 1
	for _, c := range changes {
		for _, i := range columns {
			d.bind(stmt, at, d.resource.Write[i].Name, c.Values[i])
			at++
		}
	}
	_, err = step(stmt)
	if err == nil && d.counted && db.Changes() != len(changes) {
		err = errRow
	}
	return errors.Join(err, stmt.Reset())
}

// present are the positions of the values that are carried.
func (d *destination) present(values []record.Value) []int {
	var at []int
	for i, v := range values {
		if !v.IsAbsent() {
			at = append(at, i)
		}
	}
	return at
}

func (d *destination) list(columns []int) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = d.resource.Write[c].Name
	}
	return quoteAll(all)
}

// single applies each change in a savepoint: a bad row is refused, the others stay. An
// error that is a refusal ended the transaction.
func single(db *sqlitedb.Conn, lot connectors.Lot, receipts []connectors.Receipt, w way) error {
	for i, c := range lot.Changes {
		if err := exec(db, "SAVEPOINT change"); err != nil {
			return err
		}
		receipt, err := w.one(db, c)
		if err != nil && (!refusal(err) || db.AutocommitEnabled()) {
			return err
		}
		if err != nil {
			receipt = refused(err)
		}
		if receipt.Status == connectors.Refused {
			if err := exec(db, "ROLLBACK TO change"); err != nil {
				return err
			}
		}
		if err := exec(db, "RELEASE change"); err != nil {
			return err
		}
		receipts[i] = receipt
	}
	return nil
}

// refused is a refusal in SQLite's words.
func refused(err error) connectors.Receipt {
	return connectors.Receipt{Status: connectors.Refused, Code: codeOf(err), Words: wordsOf(err)}
}

// wordsOf is SQLite's own sentence, without what the driver says before it.
func wordsOf(err error) string {
	words := err.Error()
	for _, before := range []string{errRow.Error() + ": ", "sqlite: ", "step: ", "prepare: ", "constraint failed: ", "SQL logic error: "} {
		words = strings.TrimPrefix(words, before)
	}
	return words
}

// codeOf is the stable code of a refusal.
func codeOf(err error) string {
	switch sqlitedb.ErrCode(err) {
	case sqlitedb.ResultConstraintNotNull:
		return "not_null"
	case sqlitedb.ResultConstraintUnique, sqlitedb.ResultConstraintPrimaryKey, sqlitedb.ResultConstraintRowID:
		return "unique"
	case sqlitedb.ResultConstraintForeignKey:
		return "foreign_key"
	case sqlitedb.ResultConstraintCheck:
		return "check"
	case sqlitedb.ResultMismatch:
		return "type"
	case sqlitedb.ResultTooBig:
		return "too_long"
	}
	return "refused"
}

// one applies one change.
func (d *destination) one(db *sqlitedb.Conn, c connectors.Change) (connectors.Receipt, error) {
	switch c.Op {
	case connectors.Create:
		return d.create(db, c)
	case connectors.Update:
		columns := d.present(c.Values)
		if len(columns) == 0 {
			return connectors.Receipt{Status: connectors.Same}, nil
		}
		var names []string
		var values []record.Value
		for _, i := range columns {
			names, values = append(names, d.resource.Write[i].Name), append(values, c.Values[i])
		}
		return d.change(db, c, "UPDATE "+d.from()+" SET "+assignments(names), names, values)
	}
	if len(d.resource.Delete) == 0 {
		return d.change(db, c, "DELETE FROM "+d.from(), nil, nil)
	}
	var names []string
	var values []record.Value
	for _, set := range d.resource.Delete {
		names, values = append(names, set.Column), append(values, set.Value)
	}
	return d.change(db, c, "UPDATE "+d.from()+" SET "+assignments(names), names, values)
}

func assignments(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = quote(n) + " = ?"
	}
	return strings.Join(all, ", ")
}

func (d *destination) create(db *sqlitedb.Conn, c connectors.Change) (connectors.Receipt, error) {
	columns := d.present(c.Values)
	query := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", d.from(), d.list(columns), marks(len(columns)))
	if len(d.resource.Returning) > 0 {
		query += " RETURNING " + quoteAll(d.resource.Returning)
	}
	stmt, err := db.Prepare(query)
	if err != nil {
		return connectors.Receipt{}, err
	}
	for k, i := range columns {
		d.bind(stmt, k+1, d.resource.Write[i].Name, c.Values[i])
	}
	receipt := connectors.Receipt{Status: connectors.Applied}
	more, err := step(stmt)
	if err == nil && more {
		for i := range d.resource.Returning {
			receipt.Row = append(receipt.Row, rawValue(stmt, i))
		}
		_, err = step(stmt)
	}
	if err == nil && d.counted && db.Changes() == 0 {
		receipt = connectors.LeftOut()
	}
	return receipt, errors.Join(err, stmt.Reset())
}

// change runs the UPDATE or DELETE of a change, which must find exactly one row.
func (d *destination) change(db *sqlitedb.Conn, c connectors.Change, query string, columns []string, values []record.Value) (connectors.Receipt, error) {
	where := make([]string, len(c.Key))
	for i, name := range d.resource.WriteKey {
		where[i] = quote(name) + " = ?"
	}
	stmt, err := db.Prepare(query + " WHERE " + strings.Join(where, " AND "))
	if err != nil {
		return connectors.Receipt{}, err
	}
	for i, v := range values {
		d.bind(stmt, i+1, columns[i], v)
	}
	for i, v := range c.Key {
		d.bind(stmt, len(values)+i+1, d.resource.WriteKey[i], v)
	}
	_, err = step(stmt)
	if err := errors.Join(err, stmt.Reset()); err != nil {
		return connectors.Receipt{}, err
	}
	switch n := db.Changes(); {
	case n == 1:
		return connectors.Receipt{Status: connectors.Applied}, nil
	case n == 0 && c.Op == connectors.Delete:
		return connectors.Receipt{Status: connectors.Same}, nil // it is gone, as was asked
	case n == 0:
		return connectors.Receipt{Status: connectors.Refused, Code: "missing_row", Words: "the row is not there any more"}, nil
	default:
		return connectors.Receipt{Status: connectors.Refused, Code: "ambiguous", Words: fmt.Sprintf("the key finds %d rows", n)}, nil
	}
}

// Find implements connectors.Finder.
func (d *destination) Find(ctx context.Context, q connectors.Query) ([]connectors.Found, error) {
	r := d.resource
	selected := append(append(names(r.Write), names(r.Read)...), r.Returning...)
	var found []connectors.Found
	err := d.with(ctx, &d.reading, true, "find in "+d.name(), func(db *sqlitedb.Conn) error {
		if err := d.check(db, selected, q.Of(r.WriteKey)); err != nil {
			return err
		}
		return d.lookUp(db, q.Of(r.WriteKey), q.Keys, selected, func(at int, stmt *sqlitedb.Stmt, offset int) {
			found = append(found, d.found(at, stmt, offset))
		})
	})
	return found, err
}

func (d *destination) found(at int, stmt *sqlitedb.Stmt, offset int) connectors.Found {
	r := d.resource
	f := connectors.Found{At: at, Write: make(record.Row, len(r.Write)), Read: make(record.Row, len(r.Read)), Returning: make(record.Row, len(r.Returning))}
	for i, c := range r.Write {
		f.Write[i] = d.value(stmt, offset+i, c.Kind)
	}
	offset += len(r.Write)
	for i, c := range r.Read {
		f.Read[i] = d.value(stmt, offset+i, c.Kind)
	}
	offset += len(r.Read)
	for i := range r.Returning {
		f.Returning[i] = rawValue(stmt, offset+i)
	}
	return f
}

var (
	_ connectors.Destination = (*destination)(nil)
	_ connectors.Finder      = (*destination)(nil)
)
