package engine

import (
	"context"
	"errors"

	"headgate/connectors"
)

// find asks the destination, and where that fails for some keys once more for those: a
// system that answers for others is not down. about are the items that are asked for:
// an error must not show what they hide.
func (r *run) find(ctx context.Context, q *connectors.Query, about func() []*item) (found []connectors.Found, err error) {
	places := make([]int, len(q.Keys)) // of what is asked for, in q
	for k := range places {
		places[k] = k
	}
	ask := func() error {
		asked := *q
		if len(places) < len(q.Keys) {
			asked = q.Only(places)
		}
		some, err := r.finder.Find(ctx, asked)
		partly, ok := errors.AsType[*connectors.PartlyFound](err)
		if ok {
			some = partly.Found
		}
		for _, f := range some {
			f.At = places[f.At]
			found = append(found, f)
		}
		switch {
		case err == nil:
			places = nil
		case ok:
			before := len(places)
			if places = without(places, partly.Answered); len(places) < before && connectors.AfterOf(err) == 0 {
				return nil // it answers: the others are another question
			}
		}
		return r.hiddenError(about(), err)
	}
	for len(places) > 0 {
		if err := r.retry(ctx, r.flow.To, ask); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// without are the places of the keys that were not answered.
func without(places []int, answered []bool) []int {
	var left []int
	for k, place := range places {
		if !answered[k] {
			left = append(left, place)
		}
	}
	return left
}
