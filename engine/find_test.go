package engine_test

import (
	"errors"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
)

// TestFindGoesOn: where a look-up before a write fails for some records of a batch, only
// those are asked for again, so that an API that fails now and then is not taken for one
// that is down.
func TestFindGoesOn(t *testing.T) {
	t.Parallel()
	d := newAPI(t, memory.API{Find: true, Lag: time.Minute}, rulesetText{size: 8})
	for _, no := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
		d.order(no, 1)
	}
	asked, failed := make(map[string]int), 0
	d.sales.API.FailFind = func(reference string) error {
		if asked[reference]++; len(asked)%2 == 0 && asked[reference] == 1 {
			failed++
			return &connectors.Error{Class: connectors.Unclear, Code: "500", Op: "find", Err: errors.New("internal error")}
		}
		return nil
	}
	d.want("a batch of eight, four of them answered at the second time", d.run(), "8 created")
	for reference, n := range asked {
		if n > 2 {
			t.Errorf("%s was asked for %d times", reference, n)
		}
	}
	all := 0
	for _, n := range asked {
		all += n
	}
	if failed != 4 || len(asked) != 8 || all != 12 {
		t.Errorf("%d look-ups of %d records, %d of them failed", all, len(asked), failed)
	}
}
