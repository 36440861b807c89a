package control

import (
	"context"

	"headgate/engine"
	"headgate/engine/audit"
)

// ResolveRequest says what a person found out about a record in doubt.
type ResolveRequest struct {
	ID   string            `json:"id"`
	As   engine.Resolution `json:"as"`              // applied, not-applied or send-again
	ToID string            `json:"to_id,omitempty"` // the id that the destination gave it
	Why  string            `json:"why"`
}

// Resolved is what becomes of a record that was in doubt.
type Resolved struct {
	Flow      string            `json:"flow"`
	Entity    string            `json:"entity"`
	Key       string            `json:"key,omitempty"`
	Exception string            `json:"exception"`
	As        engine.Resolution `json:"as"`
	Outcome   engine.Outcome    `json:"outcome"`          // held: the next run sends it
	Newer     bool              `json:"newer,omitempty"`  // a newer version waited, and is delivered by the next run
	Paused    string            `json:"paused,omitempty"` // the flow is: that run waits
	Daemon    bool              `json:"daemon"`           // it runs at once
}

func (r *Resolved) named() (rest any, all []audit.Record) {
	return map[string]engine.Resolution{"as": r.As}, []audit.Record{{Flow: r.Flow, Entity: r.Entity, Key: r.Key, Exception: r.Exception, Became: r.Outcome.String()}}
}

// Resolve settles a record that is in doubt.
func (s *Service) Resolve(_ context.Context, actor engine.Actor, q *ResolveRequest) (*Resolved, error) {
	flows, err := s.choose(&Choice{IDs: []string{q.ID}})
	if err != nil {
		return nil, err
	}
	flow, x := flows[0].flow, flows[0].all[0]
	if _, err := s.flow(flow); err != nil {
		return nil, err
	}
	r, err := s.Engine.Resolve(flow, x.ID, q.As, q.ToID, actor, q.Why)
	if err != nil {
		return nil, err
	}
	return &Resolved{
		Flow: flow, Entity: x.Entity, Key: r.Key, Exception: x.ID, As: q.As, Outcome: r.Became,
		Newer: r.Newer, Paused: r.Paused, Daemon: s.Daemon != nil,
	}, nil
}
