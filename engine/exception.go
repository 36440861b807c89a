package engine

import (
	"encoding/json"
	"time"

	"headgate/engine/record"
)

// Exception is the kept evidence of a record that was stopped: one line of the
// exception log. A later line with the same id changes or closes it.
type Exception struct {
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Flow     string          `json:"flow"`
	Entity   string          `json:"entity"`
	Key      string          `json:"key,omitempty"` // as people write it: parts joined by "/"
	Outcome  Outcome         `json:"outcome"`
	Reason   record.Reason   `json:"reason"`             // the first of the worst
	Failures []record.Reason `json:"failures,omitempty"` // all of them, when there are more
	Row      json.RawMessage `json:"row,omitempty"`      // as read, only columns that feed no sensitive field
	Record   json.RawMessage `json:"record,omitempty"`   // as mapped, without sensitive fields
	Raw      string          `json:"raw,omitempty"`      // as written, only where the entity has no sensitive field
	Part     string          `json:"part,omitempty"`     // the file
	Where    string          `json:"where,omitempty"`    // the line in it
	Position record.Position `json:"position,omitempty"` // behind it
	Batch    uint64          `json:"batch,omitempty"`    // number of the flow's journal row
	Ruleset  string          `json:"ruleset"`            // digest
	Attempts int             `json:"attempts,omitempty"`
	Answer   string          `json:"answer,omitempty"` // the destination's code and words

	// Of what is in doubt: the message that was sent, sensitive values masked, and
	// headgate's name of the record, to look for it.
	Sent      string `json:"sent,omitempty"`
	Reference string `json:"reference,omitempty"`

	// Closed is set on the line that closes the exception: "delivered",
	// "superseded", "dismissed", "skipped" or "unchanged".
	Closed string `json:"closed,omitempty"`
	By     string `json:"by,omitempty"`  // who closed it, when a person did
	Why    string `json:"why,omitempty"` // what they said, or how its end became known without one
}

// ExceptionLog keeps exceptions. Append returns when they are on disk for good.
type ExceptionLog interface {
	Append([]Exception) error
	// Prune forgets exceptions that were closed before the time, where that costs
	// little; never one that waits.
	Prune(before time.Time) error
}
