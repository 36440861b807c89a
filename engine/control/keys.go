package control

import (
	"context"
	"slices"
	"strings"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/rules"
)

// mostKeys is how many keys a shell is offered.
const mostKeys = 200

// KeysRequest asks for known keys of an entity, to complete what somebody types.
type KeysRequest struct {
	Entity string `json:"entity"`
	Begun  string `json:"begun"`
}

// Keys are some keys, as people write them, in order.
type Keys struct {
	Keys []string `json:"keys"`
}

// Keys offers known keys that begin as what was typed, at most mostKeys of them.
func (s *Service) Keys(_ context.Context, _ engine.Actor, q *KeysRequest) (*Keys, error) {
	found := &Keys{Keys: []string{}}
	for _, flow := range s.Engine.Ruleset().Flows {
		if flow.From.Entity.Name != q.Entity {
			continue
		}
		keys, err := s.keysOf(flow, q.Begun)
		if err != nil {
			return nil, err
		}
		found.Keys = append(found.Keys, keys...)
	}
	slices.Sort(found.Keys)
	found.Keys = slices.Compact(found.Keys)
	found.Keys = found.Keys[:min(mostKeys, len(found.Keys))]
	return found, nil
}

func (s *Service) keysOf(flow *rules.Flow, begun string) (keys []string, err error) {
	l, err := s.ledger(flow)
	if err != nil {
		return nil, err
	}
	entries, err := l.Entries(firstKey(flow.From.Entity, begun), mostKeys)
	for i := range entries {
		if text := engine.KeyText(flow.From.Entity, entries[i].Key[1:]); strings.HasPrefix(text, begun) {
			keys = append(keys, text)
		}
	}
	return keys, err
}

// firstKey is where keys that begin as typed begin in a ledger: texts stand there as
// they are written, other keys do not.
func firstKey(entity *rules.Entity, begun string) record.Key {
	if kinds := entity.Schema.KeyKinds(); len(kinds) > 0 && kinds[0] == record.String {
		first, _, _ := strings.Cut(begun, "/")
		return engine.LedgerKey(record.Key(first))
	}
	return engine.LedgerKey("")
}
