package http

import (
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

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

// many is how several changes go into one request.
type many struct {
	before, after string // around the changes
	limit         int
	answer        string // where their answers stand, one each, in order
	ok            connectors.Logic
}

// newMany puts changes under a path of the body, or makes the body an array of them.
func newMany(b *Many) (*many, error) {
	m := &many{before: "[", after: "]", limit: b.Limit, answer: b.Answer, ok: b.OK}
	if m.limit == 0 {
		m.limit = defaultMany
	}
	if b.Items == "" {
		return m, nil
	}
	w, err := document.NewWriter([]record.Column{{Name: b.Items, Kind: record.List}})
	if err != nil {
		return nil, err
	}
	empty, _ := w.Append(nil, record.Row{record.ListValue(nil)})
	before, after, _ := strings.Cut(string(empty), "[]")
	m.before, m.after = before+"[", "]"+after
	return m, nil
}

func (m *many) wrap(items []byte) []byte {
	return slices.Concat([]byte(m.before), items, []byte(m.after))
}
