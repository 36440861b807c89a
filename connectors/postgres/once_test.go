package postgres

import (
	"errors"
	"fmt"
	"strings"
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
	connectortest.RunOnce(t, func(t *testing.T, reference string) connectortest.Once {
		tables++
		schema := fmt.Sprintf("plant %d", tables)
		server.Exec(t, fmt.Sprintf(`CREATE SCHEMA %q`, schema), fmt.Sprintf(`CREATE TABLE %q.movements (code text NOT NULL, qty int, ref varchar(40))`, schema))
		d, err := open(t, server).Destination(connectors.Resource{
			Name: "movements", Settings: &Resource{Table: schema + ".movements", Append: true}, Zone: time.UTC,
			Write: connectortest.OnceColumns(reference), Reference: reference,
		})
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
		Name: "movements", Settings: &Resource{Table: "plant.movements", Append: true}, Zone: time.UTC, Write: connectortest.OnceColumns(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	change := connectors.Change{Op: connectors.Create, Reference: "REF-1", Values: []record.Value{record.StringValue("M-1"), record.IntValue(1)}}
	_, err = d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{change}})
	const want = `CREATE TABLE "plant"."headgate_reference" (reference text PRIMARY KEY, content text NOT NULL)`
	if told, ok := errors.AsType[*connectors.Error](err); !ok || told.Class != connectors.Broken || !strings.Contains(told.Hint, want) {
		t.Fatalf("%v does not say %s", err, want)
	}
	server.Exec(t, want, `GRANT SELECT, INSERT ON plant.headgate_reference TO clerk`)
	receipts, err := d.Apply(t.Context(), connectors.Lot{Changes: []connectors.Change{change}})
	if err != nil || receipts[0].Status != connectors.Applied {
		t.Errorf("once it is made: %+v, %v", receipts, err)
	}
}
