package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headgate/connectors"
	"headgate/engine/record"
)

// destination writes a table, one transaction a lot.
type destination struct {
	table
	quiet atomic.Bool // no transaction of an earlier connection can be on its way
}

// errRow says that a row was refused while a whole lot was tried at once.
var errRow = errors.New("a row was refused")

// Apply implements connectors.Destination. The lot is tried as a whole; when a row
// is refused, in halves, each in a savepoint, until that is alone; and when it is only
// when the transaction ends, each half in a transaction of its own.
func (d *destination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	return d.apply(ctx, lot, d.whole)
}

func (d *destination) apply(ctx context.Context, lot connectors.Lot, whole way) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, len(lot.Changes))
	err := d.with(ctx, &d.writing, "write "+d.name(), func(ctx context.Context, db *pgx.Conn) error {
		if err := d.check(ctx, db, names(d.resource.Write), d.resource.WriteKey, d.resource.Returning); err != nil {
			return err
		}
		err := d.transaction(ctx, db, receipts, func() error { return whole(ctx, db, lot, receipts) })
		if err == nil || !refusal(err) {
			return err
		}
		return d.apart(ctx, db, lot, receipts, whole)
	})
	return receipts, err
}

// apart applies a lot of which a row is refused, so that the others stay.
func (d *destination) apart(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt, whole way) error {
	err := d.transaction(ctx, db, receipts, func() error { return parts(ctx, db, lot, receipts, whole) })
	if !refusal(err) {
		return err
	}
	if len(receipts) == 1 {
		receipts[0] = refused(err)
		return nil
	}
	return halves(lot, receipts, func(half connectors.Lot, receipts []connectors.Receipt) error {
		return d.apart(ctx, db, half, receipts, whole)
	})
}

// parts applies a lot in a savepoint, and when a row of it is refused, its halves: each
// takes as many round trips as a whole lot, and a row as many as all the others.
func parts(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt, whole way) error {
	if _, err := db.Exec(ctx, "SAVEPOINT part"); err != nil {
		return err
	}
	if err := whole(ctx, db, lot, receipts); refusal(err) {
		if _, err := db.Exec(ctx, "ROLLBACK TO SAVEPOINT part"); err != nil {
			return err
		}
		if len(receipts) > 1 {
			err = halves(lot, receipts, func(half connectors.Lot, receipts []connectors.Receipt) error {
				return parts(ctx, db, half, receipts, whole)
			})
			if err != nil {
				return err
			}
		} else if receipts[0].Status != connectors.Refused { // no error said so
			receipts[0] = refused(err)
		}
	} else if err != nil {
		return err
	}
	_, err := db.Exec(ctx, "RELEASE SAVEPOINT part")
	return err
}

// halves applies the halves of a lot, which have no receipts yet.
func halves(lot connectors.Lot, receipts []connectors.Receipt, apply func(connectors.Lot, []connectors.Receipt) error) error {
	clear(receipts)
	n := len(receipts) / 2
	if err := apply(connectors.Lot{Changes: lot.Changes[:n]}, receipts[:n]); err != nil {
		return err
	}
	return apply(connectors.Lot{Changes: lot.Changes[n:]}, receipts[n:])
}

// transaction runs f in one transaction. When it fails nothing was done, but for a
// commit without an answer: then nobody knows.
func (d *destination) transaction(ctx context.Context, db *pgx.Conn, receipts []connectors.Receipt, f func() error) error {
	clear(receipts)
	err := d.begin(ctx, db)
	if err == nil {
		err = f()
	}
	if err == nil {
		_, err = db.Exec(ctx, "COMMIT")
		if err == nil {
			return nil
		}
		if _, told := errors.AsType[*pgconn.PgError](err); !told {
			d.quiet.Store(false)
			for i := range receipts {
				receipts[i] = connectors.Receipt{Status: connectors.Unknown}
			}
			return err
		}
	}
	clear(receipts)
	if !db.IsClosed() {
		_, rollback := db.Exec(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, rollback)
	}
	return err
}

// refusal reports whether err is about one row, not about the database.
func refusal(err error) bool {
	if errors.Is(err, errRow) {
		return true
	}
	if _, told := errors.AsType[*connectors.Error](err); told {
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (againstCheck(e) || !slices.Contains(notOfRows, e.Code[:min(2, len(e.Code))]))
}

// notOfRows are the classes of SQLSTATEs that are about a statement, a connection or the
// server (PostgreSQL, appendix A). All others are about the values of a row: what they
// are, what constraints and limits say of them, and what a trigger raises, by whatever
// code it likes.
var notOfRows = []string{
	"", "00", "01", "02", "03", "08", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "24", "25", "26", "28", "2B", "2D", "34", "3B", "3D", "3F",
	"40", "42", "53", "55", "57", "58", "72", "F0", "HV", "XX",
}

// againstCheck reports whether a row is against the check option of its view or a policy
// of its table. The code of that is the one of a missing right, which no row has.
func againstCheck(e *pgconn.PgError) bool {
	return e.Code == "44000" || e.Code == "42501" && e.Routine == "ExecWithCheckOptions"
}

// way is how all changes of a lot are applied. errRow is the error where a row is refused
// without one; its receipt says so then.
type way func(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt) error

// whole applies all changes: creates of the same columns by one COPY, the others
// in one pipeline.
func (d *destination) whole(ctx context.Context, db *pgx.Conn, lot connectors.Lot, receipts []connectors.Receipt) error {
	for i := 0; i < len(lot.Changes); {
		n := d.alike(lot.Changes[i:])
		if n > 1 {
			if err := d.copy(ctx, db, lot.Changes[i:i+n]); err != nil {
				return err
			}
			for k := range n {
				receipts[i+k].Status = connectors.Applied
			}
			i += n
			continue
		}
		end := i + 1
		for end < len(lot.Changes) && d.alike(lot.Changes[end:]) == 1 {
			end++
		}
		if err := d.pipeline(ctx, db, lot.Changes[i:end], receipts[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// alike returns how many changes at the front are creates of the same columns.
func (d *destination) alike(changes []connectors.Change) int {
	if changes[0].Op != connectors.Create || len(d.resource.Returning) > 0 || !d.copies {
		return 1
	}
	n := 1
	for n < len(changes) && changes[n].Op == connectors.Create && samePresence(changes[0].Values, changes[n].Values) {
		n++
	}
	return n
}

func samePresence(a, b []record.Value) bool {
	for i := range a {
		if a[i].IsAbsent() != b[i].IsAbsent() {
			return false
		}
	}
	return true
}

func (d *destination) present(values []record.Value) (at []int, names []string) {
	for i, v := range values {
		if !v.IsAbsent() {
			at, names = append(at, i), append(names, d.resource.Write[i].Name)
		}
	}
	return at, names
}

// copy creates rows by COPY in text form: the fastest way in.
func (d *destination) copy(ctx context.Context, db *pgx.Conn, changes []connectors.Change) error {
	columns, named := d.present(changes[0].Values)
	var text []byte
	for _, c := range changes {
		for k, i := range columns {
			if k > 0 {
				text = append(text, '\t')
			}
			text = appendCopy(text, d.text(c.Values[i], named[k]))
		}
		text = append(text, '\n')
	}
	tag, err := db.PgConn().CopyFrom(ctx, bytes.NewReader(text), fmt.Sprintf("COPY %s (%s) FROM STDIN", d.from(), quoteAll(named)))
	if err == nil && d.counted && tag.RowsAffected() != int64(len(changes)) {
		return errRow
	}
	return err
}

// appendCopy escapes a value for COPY's text form.
func appendCopy(dst []byte, text *string) []byte {
	if text == nil {
		return append(dst, '\\', 'N')
	}
	for i := 0; i < len(*text); i++ {
		switch c := (*text)[i]; c {
		case '\\':
			dst = append(dst, '\\', '\\')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// pipeline sends changes one after the other without waiting for each answer.
func (d *destination) pipeline(ctx context.Context, db *pgx.Conn, changes []connectors.Change, receipts []connectors.Receipt) error {
	batch := &pgx.Batch{}
	for _, c := range changes {
		query, args := d.statement(c)
		batch.Queue(query, args...)
	}
	results := db.SendBatch(ctx, batch)
	refused := false
	for i, c := range changes {
		receipt, err := d.receipt(c, results.Query)
		if err != nil {
			return errors.Join(err, ignoreSame(results.Close(), err))
		}
		receipts[i] = receipt
		refused = refused || receipt.Status == connectors.Refused
	}
	if err := results.Close(); err != nil {
		return err
	}
	if refused {
		return errRow
	}
	return nil
}

// ignoreSame drops an error that only repeats another.
func ignoreSame(err, other error) error {
	if err == nil || err.Error() == other.Error() {
		return nil
	}
	return err
}

// statement is the SQL of one change.
func (d *destination) statement(c connectors.Change) (string, []any) {
	var args []any
	bind := func(v record.Value, name string) string {
		column, _ := d.column(name)
		args = append(args, d.text(v, name))
		return fmt.Sprintf("$%d::text::%s", len(args), column.sqlType)
	}
	columns, named := d.present(c.Values)
	if c.Op == connectors.Create {
		values := make([]string, len(columns))
		for k, i := range columns {
			values[k] = bind(c.Values[i], named[k])
		}
		overriding := ""
		if d.copies { // which writes the columns of an identity, too
			overriding = " OVERRIDING SYSTEM VALUE"
		}
		query := fmt.Sprintf("INSERT INTO %s (%s)%s VALUES (%s)", d.from(), quoteAll(named), overriding, strings.Join(values, ", "))
		if len(d.resource.Returning) > 0 {
			query += " RETURNING " + asText(d.resource.Returning)
		}
		return query, args
	}
	var set []string
	if c.Op == connectors.Update {
		for k, i := range columns {
			set = append(set, quote(named[k])+" = "+bind(c.Values[i], named[k]))
		}
	} else {
		for _, x := range d.resource.Delete {
			set = append(set, quote(x.Column)+" = "+bind(x.Value, x.Column))
		}
	}
	query := "DELETE FROM " + d.from()
	if len(set) > 0 {
		query = "UPDATE " + d.from() + " SET " + strings.Join(set, ", ")
	}
	var where []string
	for i, name := range d.resource.WriteKey {
		column, _ := d.column(name)
		args = append(args, d.text(c.Key[i], name))
		where = append(where, fmt.Sprintf("%s = $%d::text::%s", quote(name), len(args), column.sqlType))
	}
	return query + " WHERE " + strings.Join(where, " AND "), args
}

// receipt reads the answer to one change.
func (d *destination) receipt(c connectors.Change, query func() (pgx.Rows, error)) (connectors.Receipt, error) {
	rows, err := query()
	if err != nil {
		return connectors.Receipt{}, err
	}
	receipt := connectors.Receipt{Status: connectors.Applied}
	for rows.Next() {
		texts := make([]*string, len(d.resource.Returning))
		targets := make([]any, len(texts))
		for i := range texts {
			targets[i] = &texts[i]
		}
		if err := rows.Scan(targets...); err != nil {
			rows.Close()
			return receipt, err
		}
		for i, name := range d.resource.Returning {
			receipt.Row = append(receipt.Row, d.value(texts[i], name, record.Unknown))
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return connectors.Receipt{}, err
	}
	if n := rows.CommandTag().RowsAffected(); n != 1 && (c.Op != connectors.Create || d.counted) {
		return otherRows(c.Op, n), nil
	}
	return receipt, nil
}

// otherRows is the answer to a change that found n rows, and not one.
func otherRows(op connectors.Op, n int64) connectors.Receipt {
	switch {
	case n == 0 && op == connectors.Delete:
		return connectors.Receipt{Status: connectors.Same} // it is gone, as was asked
	case n == 0 && op == connectors.Create:
		return connectors.LeftOut()
	case n == 0:
		return connectors.Receipt{Status: connectors.Refused, Code: "missing_row", Words: "the row is not there any more"}
	}
	return connectors.Receipt{Status: connectors.Refused, Code: "ambiguous", Words: fmt.Sprintf("the key finds %d rows", n)}
}

// refused is a refusal in the server's words; its detail may show other records and
// is left out.
func refused(err error) connectors.Receipt {
	r := connectors.Receipt{Status: connectors.Refused, Code: "refused", Words: "the row was refused"}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return r
	}
	r.Words = e.Message
	switch {
	case e.Code == "23502":
		r.Code = "not_null"
	case e.Code == "23505":
		r.Code = "unique"
	case e.Code == "23503":
		r.Code = "foreign_key"
	case e.Code == "23514" || againstCheck(e):
		r.Code = "check"
	case e.Code == "22001":
		r.Code = "too_long"
	case strings.HasPrefix(e.Code, "22"):
		r.Code = "type"
	}
	return r
}

// Find implements connectors.Finder.
func (d *destination) Find(ctx context.Context, q connectors.Query) ([]connectors.Found, error) {
	r := d.resource
	selected := append(append(names(r.Write), names(r.Read)...), r.Returning...)
	var found []connectors.Found
	err := d.with(ctx, &d.reading, "find in "+d.name(), func(ctx context.Context, db *pgx.Conn) error {
		if err := d.check(ctx, db, selected, q.Of(r.WriteKey)); err != nil {
			return err
		}
		if err := d.awaitQuiet(ctx, db); err != nil {
			return err
		}
		return d.look(ctx, db, q.Of(r.WriteKey), q.Keys, selected, func(at int, texts []*string) {
			f := connectors.Found{At: at, Write: make(record.Row, len(r.Write)), Read: make(record.Row, len(r.Read)), Returning: make(record.Row, len(r.Returning))}
			for i, c := range r.Write {
				f.Write[i] = d.value(texts[i], c.Name, c.Kind)
			}
			texts = texts[len(r.Write):]
			for i, c := range r.Read {
				f.Read[i] = d.value(texts[i], c.Name, c.Kind)
			}
			texts = texts[len(r.Read):]
			for i, name := range r.Returning {
				f.Returning[i] = d.value(texts[i], name, record.Unknown)
			}
			found = append(found, f)
		})
	})
	return found, err
}

var (
	_ connectors.Destination = (*destination)(nil)
	_ connectors.Finder      = (*destination)(nil)
)
