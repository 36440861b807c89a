package postgres_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/postgres"
	"headgate/connectors/postgres/pgtest"
	"headgate/engine/record"
)

func TestConformance(t *testing.T) {
	server := pgtest.Start(t, "fsync=off", "max_connections=200")
	var tables atomic.Int64
	connectortest.Run(t, connectortest.Suite{
		New:    func(t *testing.T) connectortest.System { return newSystem(t, server, tables.Add(1)) },
		Source: true, Destination: true, Cursor: true, Getter: true, Finder: true,
		NoNUL: true, TimePrecision: time.Microsecond,
	})
}

func newSystem(t *testing.T, server *pgtest.Server, n int64) connectortest.System {
	t.Helper()
	table := fmt.Sprintf("rows_%d", n)
	server.Exec(t, `CREATE TABLE `+table+` (no bigint PRIMARY KEY, code text NOT NULL, amount numeric, done boolean, day date, at timestamptz, note text)`)
	resource := &postgres.Resource{Table: table}
	settings := postgres.Kind().Settings().(*postgres.Settings)
	settings.DSN = connectors.Secret{From: "env", Name: "DSN"}
	return connectortest.System{
		Kind: postgres.Kind(), Settings: settings, SourceSettings: resource, DestinationSettings: resource,
		Tools: connectors.Tools{Secret: func(connectors.Secret) (string, error) { return server.DSN(), nil }},
		Put: func(t *testing.T, rows []record.Row) {
			for _, row := range rows {
				var args []string
				for _, v := range row {
					if v.Missing() {
						args = append(args, "NULL")
						continue
					}
					args = append(args, "'"+strings.ReplaceAll(v.Text(), "'", "''")+"'")
				}
				server.Exec(t, `INSERT INTO `+table+` VALUES (`+strings.Join(args, ",")+`)`)
			}
		},
	}
}
