package control

import (
	"context"
	"fmt"
	"os"

	"headgate/engine"
	"headgate/engine/record"
)

// PlanRequest asks what a flow would do.
type PlanRequest struct {
	Flow      string         `json:"flow"`
	Limit     int            `json:"limit"` // records read; 0: all
	Keys      []string       `json:"keys,omitempty"`
	Only      engine.Outcome `json:"only,omitzero"`        // show only records with this outcome
	FromStart bool           `json:"from_start,omitempty"` // whatever was settled
	Files     []File         `json:"files,omitempty"`      // of another ruleset; none: the one that runs
}

// Plan is what a flow would do to some real records.
type Plan struct {
	Flow     string           `json:"flow"`
	From     string           `json:"from"`
	To       string           `json:"to"`
	Mode     string           `json:"mode"`
	Items    []PlanItem       `json:"items"`
	Omitted  int64            `json:"omitted,omitempty"` // more of them than are shown
	Read     int64            `json:"read"`
	Outcomes map[string]int64 `json:"outcomes"`
	Limited  bool             `json:"limited"`          // there is more to read
	Paused   string           `json:"paused,omitempty"` // a guard would pause the flow here
}

// PlanItem is what would become of one record.
type PlanItem struct {
	Key      string          `json:"key"`
	Outcome  engine.Outcome  `json:"outcome"`
	Where    string          `json:"where,omitempty"`
	Changes  []PlanChange    `json:"changes,omitempty"`
	Failures []record.Reason `json:"failures,omitempty"`
	Row      []PlanCell      `json:"row,omitempty"` // as read, of a record that is stopped
}

// PlanChange is one column that would be written, or is kept. Values are as people
// read them: texts in quotes, sensitive ones hidden.
type PlanChange struct {
	Column string `json:"column"`
	Field  string `json:"field,omitempty"`
	Old    string `json:"old,omitempty"` // "": the record is not there, or lacks the column
	New    string `json:"new"`
	Kept   bool   `json:"kept,omitempty"` // the destination owns it: Old stays
}

// PlanCell is one column of a row.
type PlanCell struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Plan says what a run of a flow would do now, and writes nothing.
func (s *Service) Plan(ctx context.Context, actor engine.Actor, q *PlanRequest) (*Plan, error) {
	if q.Limit < 0 {
		return nil, usage("a limit must not be negative")
	}
	planner, set := s.Engine, s.Engine.Ruleset()
	if len(q.Files) > 0 {
		var err error
		if set, err = s.compile(q.Files); err != nil {
			return nil, err
		}
		planner = s.Other(set)
		defer func() { _ = planner.Close() }() // it wrote nothing
	}
	flow, err := findFlow(set, q.Flow)
	if err != nil {
		return nil, err
	}
	if c := s.Engine.Undeclared(flow); c != nil && !isOwner(actor) {
		return nil, &Error{
			Message: fmt.Sprintf("%s is not declared as it is in the ruleset that runs: headgate asks it, with its own rights and secrets, for nobody but its user", c.Name),
			Hint:    "leave the connectors as they are, or plan as the user headgate runs as",
		}
	}
	p, err := planner.Plan(ctx, q.Flow, engine.PlanOptions{Limit: q.Limit, Keys: q.Keys, Only: q.Only, FromStart: q.FromStart})
	if err != nil {
		return nil, err
	}
	return shownPlan(p), nil
}

// isOwner reports whether headgate's own rights are the actor's as well.
func isOwner(actor engine.Actor) bool {
	return actor.UID != nil && (*actor.UID == 0 || *actor.UID == os.Getuid())
}

func shownPlan(p *engine.Plan) *Plan {
	shown := &Plan{
		Flow: p.Flow, From: p.From, To: p.To, Mode: p.Mode.String(), Items: make([]PlanItem, len(p.Items)), Omitted: p.Omitted,
		Read: p.Read, Outcomes: make(map[string]int64), Limited: p.Limited, Paused: p.Paused,
	}
	for _, o := range engine.Outcomes() {
		if p.Counts[o] > 0 {
			shown.Outcomes[o.String()] = p.Counts[o]
		}
	}
	for i := range p.Items {
		item := &p.Items[i]
		shown.Items[i] = PlanItem{Key: item.Key, Outcome: item.Outcome, Where: item.Where, Failures: item.Failures}
		for _, c := range item.Changes {
			change := PlanChange{Column: c.Column, Field: c.Field, New: text(c.New, c.Sensitive), Kept: c.Kept}
			if !c.Old.IsAbsent() {
				change.Old = text(c.Old, c.Sensitive)
			}
			shown.Items[i].Changes = append(shown.Items[i].Changes, change)
		}
		for _, c := range item.Row {
			shown.Items[i].Row = append(shown.Items[i].Row, PlanCell{c.Column, text(c.Value, c.Sensitive)})
		}
	}
	return shown
}

// text is a value as people read it.
func text(v record.Value, sensitive bool) string {
	switch {
	case v.IsAbsent():
		return "(nothing)"
	case v.IsNull():
		return "null"
	case sensitive:
		return "[redacted]"
	case v.Kind() == record.String:
		return fmt.Sprintf("%q", v.Str())
	}
	return v.Text()
}
