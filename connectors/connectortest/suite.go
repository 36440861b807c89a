package connectortest

import (
	"context"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// Columns are the columns of the table that every test uses. The key is "no";
// "code" may not be null, all others may.
func Columns() []record.Column {
	return []record.Column{
		{Name: "no", Kind: record.Int},
		{Name: "code", Kind: record.String},
		{Name: "amount", Kind: record.Decimal},
		{Name: "done", Kind: record.Bool},
		{Name: "day", Kind: record.Date},
		{Name: "at", Kind: record.Time},
		{Name: "note", Kind: record.String},
	}
}

// The places of the columns.
const (
	columnNo = iota
	columnCode
	columnAmount
	columnDone
	columnDay
	columnAt
	columnNote
)

// Key names the key columns of the table.
func Key() []string { return []string{"no"} }

// Suite says what a connector is and what it is not able to do.
type Suite struct {
	// New makes a fresh system with an empty table of Columns.
	New func(t *testing.T) System

	Source      bool // it can be read
	Destination bool // it can be written

	Cursor      bool // the source can be read in the order of the column "at"
	Getter      bool // the source can be asked by key
	Finder      bool // the destination can be asked by key, and updated and deleted
	Appender    bool // the destination is cut back to marks
	Sender      bool // the destination cannot repeat, and is sent messages
	Schemaless  bool // a column that is not there cannot be told from one left out
	EmptyIsNull bool // empty text is read as null
	NoNUL       bool // text cannot hold the character NUL
	NoLeastInt  bool // the least of all 64-bit numbers, -2^63, is not read as an int

	// TimePrecision is the finest difference of instants it keeps; 0 is a nanosecond.
	TimePrecision time.Duration
	// Comma says that the numbers of the source have a decimal comma.
	Comma bool
	// Refuse makes of a good create one that the destination refuses; nil sets
	// "code" to null.
	Refuse func(connectors.Change) connectors.Change
}

// System is one fresh system.
type System struct {
	Kind     connectors.Kind
	Settings any              // of the connector, filled
	Tools    connectors.Tools // what is zero is filled in
	Zone     *time.Location   // nil is UTC

	SourceSettings      any // of the resource where Put puts rows
	DestinationSettings any // of the resource where Rows looks

	// Put adds rows of Columns where the source reads them, in this order.
	Put func(t *testing.T, rows []record.Row)
	// Rows returns the rows of Columns where the destination writes, in any order,
	// published or not. Nil where the destination is a Finder: it is asked.
	Rows func(t *testing.T) []record.Row
	// Secrets are texts that may appear in no message and no place.
	Secrets []string
}

// Run runs the conformance suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	t.Parallel()
	if s.New == nil || !s.Source && !s.Destination {
		t.Fatal("a suite needs New, and a source or a destination")
	}
	t.Run("opens without input or output", s.testOpen)
	if s.Source {
		s.runSource(t)
	}
	if s.Destination {
		s.runDestination(t)
	}
}

func (s Suite) testOpen(t *testing.T) {
	t.Parallel()
	sys := s.fresh(t)
	if sys.Kind.Name == "" || sys.Kind.Summary == "" || sys.Kind.Settings() == nil || sys.Kind.Resource() == nil {
		t.Errorf("kind %+v lacks a name, a summary or settings", sys.Kind)
	}
	conn := sys.connector
	if err := conn.Close(); err != nil {
		t.Errorf("close before use: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
}

// opened is a system with a connector open to it.
type opened struct {
	System
	suite     Suite
	connector connectors.Connector
}

func (s Suite) fresh(t *testing.T) *opened {
	t.Helper()
	sys := s.New(t)
	fillTools(&sys.Tools)
	if sys.Zone == nil {
		sys.Zone = time.UTC
	}
	conn, err := sys.Kind.Open(sys.Settings, sys.Tools)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &opened{sys, s, conn}
}

// reopen returns another connector to the same system, as a new process has it.
func (o *opened) reopen(t *testing.T) *opened {
	t.Helper()
	conn, err := o.Kind.Open(o.Settings, o.Tools)
	if err != nil {
		t.Fatalf("open again: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	again := *o
	again.connector = conn
	return &again
}

func fillTools(tools *connectors.Tools) {
	if tools.Now == nil {
		tools.Now = time.Now
	}
	if tools.Wait == nil {
		tools.Wait = func(ctx context.Context) error { return ctx.Err() }
	}
	if tools.Secret == nil {
		tools.Secret = func(connectors.Secret) (string, error) { return "", nil }
	}
}

func (o *opened) sourceResource() connectors.Resource {
	return connectors.Resource{
		Name: "rows", Settings: o.SourceSettings, Zone: o.Zone,
		Read: Columns(), ReadKey: Key(),
	}
}

func (o *opened) destinationResource() connectors.Resource {
	return connectors.Resource{
		Name: "rows", Settings: o.DestinationSettings, Zone: o.Zone,
		Read: Columns(), Write: Columns(), ReadKey: Key(), WriteKey: Key(),
	}
}

func (o *opened) source(t *testing.T, r connectors.Resource) connectors.Source {
	t.Helper()
	source, err := o.connector.Source(r)
	if err != nil {
		t.Fatalf("source: %v", err)
	}
	return source
}

func (o *opened) destination(t *testing.T) connectors.Destination {
	t.Helper()
	dest, err := o.connector.Destination(o.destinationResource())
	if err != nil {
		t.Fatalf("destination: %v", err)
	}
	if appender, ok := dest.(connectors.Appender); ok {
		if err := appender.Restore(t.Context(), ""); err != nil {
			t.Fatalf("restore the beginning: %v", err)
		}
	}
	return dest
}

// as returns the row with every value of its column's kind, as the engine makes it.
func (o *opened) as(t *testing.T, row record.Row) record.Row {
	t.Helper()
	locale := record.Locale{Zone: o.Zone, Comma: o.suite.Comma}
	typed := make(record.Row, len(row))
	for i, c := range Columns() {
		v, err := record.Convert(row[i], c.Kind, locale)
		if err != nil {
			t.Fatalf("column %s: %v", c.Name, err)
		}
		if o.suite.EmptyIsNull && c.Kind == record.String && v.Kind() == record.String && v.Str() == "" {
			v = record.NullValue()
		}
		typed[i] = v
	}
	return typed
}
