package engine

import (
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
)

// wholeOf are the values that are sent of a change. Where an update replaces the
// record, those it does not change are sent as the destination has them: left out,
// they would be gone, and some of them are not ours (promise 5). One that cannot be
// asked owns none of them (load sees to it): they are sent as a create sends them.
func (r *run) wholeOf(it *item) []record.Value {
	if !r.replaces || it.op != connectors.Update {
		return it.send
	}
	rest := it.current
	if rest == nil {
		rest = it.values
	}
	values := slices.Clone(it.send)
	for c := range values {
		if values[c].IsAbsent() {
			values[c] = rest[c]
		}
	}
	return values
}
