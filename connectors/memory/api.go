package memory

import (
	"cmp"
	"slices"
	"time"

	"headgate/connectors"
)

// API makes of a table one of a system that is told of each change by a message: the
// same message stores its changes once more, unless a key of idempotency or an
// absolute write keeps it from that. Its exported fields are set before it is used.
type API struct {
	Find   bool          // it can be asked what it holds
	Lag    time.Duration // how long that does not show yet what was done
	Window time.Duration // how long it knows a message again by its key of idempotency; 0: never
	Knows  time.Duration // for how long it really does: its clock is not ours; 0: for the Window
	Repeat bool          // a create is an absolute write by key
	Double bool          // the operator lets an unknown answer be sent again
	Many   int           // changes that one message carries at most; 0: 1

	// FailFind is asked before a record is looked for, by its reference; nil: none fails.
	FailFind func(reference string) error

	// Fail is asked before each send; nil lets it pass.
	Fail func(Send) *Fault

	sends   []Send
	answers map[string]answer // by key of idempotency
	late    []lateMessage
}

// Send is one message that reached the system, or was to reach it.
type Send struct {
	N     int // which of all, from 1
	At    time.Time
	Bytes []byte
	Text  string
}

// Fault is how one send fails.
type Fault struct {
	Stores bool          // what the message carries is done all the same
	In     time.Duration // where Stores: only so long after its answer was lost

	// Status, Code and Words are the answer to each change: Untried, Unknown or Refused.
	Status connectors.Status
	Code   string
	Words  string
	Err    error
}

// answer is what a message was answered that has a key of idempotency.
type answer struct {
	at       time.Time
	receipts []connectors.Receipt
}

// lateMessage is a message that was taken and is done later.
type lateMessage struct {
	at      time.Time
	message message
	by      *sender
}

// CatchUp does what an API took before and is due now; so does each call of it.
func (t *Table) CatchUp(now time.Time) error {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return t.API.doLate(now)
}

// doLate does what was taken before and is due now.
func (a *API) doLate(now time.Time) error {
	for len(a.late) > 0 && !a.late[0].at.After(now) {
		due := a.late[0]
		a.late = a.late[1:]
		if _, err := due.by.do(&due.message, due.at); err != nil {
			return err
		}
	}
	return nil
}

// Sends returns the messages sent so far, in order.
func (t *Table) Sends() []Send {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return slices.Clone(t.API.sends)
}

func (a *API) ways(op connectors.Op) connectors.Ways {
	w := connectors.Ways{Repeat: a.Repeat, Window: a.Window, Find: a.Find, Double: a.Double}
	if a.Find {
		w.Lag = a.Lag
	}
	if op == connectors.Delete {
		w.Repeat = true // what is gone stays so
	}
	return w
}

// remembered returns what the message was answered, within the window of its key.
func (a *API) remembered(key string, now time.Time) ([]connectors.Receipt, bool) {
	known, ok := a.answers[key]
	if a.Window == 0 || !ok || now.Sub(known.at) >= cmp.Or(a.Knows, a.Window) {
		return nil, false
	}
	return known.receipts, true
}

func (a *API) remember(key string, now time.Time, receipts []connectors.Receipt) {
	if a.answers == nil {
		a.answers = make(map[string]answer)
	}
	a.answers[key] = answer{now, receipts}
}
