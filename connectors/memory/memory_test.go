package memory_test

import (
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/memory"
	"headgate/engine/record"
)

// names returns the columns of the suite's table.
func names() []string {
	var names []string
	for _, c := range connectortest.Columns() {
		names = append(names, c.Name)
	}
	return names
}

func system(t *testing.T) (connectortest.System, *memory.Table) {
	t.Helper()
	store := memory.New()
	table := store.Create("rows", names()...)
	table.Refuse = func(op connectors.Op, row map[string]record.Value) (code, words string) {
		if op != connectors.Delete && row["code"].Missing() {
			return "not_null", "code is null"
		}
		return "", ""
	}
	settings := &memory.ResourceSettings{Table: "rows"}
	return connectortest.System{
		Kind: memory.Kind(store), Settings: &memory.Settings{Name: "test"},
		SourceSettings: settings, DestinationSettings: settings,
		Put: func(_ *testing.T, rows []record.Row) {
			for _, row := range rows {
				table.Insert(row...)
			}
		},
	}, table
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Suite{
		New: func(t *testing.T) connectortest.System {
			sys, _ := system(t)
			return sys
		},
		Source: true, Destination: true, Cursor: true, Getter: true, Finder: true,
	})
}

func TestConformanceAppendOnly(t *testing.T) {
	connectortest.Run(t, connectortest.Suite{
		New: func(t *testing.T) connectortest.System {
			sys, table := system(t)
			table.AppendOnly = true
			sys.Rows = func(*testing.T) []record.Row { return table.Rows() }
			return sys
		},
		Destination: true,
	})
}

// TestConformanceAPI: an API is one destination in the several ways in which an
// answer that did not come is settled.
func TestConformanceAPI(t *testing.T) {
	t.Parallel()
	for name, api := range map[string]memory.API{
		"with nothing":            {},
		"by key of idempotency":   {Window: time.Hour},
		"by look-up":              {Find: true, Repeat: true},
		"three changes at a time": {Window: time.Hour, Many: 3},
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, connectortest.Suite{
				New: func(t *testing.T) connectortest.System {
					sys, table := system(t)
					table.API = &memory.API{Find: api.Find, Repeat: api.Repeat, Window: api.Window, Many: api.Many}
					if !api.Find {
						sys.Rows = func(*testing.T) []record.Row { return table.Rows() }
					}
					return sys
				},
				Destination: true, Finder: api.Find, Sender: true,
			})
		})
	}
}
