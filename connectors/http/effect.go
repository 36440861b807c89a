package http

import "headgate/connectors"

// effect is how one kind of change is sent, and how its answer is read.
type effect struct {
	target
	ok       connectors.Logic
	refused  connectors.Logic
	answer   string // where the record stands in the answer; "": it is the answer
	many     *many  // nil: one change a request
	keyed    bool   // with an idempotency key
	absolute bool   // it makes the record what is sent, all of it
	ways     connectors.Ways
}
