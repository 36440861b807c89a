package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headgate/connectors"
)

// A server may go on committing a transaction whose client has died or lost its
// connection, and until it has, what it writes looks absent to everybody else. So
// every transaction that writes a table holds an advisory lock of that table, and
// who looks up after an unknown answer waits for the lock first (R5, R8).

const (
	lockClass = 0x68656164 // "head": the first half of the lock, for all tables
	quietWait = 20 * time.Second
)

// lock is the statement that takes the lock of the table until the transaction ends.
func (t *table) lock() string {
	return fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, '%s'::regclass::oid::int)", lockClass, strings.ReplaceAll(t.from(), "'", "''"))
}

// begin begins a transaction that writes the table. What is looked up in it is what is
// there once it has the lock, whatever isolation the server gives who asks for none.
func (d *destination) begin(ctx context.Context, db *pgx.Conn) error {
	return db.PgConn().Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED; "+d.lock()).Close()
}

// awaitQuiet waits until no transaction of an earlier connection writes the table.
func (d *destination) awaitQuiet(ctx context.Context, db *pgx.Conn) error {
	if d.quiet.Load() {
		return nil
	}
	err := db.PgConn().Exec(ctx, fmt.Sprintf("BEGIN; SET LOCAL lock_timeout = %d; %s; COMMIT", quietWait.Milliseconds(), d.lock())).Close()
	if err == nil {
		d.quiet.Store(true)
		return nil
	}
	if !db.IsClosed() {
		_, rollback := db.Exec(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, rollback)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "55P03" {
		return &connectors.Error{
			Class: connectors.Down, Op: "wait for an earlier transaction on " + d.name(),
			Hint: "a connection headgate lost still has it open: find it in pg_stat_activity, by its application_name",
			Err:  fmt.Errorf("it was still open after %s", quietWait),
		}
	}
	return err
}
