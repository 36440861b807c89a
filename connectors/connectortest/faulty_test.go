package connectortest_test

import (
	"context"
	"errors"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/memory"
	"headgate/engine/record"
)

var errFault = errors.New("the cable was pulled")

// open returns a destination of one column over a fresh table, with faults.
func open(t *testing.T, faults *connectortest.Faults, appendOnly bool) (connectors.Destination, *memory.Table) {
	t.Helper()
	store := memory.New()
	table := store.Create("rows", "no")
	table.AppendOnly = appendOnly
	kind := connectortest.Faulty(memory.Kind(store), faults)
	conn, err := kind.Open(&memory.Settings{}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	dest, err := conn.Destination(connectors.Resource{
		Settings: &memory.ResourceSettings{Table: "rows"},
		Write:    []record.Column{{Name: "no", Kind: record.Int}}, WriteKey: []string{"no"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dest, table
}

func lot(no int64) connectors.Lot {
	row := []record.Value{record.IntValue(no)}
	return connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Key: row, Values: row}}}
}

func TestFaultyFailsAtItsCall(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		faults := connectortest.FailAt(2, errFault, lost)
		dest, table := open(t, faults, false)
		want := []connectors.Status{connectors.Applied, connectors.Untried, connectors.Applied}
		rows := 2
		if lost {
			want[1], rows = connectors.Unknown, 3
		}
		for i, status := range want {
			receipts, err := dest.Apply(context.Background(), lot(int64(i)))
			if (i == 1) != errors.Is(err, errFault) || len(receipts) != 1 || receipts[0].Status != status {
				t.Errorf("lost %v, call %d: %+v, %v", lost, i+1, receipts, err)
			}
		}
		if table.Len() != rows || len(faults.Calls()) != 3 {
			t.Errorf("lost %v: %d rows after %v", lost, table.Len(), faults.Calls())
		}
	}
}

func TestFaultyKeepsAbilities(t *testing.T) {
	t.Parallel()
	for _, appendOnly := range []bool{false, true} {
		dest, _ := open(t, &connectortest.Faults{}, appendOnly)
		if _, finder := dest.(connectors.Finder); finder == appendOnly {
			t.Errorf("append only %v: finder is %v", appendOnly, finder)
		}
		if _, ok := dest.(connectors.Appender); ok {
			t.Error("a fault made an appender of what is none")
		}
	}
}
