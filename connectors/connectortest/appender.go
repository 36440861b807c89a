package connectortest

import (
	"testing"

	"headgate/connectors"
)

func (s Suite) runAppender(t *testing.T) {
	t.Run("goes back to a mark", s.testRestore)
	t.Run("goes back to the beginning", s.testRestoreBeginning)
	t.Run("publishes once", s.testFinish)
	t.Run("knows that it published", s.testRestorePublished)
}

func appender(t *testing.T, dest connectors.Destination) connectors.Appender {
	t.Helper()
	a, ok := dest.(connectors.Appender)
	if !ok {
		t.Fatal("declared an appender, and is none")
	}
	return a
}

func mark(t *testing.T, a connectors.Appender) string {
	t.Helper()
	text, err := a.Mark(t.Context())
	if err != nil {
		t.Fatalf("mark: %v", err)
	}
	if err := a.Sync(t.Context()); err != nil {
		t.Fatalf("sync: %v", err)
	}
	return text
}

// testRestore: what was appended behind the settled mark is gone, in another
// process too, and appending goes on behind it.
func (s Suite) testRestore(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows[:3]), connectors.Applied)
	settled := mark(t, appender(t, dest))
	o.apply(t, dest, creates(rows[3:6]), connectors.Applied)
	mark(t, appender(t, dest))
	if again := mark(t, appender(t, dest)); again == settled || again == "" {
		t.Errorf("mark %q does not tell more rows from fewer", again)
	}
	for range 2 {
		dest = o.reopen(t).restored(t, settled)
		sameRows(t, o.written(t, dest, rows), o.expected(t, rows[:3]))
	}
	o.apply(t, dest, creates(rows[6:]), connectors.Applied)
	if err := appender(t, dest).Finish(t.Context()); err != nil {
		t.Fatalf("finish: %v", err)
	}
	sameRows(t, o.expected(t, o.Rows(t)), o.expected(t, append(rows[:3:3], rows[6:]...)))
}

// restored returns a destination that went back to a mark.
func (o *opened) restored(t *testing.T, settled string) connectors.Destination {
	t.Helper()
	dest, err := o.connector.Destination(o.destinationResource())
	if err != nil {
		t.Fatalf("destination: %v", err)
	}
	if err := appender(t, dest).Restore(t.Context(), settled); err != nil {
		t.Fatalf("restore %q: %v", settled, err)
	}
	return dest
}

func (s Suite) testRestoreBeginning(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows), connectors.Applied)
	mark(t, appender(t, dest))
	dest = o.reopen(t).restored(t, "")
	sameRows(t, o.written(t, dest, rows), nil)
	o.apply(t, dest, creates(rows[:1]), connectors.Applied)
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows[:1]))
}

func (s Suite) testFinish(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	if err := appender(t, dest).Finish(t.Context()); err != nil {
		t.Fatalf("finish of nothing: %v", err)
	}
	for pass := range 3 {
		o.apply(t, dest, creates(rows[pass*3:pass*3+3]), connectors.Applied)
		mark(t, appender(t, dest))
		for range 2 {
			if err := appender(t, dest).Finish(t.Context()); err != nil {
				t.Fatalf("finish pass %d: %v", pass, err)
			}
		}
		if left := mark(t, appender(t, dest)); left != "" {
			t.Errorf("after a finish the mark is %q, want none", left)
		}
		sameRows(t, o.expected(t, o.Rows(t)), o.expected(t, rows[:pass*3+3]))
	}
	o.reopen(t).restored(t, "")
	sameRows(t, o.expected(t, o.Rows(t)), o.expected(t, rows))
}

// testRestorePublished: the process ended behind a finish and before it was settled.
func (s Suite) testRestorePublished(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	o.apply(t, dest, creates(rows[:4]), connectors.Applied)
	settled := mark(t, appender(t, dest))
	if err := appender(t, dest).Finish(t.Context()); err != nil {
		t.Fatalf("finish: %v", err)
	}
	dest = o.reopen(t).restored(t, settled)
	if err := appender(t, dest).Finish(t.Context()); err != nil {
		t.Fatalf("finish again: %v", err)
	}
	sameRows(t, o.expected(t, o.Rows(t)), o.expected(t, rows[:4]))
	o.apply(t, dest, creates(rows[4:]), connectors.Applied)
	if err := appender(t, dest).Finish(t.Context()); err != nil {
		t.Fatalf("finish the next pass: %v", err)
	}
	sameRows(t, o.expected(t, o.Rows(t)), o.expected(t, rows))
}
