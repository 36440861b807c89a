package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// blockCommit lets every transaction that inserts a line wait, when it commits, for
// whoever holds the lock 42.
const blockCommit = `
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER waiting AFTER INSERT ON lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();`

// TestKillDuringCommit: a transaction whose client was killed may still be committed by
// the server, after headgate has begun again. What it writes must not look absent
// until then.
func TestKillDuringCommit(t *testing.T) {
	t.Parallel()
	erp := postgresTill(t)
	sales := manySales(dice(t), 60)
	o := beginImport(t, "postgres", erp, sales)
	ctx := context.Background()
	db, err := pgx.Connect(ctx, erp.dsn)
	o.must(err)
	defer func() { _ = db.Close(ctx) }()
	exec := func(query string) {
		_, err := db.Exec(ctx, query)
		o.must(err)
	}
	waiting := func() (n int) {
		o.must(db.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").Scan(&n))
		return n
	}
	exec(blockCommit)
	exec("SELECT pg_advisory_lock(42)")

	first := o.start("run", "--once")
	o.eventually("the commit of the first run waits", time.Minute, func() bool { return waiting() == 1 })
	first.kill()
	second := o.start("run", "--once")
	o.eventually("the second run waits too", time.Minute, func() bool { return waiting() == 2 })
	exec("SELECT pg_advisory_unlock(42)")
	<-second.ended
	if second.code != exitOpen {
		t.Fatalf("the second run left with %d:\n%s", second.code, second.told)
	}

	o.verify()
	want, _ := accounted(sales)
	got := erp.lines(o)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("- counted by hand, + delivered:\n%s", diff)
	}
}
