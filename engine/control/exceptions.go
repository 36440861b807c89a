package control

import (
	"context"
	"slices"

	"headgate/engine"
	"headgate/engine/exceptions"
)

// ListRequest chooses among the exceptions that wait.
type ListRequest struct {
	Flow string `json:"flow,omitempty"`
	Rule string `json:"rule,omitempty"`
	Code string `json:"code,omitempty"`
}

// List is what waits, in the order it was first written.
type List struct {
	Exceptions []engine.Exception `json:"exceptions"` // Time is since when each waits
	Damaged    []string           `json:"damaged,omitempty"`
}

// List tells which exceptions wait.
func (s *Service) List(_ context.Context, _ engine.Actor, q *ListRequest) (*List, error) {
	open, damaged, err := Waiting(s.State, s.Exceptions)
	if err != nil {
		return nil, err
	}
	if err := s.known(q.Flow, open); err != nil {
		return nil, err
	}
	list := &List{Exceptions: []engine.Exception{}}
	for _, d := range damaged {
		list.Damaged = append(list.Damaged, d.Error())
	}
	for i := range open {
		if x := &open[i]; q.wants(x) {
			list.Exceptions = append(list.Exceptions, x.Exception)
		}
	}
	return list, nil
}

// known says that no flow is called so: neither one of the ruleset, nor a former one
// of which something waits.
func (s *Service) known(flow string, open []exceptions.State) error {
	if flow == "" || slices.ContainsFunc(open, func(x exceptions.State) bool { return x.Flow == flow }) {
		return nil
	}
	_, err := s.flow(flow)
	return err
}

func (q *ListRequest) wants(x *exceptions.State) bool {
	return (q.Flow == "" || x.Flow == q.Flow) && (q.Rule == "" || x.Reason.Rule == q.Rule) && (q.Code == "" || x.Reason.Code == q.Code)
}

// ShowRequest names an exception by the beginning of its id.
type ShowRequest struct {
	ID string `json:"id"`
}

// History is all lines of one exception, in the order written.
type History struct {
	Lines []engine.Exception `json:"lines"`
}

// Show tells all that is known of one exception.
func (s *Service) Show(_ context.Context, _ engine.Actor, q *ShowRequest) (*History, error) {
	found, err := exceptions.History(s.Exceptions, q.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case q.ID == "" || len(found) == 0:
		return nil, &Error{Message: "no exception's id begins with " + quoted(q.ID), Hint: "`headgate exceptions list --all` names them"}
	case len(found) > 1:
		return nil, &Error{Message: "several exceptions have ids that begin with " + quoted(q.ID), Hint: "give more of the id"}
	}
	history := &History{}
	for _, lines := range found {
		history.Lines = lines
	}
	return history, nil
}
