package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine/record"
)

// TestRepeatedMessages: the same create twice is stored twice, unless the API has a
// means to know it again.
func TestRepeatedMessages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		api  memory.API
		rows int
	}{
		"with nothing":           {memory.API{}, 2},
		"within the window":      {memory.API{Window: time.Hour}, 1},
		"behind the window":      {memory.API{Window: time.Minute}, 2},
		"an absolute write":      {memory.API{Repeat: true}, 1},
		"asked, which is no key": {memory.API{Find: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(0, 0)
			send, _, table := openAPI(t, &test.api, &now)
			send()
			now = now.Add(10 * time.Minute)
			send()
			if table.Len() != test.rows || len(table.Sends()) != 2 {
				t.Errorf("%d rows after %d sends, want %d", table.Len(), len(table.Sends()), test.rows)
			}
		})
	}
}

// TestLag: what was done is found only when the lag is over, and so is what was done
// long after its answer was lost.
func TestLag(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault *memory.Fault
		shown time.Duration
	}{
		"done at once":            {nil, time.Minute},
		"done, the answer lost":   {&memory.Fault{Stores: true, Status: connectors.Unknown, Err: errors.New("reset")}, time.Minute},
		"done later":              {&memory.Fault{Stores: true, In: time.Minute, Status: connectors.Unknown, Err: errors.New("timeout")}, 2 * time.Minute},
		"not done, and never was": {&memory.Fault{Status: connectors.Unknown, Err: errors.New("reset")}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(0, 0)
			api := &memory.API{Find: true, Lag: time.Minute, Fail: func(memory.Send) *memory.Fault { return test.fault }}
			send, find, _ := openAPI(t, api, &now)
			send()
			shown := time.Duration(-1)
			for past := range 200 {
				if now = time.Unix(int64(past), 0); find() == 1 {
					shown = time.Duration(past) * time.Second
					break
				}
			}
			if shown != test.shown {
				t.Errorf("shown after %s, want %s", shown, test.shown)
			}
		})
	}
}

// openAPI returns a way to send the one message of an API, and to ask for its record.
func openAPI(t *testing.T, api *memory.API, now *time.Time) (send func(), find func() int, table *memory.Table) {
	t.Helper()
	store := memory.New()
	table = store.Create("t", "id", "no", "mail", "gone")
	table.API = api
	conn, err := memory.Kind(store).Open(&memory.Settings{}, connectors.Tools{Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	dest, err := conn.Destination(resource())
	if err != nil {
		t.Fatal(err)
	}
	change := create("1", "a")
	change.Reference = "the-record"
	messages, err := dest.(connectors.Sender).Prepare(connectors.Lot{Changes: []connectors.Change{change}})
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	send = func() {
		receipts, err := dest.(connectors.Sender).Send(context.Background(), messages[0])
		if len(receipts) != 1 || (err == nil) != (receipts[0].Status == connectors.Applied) && receipts[0].Status != connectors.Same {
			t.Fatal(receipts, err)
		}
	}
	find = func() int {
		found, err := dest.(connectors.Finder).Find(context.Background(), connectors.Query{
			Keys: [][]record.Value{{text("1")}}, References: []string{"the-record"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	return send, find, table
}
