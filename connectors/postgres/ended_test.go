package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/postgres/pgtest"
	"headgate/engine/record"
)

// TestTransactionEnded: a row that is refused only when the transaction ends takes none
// with it, and rows that need one another arrive together.
func TestTransactionEnded(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	server.Exec(t, "CREATE TABLE customers (name text PRIMARY KEY)", "INSERT INTO customers VALUES ('good')",
		`CREATE FUNCTION strict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.customer = 'bad' THEN RAISE 'no such customer'; END IF; RETURN NULL; END $$`)
	for name, schema := range map[string]string{
		"key":     `CREATE TABLE %s (no int PRIMARY KEY, customer text REFERENCES customers DEFERRABLE INITIALLY DEFERRED)`,
		"trigger": `CREATE TABLE %[1]s (no int PRIMARY KEY, customer text); CREATE CONSTRAINT TRIGGER strict AFTER INSERT ON %[1]s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION strict()`,
	} {
		for _, rows := range []int{1, 2, 7, 60} {
			table := fmt.Sprintf("%s_%d", name, rows)
			for _, sql := range strings.Split(fmt.Sprintf(schema, table), "; ") {
				server.Exec(t, sql)
			}
			t.Run(fmt.Sprintf("%s of %d", name, rows), func(t *testing.T) {
				d := writing(t, server, table)
				bad := map[int]bool{0: true, rows / 2: true, rows - 1: true}
				var lot connectors.Lot
				for i := range rows {
					customer := "good"
					if bad[i] {
						customer = "bad"
					}
					lot.Changes = append(lot.Changes, ordered(i, customer))
				}
				receipts, err := d.Apply(t.Context(), lot)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range receipts {
					if want := map[bool]connectors.Status{false: connectors.Applied, true: connectors.Refused}[bad[i]]; r.Status != want {
						t.Errorf("row %d: %+v, want status %d", i, r, want)
					}
				}
				if got, want := server.Text(t, "SELECT count(*) FROM "+table), fmt.Sprint(rows-len(bad)); got != want {
					t.Errorf("the table holds %s rows, want %s", got, want)
				}
			})
		}
	}
}

// TestNotCopiedInto: what COPY does not write, or not as INSERT does, is written all the same.
func TestNotCopiedInto(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	for name, schema := range map[string][]string{
		"view": {"CREATE TABLE kept (no int PRIMARY KEY, customer text)", "CREATE VIEW orders AS SELECT * FROM kept"},
		"rule": {"CREATE TABLE orders (no int PRIMARY KEY, customer text)", "CREATE TABLE kept (no int, customer text)", "CREATE RULE r AS ON INSERT TO orders DO ALSO INSERT INTO kept VALUES (new.no, new.customer)"},
		"policy": {"CREATE TABLE orders (no int PRIMARY KEY, customer text)", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON orders USING (true) WITH CHECK (customer <> 'bad')",
			"GRANT SELECT, INSERT ON orders TO clerk", "CREATE VIEW kept AS SELECT * FROM orders"},
	} {
		server.Exec(t, "DROP SCHEMA IF EXISTS public CASCADE", "CREATE SCHEMA public", "DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN", "GRANT USAGE ON SCHEMA public TO clerk")
		server.Exec(t, schema...)
		user, want := "headgate", 50
		if name == "policy" {
			user, want = "clerk", 49
		}
		d := writingAs(t, server, "orders", user)
		var lot connectors.Lot
		for i := range 50 {
			lot.Changes = append(lot.Changes, ordered(i, "good"))
		}
		if name == "policy" {
			lot.Changes[7] = ordered(7, "bad")
		}
		receipts, err := d.Apply(t.Context(), lot)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := receipts[7]; name == "policy" && r.Status != connectors.Refused {
			t.Errorf("against the policy: %+v", r)
		}
		if got := server.Text(t, "SELECT count(*) FROM kept"); got != fmt.Sprint(want) {
			t.Errorf("%s: %s rows arrived, want %d", name, got, want)
		}
	}
}

// TestIsolation: a server whose transactions are serializable unless they say otherwise
// changes nothing: what is looked up behind the lock is what is there.
func TestIsolation(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off", "default_transaction_isolation=serializable")
	server.Exec(t, "CREATE TABLE movements (code text NOT NULL)")
	r := connectors.Resource{Write: []record.Column{{Name: "code", Kind: record.String}}}
	results := make(chan string)
	const writers, lots = 8, 100
	for range writers {
		d := adding(t, server, "movements", r)
		go func() {
			for i := range lots {
				receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{
					{Op: connectors.Create, Reference: fmt.Sprint("R-", i), Values: []record.Value{record.StringValue(fmt.Sprint("M-", i))}},
				}})
				switch {
				case err != nil:
					results <- err.Error()
				case receipts[0].Status != connectors.Applied && receipts[0].Status != connectors.Same:
					results <- fmt.Sprintf("%+v", receipts[0])
				default:
					results <- ""
				}
			}
		}()
	}
	for range writers * lots {
		if problem := <-results; problem != "" {
			t.Error(problem)
		}
	}
	if got := server.Text(t, "SELECT count(*) || ' ' || count(DISTINCT code) FROM movements"); got != "100 100" {
		t.Errorf("rows and movements: %s", got)
	}
}

func ordered(no int, customer string) connectors.Change {
	values := []record.Value{record.IntValue(int64(no)), record.StringValue(customer)}
	return connectors.Change{Op: connectors.Create, Key: values[:1], Values: values}
}

func writing(t *testing.T, server *pgtest.Server, table string) connectors.Destination {
	t.Helper()
	return writingAs(t, server, table, "headgate")
}

// writingAs opens a table of orders to a role.
func writingAs(t *testing.T, server *pgtest.Server, table, user string) connectors.Destination {
	t.Helper()
	secret := func(connectors.Secret) (string, error) {
		return strings.Replace(server.DSN(), "user=headgate", "user="+user, 1), nil
	}
	c, err := Kind().Open(&Settings{DSN: connectors.Secret{From: "env", Name: "DSN"}}, connectors.Tools{Now: time.Now, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	d, err := c.Destination(connectors.Resource{
		Name: table, Settings: &Resource{Table: table}, Zone: time.UTC, WriteKey: []string{"no"},
		Write: []record.Column{{Name: "no", Kind: record.Int}, {Name: "customer", Kind: record.String}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
