package postgres_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/postgres"
	"headgate/engine/record"
)

// TestSilence: a server that takes the connection and never answers holds nobody
// longer than the connector's timeout.
func TestSilence(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	settings := postgres.Kind().Settings().(*postgres.Settings)
	settings.Host, settings.Port = "127.0.0.1", silent.Addr().(*net.TCPAddr).Port
	settings.Database, settings.User, settings.SSLMode = "erp", "headgate", "disable"
	c, err := postgres.Kind().Open(settings, connectors.Tools{Now: time.Now, Timeout: 50 * time.Millisecond, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	d, err := c.Destination(connectors.Resource{
		Name: "rows", Settings: &postgres.Resource{Table: "rows"}, Zone: time.UTC, WriteKey: []string{"no"}, Write: []record.Column{{Name: "no", Kind: record.Int}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.(connectors.Finder).Find(t.Context(), connectors.Query{Keys: [][]record.Value{{record.IntValue(1)}}})
	if e, ok := errors.AsType[*connectors.Error](err); !ok || e.Class != connectors.Down && e.Class != connectors.Unclear {
		t.Errorf("%v", err)
	}
}
