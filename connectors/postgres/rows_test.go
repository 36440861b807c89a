package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"headgate/connectors"
	"headgate/connectors/postgres/pgtest"
	"headgate/engine/record"
)

// TestRowsOwnErrors: whatever a server says of one row is said of that row, alone and
// among others: what its triggers raise, by any code, what does not fit into an index,
// and what a trigger leaves out.
func TestRowsOwnErrors(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	trigger := func(body string) []string {
		return []string{
			"CREATE TABLE orders (no int PRIMARY KEY, customer text)",
			"CREATE OR REPLACE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x text; BEGIN IF new.customer LIKE 'bad%' THEN " + body + " END IF; RETURN new; END $$",
			"CREATE TRIGGER judge BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION judge()",
		}
	}
	huge, x := []byte("bad"), uint32(1)
	for range 6000 { // so that it cannot be compressed
		x = x*1664525 + 1013904223
		huge = append(huge, 'a'+byte(x>>28))
	}
	for name, schema := range map[string][]string{
		"a code of its own":     trigger("RAISE 'no such customer' USING ERRCODE = 'ERP01';"),
		"a query without a row": trigger("SELECT 'x' INTO STRICT x WHERE false;"),
		"a query of many rows":  trigger("SELECT 'x' INTO STRICT x FROM generate_series(1, 2);"),
		"left out":              trigger("RETURN NULL;"),
		"too much for an index": {"CREATE TABLE orders (no int PRIMARY KEY, customer text)", "CREATE INDEX ON orders (customer)"},
		"identity":              {"CREATE TABLE orders (no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text CHECK (customer NOT LIKE 'bad%'))"},
	} {
		server.Exec(t, append([]string{"DROP TABLE IF EXISTS orders, headgate_reference"}, schema...)...)
		added := adding(t, server, "orders", connectors.Resource{Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "customer", Kind: record.String}}})
		for i, d := range []connectors.Destination{writing(t, server, "orders"), added} {
			change := func(no int, customer string) connectors.Change {
				c := ordered(10*i+no, customer)
				c.Reference = fmt.Sprint("R-", no)
				return c
			}
			for _, lot := range [][]connectors.Change{
				{change(1, string(huge))},
				{change(2, "good"), change(3, "good"), change(4, string(huge)), change(5, "good")},
				{change(6, "good")},
			} {
				receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: lot})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for k, r := range receipts {
					bad := strings.HasPrefix(lot[k].Values[1].Str(), "bad")
					if want := map[bool]connectors.Status{false: connectors.Applied, true: connectors.Refused}[bad]; r.Status != want || bad && (r.Words == "" || strings.Contains(r.Words, "the row was refused")) {
						t.Errorf("%s, row %v: %+v, want status %d", name, lot[k].Values[0], r, want)
					}
				}
			}
		}
		if got := server.Text(t, "SELECT count(*) FROM orders"); got != "8" {
			t.Errorf("%s: %s rows, want 8", name, got)
		}
	}
}

// TestLockTimeout: a transaction that does not get the lock leaves nothing behind that
// the next one fails for.
func TestLockTimeout(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	server.Exec(t, "CREATE TABLE orders (no int PRIMARY KEY, customer text)", "CREATE ROLE clerk LOGIN", "ALTER ROLE clerk SET lock_timeout = '50ms'",
		"GRANT SELECT, INSERT ON orders TO clerk")
	d := writingAs(t, server, "orders", "clerk")
	lot := connectors.Lot{Changes: []connectors.Change{ordered(1, "good")}}
	other, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), fmt.Sprintf("SELECT pg_advisory_lock(%d, 'orders'::regclass::oid::int)", lockClass)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apply(t.Context(), lot); connectors.ClassOf(err) != connectors.Down {
		t.Errorf("while another has the lock: %v", err)
	}
	if err := other.Close(t.Context()); err != nil { // its session had the lock
		t.Fatal(err)
	}
	server.Text(t, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, 'orders'::regclass::oid::int)::text", lockClass))
	if receipts, err := d.Apply(t.Context(), lot); err != nil || receipts[0].Status != connectors.Applied {
		t.Errorf("once it is free: %+v, %v", receipts, err)
	}
}

// TestImpossibleKeys: a key that its column cannot hold finds nothing, and takes no
// other with it; a row that cannot be read is an error.
func TestImpossibleKeys(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	server.Exec(t, "CREATE TABLE orders (no int PRIMARY KEY, customer text)", "INSERT INTO orders SELECT n, 'c' || n FROM generate_series(1, 9) n",
		"CREATE VIEW odd AS SELECT no, (1 / (no - 3))::text AS customer FROM orders")
	var keys [][]record.Value
	for _, key := range []string{"1", "A-1", "2", "99999999999", "4", "", "\x00", "5"} {
		keys = append(keys, []record.Value{record.StringValue(key)})
	}
	found, err := writing(t, server, "orders").(connectors.Finder).Find(t.Context(), connectors.Query{Keys: keys})
	var at []int
	for _, f := range found {
		at = append(at, f.At)
	}
	if err != nil || fmt.Sprint(at) != "[0 2 4 7]" {
		t.Errorf("found %v, %v", at, err)
	}
	source, err := open(t, server).Source(connectors.Resource{
		Name: "orders", Settings: &Resource{Table: "orders"}, Zone: time.UTC, Read: []record.Column{{Name: "customer", Kind: record.String}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := source.(connectors.Getter).Get(t.Context(), []string{"no"}, keys); err != nil || len(got) != 4 {
		t.Errorf("got %v, %v", got, err)
	}
	odd := writing(t, server, "odd").(connectors.Finder)
	if found, err := odd.Find(t.Context(), connectors.Query{Keys: [][]record.Value{{record.IntValue(3)}, {record.IntValue(4)}}}); err == nil {
		t.Errorf("a row that divides by zero was found as %v", found)
	}
}
