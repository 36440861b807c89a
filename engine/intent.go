package engine

import (
	"slices"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// SendIntent is one message to a destination that cannot repeat, kept before its first
// byte leaves until all that it carries is settled (R1). What is sent again are these
// bytes and no others (R6). It is known by the key of its first change: no key is in
// two messages.
type SendIntent struct {
	Bytes    []byte    // only the destination reads them
	Text     string    // for people, sensitive values masked
	First    time.Time // when it was announced; nothing is sent before, and it never changes (R7)
	Last     time.Time // when its answer was lost last; zero: that is not known
	Attempts int       // sends without an answer
	Again    bool      // a person wants it sent once more, whatever became of it
	Repeats  bool      // as it was made, it may be sent again at any time: what the ruleset says since is of other bytes
	Keyed    bool      // it was made with a key of idempotency
	Carries  int       // changes in the message: one of many may be kept alone
	Changes  []ChangeIntent
}

// ChangeIntent is one change of a message, with all it takes to settle it when its
// record is not at hand.
type ChangeIntent struct {
	Key       record.Key
	Op        connectors.Op
	Reference string         // headgate's name of the record
	ID        record.Value   // that the destination gave it; missing: none yet
	Find      []record.Value // what the destination knows it by: one for each column of its key
	Sent      record.Row     // the values sent, by SentTo; absent ones are not touched
	SentTo    []string
	Becomes   Entry // its entry, once it is applied

	Row     record.Row // as read, by Columns
	Columns []string
	Part    string
	Where   string

	Answer *Answer // nil: none is known
}

// Answer is what is known of a change: what the destination said, or that nobody can
// tell (Unknown).
type Answer struct {
	Status connectors.Status
	ID     record.Value // that the destination gave the record; missing: it gave none
	Code   string       // Refused, Unknown: why
	Words  string
}

// Key is what the message is known by.
func (s *SendIntent) Key() record.Key { return s.Changes[0].Key }

// answered reports whether all that the message carries has an answer.
func (s *SendIntent) answered() bool {
	return !slices.ContainsFunc(s.Changes, func(c ChangeIntent) bool { return c.Answer == nil })
}

// outcome is what a change makes of its record when it is applied.
func (c *ChangeIntent) outcome() Outcome {
	return [...]Outcome{connectors.Create: Created, connectors.Update: Updated, connectors.Delete: Deleted}[c.Op]
}

// alone is the message as the open record of one of its changes keeps it.
func (s *SendIntent) alone(c *ChangeIntent) *SendIntent {
	kept := *s
	kept.Changes = []ChangeIntent{*c}
	kept.Changes[0].Answer = nil
	return &kept
}
