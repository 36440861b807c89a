package state_test

import (
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/record"
)

// TestPrune: old journal rows are dropped and their sums kept, so that the ledger
// verifies as before; the last row stays.
func TestPrune(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	l := ledger(t, db)
	for batch := range 5 {
		s := settlement(batch, 3)
		s.Journal.Time = now().Add(time.Duration(batch) * time.Hour)
		if err := l.Settle(s); err != nil {
			t.Fatal(err)
		}
	}
	before := verified(t, l)
	for _, step := range []struct {
		before time.Duration
		most   int
		want   int
		left   int
	}{{0, 10, 0, 5}, {150 * time.Minute, 2, 2, 3}, {150 * time.Minute, 2, 1, 2}, {99 * time.Hour, 10, 1, 1}, {99 * time.Hour, 10, 0, 1}} {
		n, err := l.Prune(now().Add(step.before), step.most)
		rows, _ := l.Journal(0, 100)
		if err != nil || n != step.want || len(rows) != step.left {
			t.Errorf("before %s at most %d: %d, %v; %d rows left", step.before, step.most, n, err, len(rows))
		}
		if after := verified(t, l); after.Read != before.Read || after.Batches != before.Batches {
			t.Errorf("verified %+v, before %+v", after, before)
		}
	}
	if err := l.Settle(settlement(5, 3)); err != nil {
		t.Fatal(err)
	}
	verified(t, l)
}

func verified(t *testing.T, l engine.Ledger) *engine.Report {
	t.Helper()
	report, err := engine.Verify("orders", l, nil)
	if err != nil || len(report.Violations) > 0 {
		t.Fatal(report, err)
	}
	return report
}

// TestContinuedRow: a row with the number of the last one stands in its place, and
// counts once.
func TestContinuedRow(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	l := ledger(t, db)
	for i, step := range []struct {
		number uint64
		read   int64
		to     record.Position
	}{{0, 2, "a"}, {1, 5, "b"}, {0, 1, "c"}} {
		row := &engine.JournalRow{Number: step.number, Part: "x", To: step.to, Read: step.read, Pass: 1, Time: now()}
		if row.Counts[engine.Unchanged] = step.read; i == 2 {
			row.From = "b"
		}
		if err := l.Settle(&engine.Settlement{Journal: row, Position: &step.to}); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := l.Header(); err != nil || h.Read != 6 || h.Journal != 2 {
		t.Errorf("%+v, %v", h, err)
	}
	verified(t, l)
}
