package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
)

func quoted(text string) string { return strconv.Quote(text) }

// PositionsRequest asks where flows stand; "" is all of them.
type PositionsRequest struct {
	Flow string `json:"flow,omitempty"`
}

// Positions are where flows stand in their sources.
type Positions struct {
	Flows []FlowPositions `json:"flows"`
}

// FlowPositions is where one flow stands.
type FlowPositions struct {
	Flow        string         `json:"flow"`
	Pass        uint64         `json:"pass"`
	Read        int64          `json:"read"`
	Known       int64          `json:"known"`
	Paused      string         `json:"paused,omitempty"`
	PausedSince time.Time      `json:"paused_since,omitzero"`
	Parts       []PartPosition `json:"parts"`
}

// PartPosition is where one part was read to.
type PartPosition struct {
	Part     string          `json:"part"` // "": the only one
	Position record.Position `json:"position"`
}

// Positions tells where flows stand.
func (s *Service) Positions(_ context.Context, _ engine.Actor, q *PositionsRequest) (*Positions, error) {
	if q.Flow != "" {
		if _, err := s.flow(q.Flow); err != nil {
			return nil, err
		}
	}
	all := &Positions{Flows: []FlowPositions{}}
	for _, flow := range s.Engine.Ruleset().Flows {
		if q.Flow != "" && flow.Name != q.Flow {
			continue
		}
		l, err := s.ledger(flow)
		if err != nil {
			return nil, err
		}
		h, err := l.Header()
		if err != nil {
			return nil, err
		}
		parts, err := l.Positions()
		if err != nil {
			return nil, err
		}
		f := FlowPositions{Flow: flow.Name, Pass: h.Pass, Read: h.Read, Known: h.Known, Paused: h.Paused, PausedSince: h.PausedAt, Parts: []PartPosition{}}
		for _, part := range slices.Sorted(maps.Keys(parts)) {
			at := parts[part]
			if at != "" && !engine.ShowsPosition(flow.From) {
				at = connectors.Redacted
			}
			f.Parts = append(f.Parts, PartPosition{part, at})
		}
		all.Flows = append(all.Flows, f)
	}
	return all, nil
}

// MoveRequest moves a flow in its source by hand.
type MoveRequest struct {
	Flow string          `json:"flow"`
	Part string          `json:"part"`
	All  bool            `json:"all"` // every part there is a position of
	To   record.Position `json:"to"`  // "": the beginning
	Why  string          `json:"why"`
}

// Moved are the parts that were moved.
type Moved struct {
	Parts []string `json:"parts"`
}

// Move moves a flow in its source: records are read again, or passed over.
func (s *Service) Move(_ context.Context, actor engine.Actor, q *MoveRequest) (*Moved, error) {
	flow, err := s.flow(q.Flow)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(q.Why) == "" {
		return nil, usage("moving a checkpoint needs a reason")
	}
	moved := &Moved{}
	err = s.Engine.Exclusive(flow.Name, func() error {
		l, err := s.ledger(flow)
		if err != nil {
			return err
		}
		moved.Parts = []string{q.Part}
		if q.All {
			parts, err := l.Positions()
			if err != nil {
				return err
			}
			moved.Parts = slices.Sorted(maps.Keys(parts))
		}
		for _, part := range moved.Parts {
			if err := l.SetPosition(part, q.To, actor.Name+": "+q.Why); err != nil {
				return err
			}
		}
		return nil
	})
	s.Engine.Kick(flow.Name)
	return moved, err
}

// Verified is what an audit of the state found.
type Verified struct {
	Ledgers []engine.Report `json:"ledgers"`
	Damaged []string        `json:"damaged,omitempty"` // lines of the exception log
}

// Violations is how many there are in all.
func (v *Verified) Violations() int {
	n := len(v.Damaged)
	for _, l := range v.Ledgers {
		n += len(l.Violations)
	}
	return n
}

// Verify audits every ledger. Each is looked at while no run of its flow goes on.
func (s *Service) Verify(context.Context, engine.Actor, *Nothing) (*Verified, error) {
	names, err := s.State.Ledgers()
	if err != nil {
		return nil, err
	}
	audited := make([]audited, len(names))
	for i, name := range names {
		if audited[i], err = s.audited(name); err != nil {
			return nil, fmt.Errorf("verify %s: %w", name, err)
		}
	}
	// One reading of the log serves all ledgers that stand still meanwhile.
	damaged, err := s.readTold(audited)
	if err != nil {
		return nil, err
	}
	found := &Verified{Ledgers: []engine.Report{}, Damaged: damaged}
	for i := range audited {
		err := s.Engine.Exclusive(audited[i].waiting.Flow, func() error { return s.verify(&audited[i], found) })
		if err != nil {
			return nil, fmt.Errorf("verify %s: %w", names[i], err)
		}
	}
	return found, nil
}

// audited is a ledger as it was when the log was read for it.
type audited struct {
	name    string
	ledger  engine.Ledger
	journal uint64 // the row settled last
	waiting exceptions.Opens
	told    map[string]bool
}

func (s *Service) audited(name string) (a audited, err error) {
	a = audited{name: name, waiting: exceptions.Opens{Flow: strings.TrimSuffix(name, engine.ObserveSuffix), IDs: make(map[string]bool)}}
	if a.ledger, err = s.State.Ledger(name, "", ""); err != nil {
		return a, err
	}
	h, err := a.ledger.Header()
	if err != nil {
		return a, err
	}
	a.journal = h.Journal
	return a, openIDs(a.ledger, a.waiting.IDs)
}

// readTold reads what the log tells of the ledgers, and which of its lines are damaged.
func (s *Service) readTold(all []audited) (damaged []string, err error) {
	waiting := make([]exceptions.Opens, len(all))
	for i := range all {
		waiting[i] = all[i].waiting
	}
	told, lines, err := exceptions.Told(s.Exceptions, waiting)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].told = told[i]
	}
	for _, line := range lines {
		damaged = append(damaged, line.Error())
	}
	return damaged, nil
}

// verify audits one ledger. The log is read anew for one that moved on.
func (s *Service) verify(a *audited, found *Verified) error {
	h, err := a.ledger.Header()
	if err != nil {
		return err
	}
	if h.Journal != a.journal {
		now, err := s.audited(a.name)
		if err != nil {
			return err
		}
		again := []audited{now}
		if _, err := s.readTold(again); err != nil {
			return err
		}
		*a = again[0]
	}
	report, err := engine.Verify(a.name, a.ledger, a.told)
	if err != nil {
		return err
	}
	found.Ledgers = append(found.Ledgers, *report)
	return nil
}
