package connectortest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"headgate/connectors"
	"headgate/engine/record"
)

func (s Suite) runSender(t *testing.T) {
	t.Run("prepares all changes in order and sends none", s.testPrepare)
	t.Run("sends what another process prepared", s.testSendPrepared)
	t.Run("sends from several goroutines", s.testSendTogether)
	t.Run("refuses one change of what is sent", s.testSendRefused)
	t.Run("sends nothing when the context has ended", s.testSendCancelled)
	t.Run("settles an unknown answer as it says", s.testWays)
}

// prepare prepares the lot and checks that the messages carry all of it.
func prepare(t *testing.T, dest connectors.Destination, lot connectors.Lot) []connectors.Message {
	t.Helper()
	messages, err := dest.(connectors.Sender).Prepare(lot)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	carried := 0
	for i, m := range messages {
		carried += m.Changes
		switch {
		case m.Changes < 1:
			t.Errorf("message %d carries %d changes", i, m.Changes)
		case m.Refusal != nil && (m.Changes != 1 || m.Refusal.Status != connectors.Refused):
			t.Errorf("message %d refuses %d changes as %+v", i, m.Changes, *m.Refusal)
		case m.Refusal == nil && (len(m.Bytes) == 0 || m.Text == ""):
			t.Errorf("message %d has %d bytes and is shown as %q", i, len(m.Bytes), m.Text)
		}
	}
	if carried != len(lot.Changes) {
		t.Fatalf("the messages carry %d changes of %d", carried, len(lot.Changes))
	}
	return messages
}

// sendAll sends messages one by one, each of which must be taken.
func sendAll(t *testing.T, dest connectors.Destination, messages []connectors.Message) {
	t.Helper()
	for _, m := range messages {
		receipts, err := dest.(connectors.Sender).Send(t.Context(), m)
		if err != nil || len(receipts) != m.Changes {
			t.Fatalf("%d receipts for a message of %d changes, %v", len(receipts), m.Changes, err)
		}
		for _, r := range receipts {
			if r.Status != connectors.Applied && r.Status != connectors.Same {
				t.Errorf("status %d: %s %s", r.Status, r.Code, r.Words)
			}
		}
	}
}

func (s Suite) testPrepare(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	messages := prepare(t, dest, creates(rows))
	sameRows(t, o.written(t, dest, rows), nil)
	sendAll(t, dest, messages)
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
}

func (s Suite) testSendPrepared(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows := plainRows(fewRows)
	messages := prepare(t, o.destination(t), creates(rows))
	for i := range messages { // of what was prepared only this is kept
		messages[i] = connectors.Message{Changes: messages[i].Changes, Bytes: messages[i].Bytes, Text: messages[i].Text}
	}
	again := o.reopen(t).destination(t)
	sendAll(t, again, messages)
	sameRows(t, o.written(t, again, rows), o.expected(t, rows))
}

func (s Suite) testSendTogether(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	var all sync.WaitGroup
	for _, m := range prepare(t, dest, creates(rows)) {
		all.Go(func() {
			if _, err := dest.(connectors.Sender).Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
}

func (s Suite) testSendRefused(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	lot := creates(rows)
	lot.Changes[4] = s.refuse(lot.Changes[4])
	at := 0
	for _, m := range prepare(t, dest, lot) {
		receipts := []connectors.Receipt{}
		if m.Refusal != nil {
			receipts = append(receipts, *m.Refusal)
		} else {
			var err error
			if receipts, err = dest.(connectors.Sender).Send(t.Context(), m); err != nil || len(receipts) != m.Changes {
				t.Fatalf("%d receipts for %d changes, %v", len(receipts), m.Changes, err)
			}
		}
		for _, r := range receipts {
			if refused := r.Status == connectors.Refused; refused != (at == 4) || refused && r.Code == "" {
				t.Errorf("change %d has status %d, code %q", at, r.Status, r.Code)
			}
			at++
		}
	}
	left := append(append([]record.Row(nil), rows[:4]...), rows[5:]...)
	sameRows(t, o.written(t, dest, rows), o.expected(t, left))
}

func (s Suite) testSendCancelled(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(3), o.destination(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range prepare(t, dest, creates(rows)) {
		receipts, err := dest.(connectors.Sender).Send(ctx, m)
		if !errors.Is(err, context.Canceled) || len(receipts) != m.Changes || receipts[0].Status != connectors.Untried {
			t.Errorf("a message of %d changes was sent when the context had ended: %+v, %v", m.Changes, receipts, err)
		}
	}
	sameRows(t, o.written(t, dest, rows), nil)
}

// testWays holds a destination to what it says of an answer that did not come: what
// may be sent again does nothing twice, and what can be found is.
func (s Suite) testWays(t *testing.T) {
	t.Parallel()
	o := s.fresh(t)
	rows, dest := plainRows(fewRows), o.destination(t)
	ways := dest.(connectors.Sender).Ways(connectors.Create)
	if _, finder := dest.(connectors.Finder); ways.Find && !finder {
		t.Error("it says that it can be asked, and is no Finder")
	}
	messages := prepare(t, dest, creates(rows))
	sendAll(t, dest, messages)
	if ways.Repeat || ways.Window > 0 {
		sendAll(t, dest, messages)
		sameRows(t, o.written(t, dest, rows), o.expected(t, rows))
	}
	if ways.Find && ways.Lag == 0 {
		if found := o.find(t, dest, rows); len(found) != len(rows) {
			t.Errorf("%d of %d rows are found", len(found), len(rows))
		}
	}
}
