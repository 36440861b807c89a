package control

import (
	"context"
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/audit"
	"headgate/engine/exceptions"
)

// Choice names exceptions: by the beginnings of their ids, or by what they share.
type Choice struct {
	IDs  []string `json:"ids,omitempty"`
	Flow string   `json:"flow,omitempty"`
	Rule string   `json:"rule,omitempty"`
	Code string   `json:"code,omitempty"`
	Why  string   `json:"why,omitempty"`
}

// chosen are the exceptions of one flow.
type chosen struct {
	flow string
	all  []*exceptions.State
}

func (c *chosen) ids() map[string]bool {
	ids := make(map[string]bool, len(c.all))
	for _, x := range c.all {
		ids[x.ID] = true
	}
	return ids
}

// choose finds what a choice names among what waits, by flow.
func (s *Service) choose(q *Choice) ([]*chosen, error) {
	if len(q.IDs) == 0 && q.Flow == "" && q.Rule == "" && q.Code == "" {
		return nil, usage("say which exceptions: ids, or --flow, --rule, --code")
	}
	open, _, err := Waiting(s.State, s.Exceptions)
	if err != nil {
		return nil, err
	}
	if err := s.known(q.Flow, open); err != nil {
		return nil, err
	}
	list := &ListRequest{Flow: q.Flow, Rule: q.Rule, Code: q.Code}
	open = slices.DeleteFunc(open, func(x exceptions.State) bool { return !list.wants(&x) })
	if len(q.IDs) > 0 {
		if open, err = byID(open, q.IDs); err != nil {
			return nil, err
		}
	}
	if len(open) == 0 {
		return nil, &Error{Message: "nothing waits that is meant by this", Hint: "`headgate exceptions list --all` names what waits"}
	}
	var flows []*chosen
	for i := range open {
		x := &open[i]
		k := slices.IndexFunc(flows, func(c *chosen) bool { return c.flow == x.Flow })
		if k < 0 {
			k, flows = len(flows), append(flows, &chosen{flow: x.Flow})
		}
		flows[k].all = append(flows[k].all, x)
	}
	return flows, nil
}

// byID keeps the exceptions whose ids begin like this. Each beginning means one.
func byID(open []exceptions.State, ids []string) (found []exceptions.State, err error) {
	for _, id := range ids {
		var meant []exceptions.State
		for _, x := range open {
			if id != "" && strings.HasPrefix(x.ID, id) {
				meant = append(meant, x)
			}
		}
		switch {
		case len(meant) == 0:
			return nil, &Error{Message: "no exception that waits has an id that begins with " + quoted(id), Hint: "`headgate exceptions list --all` names what waits"}
		case len(meant) > 1:
			return nil, &Error{Message: "several exceptions have ids that begin with " + quoted(id), Hint: "give more of the id"}
		}
		if !slices.ContainsFunc(found, func(x exceptions.State) bool { return x.ID == meant[0].ID }) {
			found = append(found, meant[0])
		}
	}
	return found, nil
}

// Judged is what became of records that were judged again, flow by flow.
type Judged struct {
	Flows []FlowJudged `json:"flows"`
}

// FlowJudged is what became of the records of one flow.
type FlowJudged struct {
	Flow     string           `json:"flow"`
	Chosen   int              `json:"chosen"`
	Outcomes map[string]int64 `json:"outcomes"`          // of those that were judged
	Records  []RecordJudged   `json:"records,omitempty"` // the first of them
	Released []string         `json:"released,omitempty"`
	Paused   string           `json:"paused,omitempty"`
	Failed   string           `json:"failed,omitempty"` // the system that ended it early
	Hint     string           `json:"hint,omitempty"`
}

// RecordJudged is what became of one record.
type RecordJudged struct {
	Entity    string         `json:"entity"`
	Key       string         `json:"key,omitempty"`
	Exception string         `json:"exception"`
	Outcome   engine.Outcome `json:"outcome"`
	Message   string         `json:"message,omitempty"` // why it still waits
}

// Judged is how many were judged.
func (f *FlowJudged) Judged() (n int64) {
	for _, count := range f.Outcomes {
		n += count
	}
	return n
}

func (j *Judged) named() (rest any, all []audit.Record) {
	flows := slices.Clone(j.Flows)
	for i := range flows {
		for _, r := range flows[i].Records {
			all = append(all, audit.Record{Flow: flows[i].Flow, Entity: r.Entity, Key: r.Key, Exception: r.Exception, Became: r.Outcome.String()})
		}
		flows[i].Records = nil
	}
	return &Judged{Flows: flows}, all
}

func judged(s *engine.Summary, chosen int) FlowJudged {
	f := FlowJudged{Flow: s.Flow, Chosen: chosen, Outcomes: make(map[string]int64), Records: []RecordJudged{}, Paused: s.Paused}
	for _, o := range engine.Outcomes() {
		if n := s.Again[o]; n > 0 {
			f.Outcomes[o.String()] = n
		}
	}
	for _, w := range s.Waited {
		f.Records = append(f.Records, RecordJudged{Entity: s.Entity, Key: w.Key, Exception: w.Exception, Outcome: w.Outcome, Message: w.Message})
	}
	if s.Err != nil {
		f.Failed, f.Hint = s.Err.Error(), connectors.HintOf(s.Err)
	}
	return f
}

// Retry judges chosen records again, from the rows kept in the state.
func (s *Service) Retry(ctx context.Context, _ engine.Actor, q *Choice) (*Judged, error) {
	flows, err := s.choose(q)
	if err != nil {
		return nil, err
	}
	all := &Judged{}
	for _, c := range flows {
		if _, err := s.flow(c.flow); err != nil {
			return nil, err
		}
	}
	for _, c := range flows {
		summary, err := s.Engine.Retry(ctx, c.flow, c.ids())
		if err != nil {
			return nil, err
		}
		all.Flows = append(all.Flows, judged(&summary, len(c.all)))
		s.Engine.Kick(c.flow) // a run that goes on gave way, and goes on
	}
	return all, nil
}

// ReleaseRequest lets one content pass the rules that hold it.
type ReleaseRequest struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Release lets one content pass the rules that hold it, and delivers it.
func (s *Service) Release(ctx context.Context, actor engine.Actor, q *ReleaseRequest) (*Judged, error) {
	if strings.TrimSpace(q.Why) == "" {
		return nil, usage("a release needs a reason: it is an approval")
	}
	flows, err := s.choose(&Choice{IDs: []string{q.ID}})
	if err != nil {
		return nil, err
	}
	flow, id := flows[0].flow, flows[0].all[0].ID
	if _, err := s.flow(flow); err != nil {
		return nil, err
	}
	released, err := s.Engine.Release(ctx, flow, id, actor, q.Why)
	if err != nil {
		return nil, err
	}
	f := judged(&released.Run, 1)
	f.Released = released.Rules
	return &Judged{Flows: []FlowJudged{f}}, nil
}

// Dismissed are exceptions that a person closed.
type Dismissed struct {
	Exceptions []audit.Record `json:"exceptions"`
	InDoubt    int            `json:"in_doubt,omitempty"` // those that cannot be dismissed
}

func (d *Dismissed) named() (rest any, all []audit.Record) {
	return map[string]int{"dismissed": len(d.Exceptions), "in_doubt": d.InDoubt}, d.Exceptions
}

// Dismiss closes exceptions with a reason.
func (s *Service) Dismiss(_ context.Context, actor engine.Actor, q *Choice) (*Dismissed, error) {
	flows, err := s.choose(q)
	if err != nil {
		return nil, err
	}
	all := &Dismissed{Exceptions: []audit.Record{}}
	for _, c := range flows {
		closed, err := s.Engine.Dismiss(c.flow, c.ids(), actor, q.Why)
		if err != nil {
			return nil, err
		}
		for _, x := range c.all {
			if _, ok := closed[x.ID]; !ok {
				all.InDoubt++
				continue
			}
			all.Exceptions = append(all.Exceptions, audit.Record{Flow: c.flow, Entity: x.Entity, Key: x.Key, Exception: x.ID, Became: "dismissed"})
		}
	}
	return all, nil
}
