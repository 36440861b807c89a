package postgres

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/postgres/pgtest"
	"headgate/engine/record"
)

// TestOnce: a table without a key is added to, each record once.
func TestOnce(t *testing.T) {
	t.Parallel()
	server, tables := pgtest.Start(t, "fsync=off"), 0
	connectortest.RunOnce(t, func(t *testing.T, r connectors.Resource) connectortest.Once {
		tables++
		schema := fmt.Sprintf("plant %d", tables)
		server.Exec(t, fmt.Sprintf(`CREATE SCHEMA %q`, schema), fmt.Sprintf(`CREATE TABLE %q.movements (code text NOT NULL, qty int, seen text, ref varchar(40), no int)`, schema))
		r.Settings = &Resource{Table: schema + ".movements", Append: true}
		d, err := open(t, server).Destination(r)
		if err != nil {
			t.Fatal(err)
		}
		return connectortest.Once{Destination: d, Codes: func() []string {
			return strings.Fields(server.Text(t, fmt.Sprintf(`SELECT coalesce(string_agg(code, ' '), '') FROM %q.movements`, schema)))
		}}
	})
}

// TestOnceDenied: who may not make the table of references is told what to ask for.
func TestOnceDenied(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	server.Exec(t, "CREATE SCHEMA plant", "CREATE TABLE plant.movements (code text NOT NULL, qty int)", "CREATE ROLE clerk LOGIN",
		"GRANT USAGE ON SCHEMA plant TO clerk", "GRANT SELECT, INSERT ON plant.movements TO clerk")
	secret := func(connectors.Secret) (string, error) {
		return strings.Replace(server.DSN(), "user=headgate", "user=clerk", 1), nil
	}
	c, err := Kind().Open(&Settings{DSN: connectors.Secret{From: "env", Name: "DSN"}}, connectors.Tools{Now: time.Now, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	d, err := c.Destination(connectors.Resource{
		Name: "movements", Settings: &Resource{Table: "plant.movements", Append: true}, Zone: time.UTC,
		Write: []record.Column{{Name: "code", Kind: record.String}, {Name: "qty", Kind: record.Int}},
	})
	if err != nil {
		t.Fatal(err)
	}
	change := connectors.Change{Op: connectors.Create, Reference: "REF-1", Values: []record.Value{record.StringValue("M-1"), record.IntValue(1)}}
	_, err = d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{change}})
	const want = `CREATE TABLE "plant"."headgate_reference" (added_to text NOT NULL, reference text NOT NULL, content text NOT NULL, PRIMARY KEY (added_to, reference))`
	if told, ok := errors.AsType[*connectors.Error](err); !ok || told.Class != connectors.Broken || !strings.Contains(told.Hint, want) {
		t.Fatalf("%v does not say %s", err, want)
	}
	server.Exec(t, want, `GRANT SELECT, INSERT ON plant.headgate_reference TO clerk`)
	receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{change}})
	if err != nil || receipts[0].Status != connectors.Applied {
		t.Errorf("once it is made: %+v, %v", receipts, err)
	}
}

// adding opens a table that is added to.
func adding(t *testing.T, server *pgtest.Server, table string, r connectors.Resource) connectors.Destination {
	t.Helper()
	r.Name, r.Settings, r.Zone = table, &Resource{Table: table, Append: true}, time.UTC
	d, err := open(t, server).Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestOnceElsewhere: what was added to one table is new to another of its schema, also
// where both are the first.
func TestOnceElsewhere(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	const tables = 8
	for i := range tables {
		server.Exec(t, fmt.Sprintf("CREATE TABLE t%d (code text)", i))
	}
	r := connectors.Resource{Write: []record.Column{{Name: "code", Kind: record.String}}}
	change := connectors.Change{Op: connectors.Create, Reference: "R-1", Values: []record.Value{record.StringValue("A")}}
	var all sync.WaitGroup
	for i := range tables {
		d := adding(t, server, fmt.Sprintf("t%d", i), r)
		all.Go(func() {
			for _, want := range []connectors.Status{connectors.Applied, connectors.Same} {
				receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{change}})
				if err != nil || receipts[0].Status != want {
					t.Errorf("table %d: %+v, %v, want status %d", i, receipts, err, want)
				}
			}
		})
	}
	all.Wait()
	if got := server.Text(t, "SELECT count(*) || ' ' || count(DISTINCT added_to) FROM headgate_reference"); got != "8 8" {
		t.Errorf("references and their tables: %s", got)
	}
}

// TestOnceStored: a row is compared in the form in which its columns keep it.
func TestOnceStored(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	server.Exec(t, "CREATE TABLE movements (ref text, n numeric(10,2), f real, at timestamp(0), c char(8), v varchar(4), id uuid, doc json, b bit(3))")
	d := adding(t, server, "movements", connectors.Resource{
		Reference: "ref", Content: []bool{false, true, true, true, true, true, true, true, true},
		Write: []record.Column{
			{Name: "ref", Kind: record.String}, {Name: "n", Kind: record.Decimal}, {Name: "f", Kind: record.Decimal}, {Name: "at", Kind: record.Time},
			{Name: "c", Kind: record.String}, {Name: "v", Kind: record.String}, {Name: "id", Kind: record.String}, {Name: "doc", Kind: record.String}, {Name: "b", Kind: record.String},
		},
	})
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	values := func() []record.Value {
		number := func(s string) record.Value {
			n, err := record.ParseNumber(s, false)
			if err != nil {
				t.Fatal(err)
			}
			return record.DecimalValue(n)
		}
		return []record.Value{
			record.StringValue("R-1"), number("1.005"), number("0.1234567890123456789"), record.TimeValue(at), record.StringValue("Abc"),
			record.StringValue("ab     "), record.StringValue("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), record.StringValue(`{"a" : 1}`), record.StringValue("101"),
		}
	}
	send := func(values []record.Value) connectors.Receipt {
		t.Helper()
		receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Reference: "R-1", Values: values}}})
		if err != nil {
			t.Fatal(err)
		}
		return receipts[0]
	}
	for _, want := range []connectors.Status{connectors.Applied, connectors.Same} {
		if got := send(values()); got.Status != want {
			t.Errorf("%+v, want status %d", got, want)
		}
	}
	for i, other := range []record.Value{
		1: record.NullValue(), 2: record.IntValue(0), 3: record.TimeValue(at.Add(time.Second)), 4: record.StringValue("Abcd"), 5: record.StringValue("abcde"),
		6: record.StringValue("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12"), 7: record.StringValue(`{"a": 2}`), 8: record.StringValue("1011"),
	} {
		if i == 0 {
			continue
		}
		changed := values()
		changed[i] = other
		if got := send(changed); got.Status != connectors.Refused || got.Code != connectors.CodeAppendOnly {
			t.Errorf("column %d changed: %+v", i, got)
		}
	}
	changed := values()
	changed[1] = record.StringValue("many")
	if got := send(changed); got.Status != connectors.Refused || got.Code != "type" {
		t.Errorf("a number that is none: %+v", got)
	}
}
