package files_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/files"
	"headgate/engine/record"
)

func csvResource(change func(*files.CSV)) *files.Resource {
	csv := &files.CSV{}
	csv.Defaults()
	csv.MaxRecord = 4 << 20 // the suite's longest text is a megabyte
	if change != nil {
		change(csv)
	}
	return &files.Resource{Glob: "*.rows", File: "rows-%Y%m%d.rows", CSV: csv}
}

func jsonlResource() *files.Resource {
	return &files.Resource{Glob: "*.rows", File: "rows-%Y%m%d.rows", JSONL: &files.JSONL{MaxRecord: 4 << 20}}
}

// system is two directories: one to read, one to write. What is put and looked
// at goes through the connector itself, which reads what it writes.
func system(resource *files.Resource) func(*testing.T) connectortest.System {
	return func(t *testing.T) connectortest.System {
		dir := t.TempDir()
		return connectortest.System{
			Kind: files.Kind(), Settings: &files.Settings{Dir: dir},
			SourceSettings: resource, DestinationSettings: resource,
			Put:  func(t *testing.T, rows []record.Row) { putRows(t, dir, resource, rows) },
			Rows: func(t *testing.T) []record.Row { return rowsIn(t, dir, resource) },
		}
	}
}

func open(t *testing.T, dir string) connectors.Connector {
	t.Helper()
	conn, err := files.Kind().Open(&files.Settings{Dir: dir}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func putRows(t *testing.T, dir string, settings *files.Resource, rows []record.Row) {
	t.Helper()
	dest, err := open(t, dir).Destination(connectors.Resource{Settings: settings, Write: connectortest.Columns()})
	if err != nil {
		t.Fatal(err)
	}
	var lot connectors.Lot
	for _, row := range rows {
		lot.Changes = append(lot.Changes, connectors.Change{Op: connectors.Create, Values: row})
	}
	receipts, err := dest.Apply(context.Background(), lot)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.Status != connectors.Applied {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
	if err := dest.(connectors.Appender).Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// rowsIn reads every file there is, that which is not published too.
func rowsIn(t *testing.T, dir string, settings *files.Resource) (rows []record.Row) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	source, err := open(t, dir).Source(connectors.Resource{Settings: settings, Read: connectortest.Columns()})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".sum.json") {
			continue
		}
		for at := record.Position(""); ; {
			page, err := source.Read(context.Background(), connectors.Part{Name: e.Name()}, at, 100)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Len() {
				row, err := page.Row(i)
				if err != nil {
					t.Fatalf("%s, %s: %v", e.Name(), page.Where(i), err)
				}
				rows = append(rows, slices.Clone(row))
			}
			if at = page.EndPosition(); page.End() {
				break
			}
		}
	}
	return rows
}

// deleted is a change that no file can take.
func deleted(c connectors.Change) connectors.Change {
	c.Op = connectors.Delete
	return c
}

func TestConformanceCSV(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*files.CSV){
		"plain":             nil,
		"semicolon, comma":  func(c *files.CSV) { c.Delimiter, c.Decimal = ";", "," },
		"utf-16":            func(c *files.CSV) { c.Encoding = "utf-16" },
		"utf-16be":          func(c *files.CSV) { c.Encoding = "utf-16be" },
		"tabs, other quote": func(c *files.CSV) { c.Delimiter, c.Quote = "\t", "'" },
	} {
		t.Run(name, func(t *testing.T) {
			resource := csvResource(change)
			connectortest.Run(t, connectortest.Suite{
				New: system(resource), Source: true, Destination: true, Appender: true,
				EmptyIsNull: resource.CSV.Null == "", Comma: resource.DecimalComma(), Refuse: deleted,
			})
		})
	}
}

func TestConformanceJSONL(t *testing.T) {
	connectortest.Run(t, connectortest.Suite{
		New: system(jsonlResource()), Source: true, Destination: true, Appender: true,
		Schemaless: true, Refuse: deleted,
	})
}
