package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"headgate/engine"
	"headgate/engine/audit"
)

// Auditor keeps what operators did: see audit.Log.
type Auditor interface {
	Begin(*audit.Act) error
	End(a *audit.Act, result json.RawMessage, records []audit.Record, failed error) error
}

var errReadOnly = &Error{Message: "the state was opened to be read: nothing can be changed through this door"}

// maxAct is how long the request of an act may be, in bytes: it is kept, and its
// reason once more, in one line of the log, escaped, and has to be read from there.
const maxAct = 2 << 20

// acting makes a verb of a method that changes something: who asked for it, when,
// why and what is on disk before it takes effect, and what came of it behind it.
func acting[Q, A any](name string, f func(*Service, context.Context, engine.Actor, *Q) (*A, error)) verb {
	do := of(f)
	return func(s *Service, ctx context.Context, actor engine.Actor, body []byte) (any, error) {
		if s.Audit == nil {
			return nil, errReadOnly
		}
		if len(body) > maxAct {
			return nil, usage("the request has %d bytes: what is kept of an act has %d at most", len(body), maxAct)
		}
		var named struct{ Flow, Why string }
		if err := json.Unmarshal(body, &named); err != nil {
			return nil, usage("read the request: %v", err)
		}
		if s.Spare != nil {
			if err := s.Spare(); err != nil {
				return nil, fmt.Errorf("%s: nothing was done, for it could not be kept: %w", name, err)
			}
		}
		act := &audit.Act{Actor: actor, Act: name, Flow: named.Flow, Why: named.Why, Request: body}
		if err := s.Audit.Begin(act); err != nil {
			return nil, err
		}
		answer, failed := do(s, ctx, actor, body)
		return answer, errors.Join(failed, s.endAct(act, answer, failed))
	}
}

// naming is an answer that tells which records an act named, and what else came of it.
type naming interface {
	named() (rest any, records []audit.Record)
}

func (s *Service) endAct(act *audit.Act, answer any, failed error) error {
	var result []byte
	var records []audit.Record
	if failed == nil {
		if n, ok := answer.(naming); ok {
			answer, records = n.named()
		}
		var err error
		if result, err = json.Marshal(answer); err != nil {
			return err
		}
	}
	return s.Audit.End(act, result, records, failed)
}

// PauseRequest lets a flow stand still.
type PauseRequest struct {
	Flow string `json:"flow"`
	Why  string `json:"why"`
}

// Pause lets a flow stand still until it is resumed.
func (s *Service) Pause(_ context.Context, actor engine.Actor, q *PauseRequest) (*Nothing, error) {
	if _, err := s.flow(q.Flow); err != nil {
		return nil, err
	}
	if strings.TrimSpace(q.Why) == "" {
		return nil, usage("a pause needs a reason: whoever finds the flow paused wants to know it")
	}
	return &Nothing{}, s.Engine.Pause(q.Flow, "by "+actor.Name+": "+q.Why)
}

// ResumeRequest ends a pause.
type ResumeRequest struct {
	Flow         string            `json:"flow"`
	Why          string            `json:"why,omitempty"`
	Allow        map[string]string `json:"allow,omitempty"` // limits of the guard raised for the run that comes
	SameRecords  bool              `json:"same_records,omitempty"`
	OtherRecords bool              `json:"other_records,omitempty"`
}

// Resumed is a flow that goes on.
type Resumed struct {
	Was    string            `json:"was,omitempty"`    // why it was paused
	Fresh  bool              `json:"fresh,omitempty"`  // it forgot its ledger
	Forgot int               `json:"forgot,omitempty"` // exceptions that were closed with it
	Allow  map[string]string `json:"allow,omitempty"`  // what is raised now
	Daemon bool              `json:"daemon"`           // it runs at once
}

// failing reports whether a system ended the last run of the flow.
func (s *Service) failing(flow string) bool {
	return slices.ContainsFunc(s.Engine.Schedule(), func(f engine.FlowStatus) bool { return f.Flow == flow && f.Failing != nil })
}

// Resume ends the pause of a flow.
func (s *Service) Resume(_ context.Context, _ engine.Actor, q *ResumeRequest) (*Resumed, error) {
	if _, err := s.flow(q.Flow); err != nil {
		return nil, err
	}
	r, err := s.Engine.Resume(q.Flow, engine.ResumeOptions{Allow: q.Allow, SameRecords: q.SameRecords, OtherRecords: q.OtherRecords})
	if err != nil && s.failing(q.Flow) {
		s.Engine.Kick(q.Flow)
		return nil, &Error{Message: err.Error(), Hint: "it was failing, and is tried again now"}
	}
	if err != nil {
		return nil, err
	}
	return &Resumed{Was: r.Was, Fresh: r.Fresh, Forgot: len(r.Forgot), Allow: r.Allow, Daemon: s.Daemon != nil}, nil
}
