package engine

import (
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
)

// wholeOf are the values that are sent of a change. Where an update replaces the
// record, those it does not change are sent as the destination has them: left out,
// they would be gone, and some of them are not ours (promise 5).
func (r *run) wholeOf(it *item) []record.Value {
	if !r.replaces || it.op != connectors.Update || it.current == nil {
		return it.send
	}
	values := slices.Clone(it.send)
	for c := range values {
		if values[c].IsAbsent() {
			values[c] = it.current[c]
		}
	}
	return values
}
