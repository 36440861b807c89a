package connectors

import (
	"context"
	"time"
)

// Sender is a destination whose effects cannot simply be repeated, as those of most
// APIs. The engine keeps the exact bytes of each message before the first of them
// leaves, sends those bytes again and never others (R6), and asks Ways what it may
// do about an answer that did not come.
//
// A Sender need not be used through Apply: the engine prepares and sends.
type Sender interface {
	Destination
	// Ways says how an unknown answer to such a change is settled.
	Ways(op Op) Ways
	// Prepare renders the changes of a lot, in order, as the messages that carry them.
	// It sends nothing and asks nobody. A change that cannot be rendered has a message
	// of its own with a Refusal.
	Prepare(lot Lot) ([]Message, error)
	// Send sends one message that Prepare made, of this process or of one before it, and
	// returns one receipt a change it carries, always. With an error the receipts say
	// which changes are Untried (definitely not done) or Unknown, and the error why. It
	// is safe for use by several goroutines.
	Send(ctx context.Context, m Message) ([]Receipt, error)
}

// Message is what is sent of some changes at once, ready and without any secret.
type Message struct {
	Changes int      // how many changes of the lot it carries: the next ones, in order
	Bytes   []byte   // what is sent; only the destination reads it
	Text    string   // for people: method, path and body, sensitive values masked
	Refusal *Receipt // nil; or why the one change it stands for cannot be sent
}

// Ways is how an unknown answer is settled, best first. The zero value is: not at
// all. Then the change is in doubt, and a person decides.
type Ways struct {
	Repeat bool          // the same bytes may be sent again at any time: an absolute write by key
	Window time.Duration // the same bytes may be sent again for so long after they were sent first: an idempotency key; 0: never
	Find   bool          // Find tells whether it was done, by key, id or reference
	Lag    time.Duration // how long after it was done Find may still not see it
	Double bool          // the operator wrote on_unknown = retry: send it again, it may double
}

// Unsettled reports whether nothing settles an unknown answer.
func (w Ways) Unsettled() bool { return !w.Repeat && w.Window == 0 && !w.Find && !w.Double }
