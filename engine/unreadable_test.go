package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine"
)

// TestLookUpFailsForOne: a record that the API chokes on when it is looked for is in
// doubt; others are settled, the flow goes on, and it is looked up again by itself. An
// API that answers for nobody is down, and pauses its flow.
func TestLookUpFailsForOne(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		many  int
		class connectors.Class
		all   bool // it answers for nobody
	}{
		"500":            {1, connectors.Down, false},
		"404":            {1, connectors.Broken, false},
		"one of several": {3, connectors.Down, false},
		"down":           {1, connectors.Down, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, memory.API{Find: true, Lag: time.Minute, Many: test.many}, rulesetText{size: 3})
			for _, no := range []string{"A", "B", "C"} {
				d.order(no, 1)
			}
			chokes := ""
			d.sales.API.Fail = func(s memory.Send) *memory.Fault {
				chokes, _, _ = strings.Cut(strings.TrimPrefix(s.Text, "create "), "\n") // of the first record
				d.sales.API.Fail = nil
				return &memory.Fault{Status: connectors.Unknown, Stores: true, Err: errReset}
			}
			d.sales.API.FailFind = func(reference string) error {
				if chokes != "" && (reference == chokes || test.all) {
					return &connectors.Error{Class: test.class, Code: name, Op: "find", Err: errors.New("internal error")}
				}
				return nil
			}
			s := d.try(engine.RunOptions{})
			if test.class == connectors.Down { // it may have been a moment
				if s.Err == nil || d.open() != "" {
					t.Fatalf("at once: %v, %q", s.Err, d.open())
				}
				d.clock.move(10 * time.Minute)
				s = d.try(engine.RunOptions{})
			}
			if test.all {
				if s.Err == nil || s.Counts[engine.InDoubt] != 0 {
					t.Errorf("an API that is down: %v, %v", s.Err, s.Counts)
				}
				return
			}
			if s.Err != nil {
				t.Fatal(s.Err)
			}
			d.want("what waits", d.open(), "A in_doubt unreadable")
			d.want("the ERP", d.sold(), "A 1 - - -\nB 1 - - -\nC 1 - - -")
			d.clock.move(time.Hour)
			d.want("no better", d.run(), "4 unchanged")
			d.sales.API.FailFind = nil
			d.clock.move(time.Hour)
			d.want("mended", d.run(), "1 created, 3 unchanged")
			d.want("what waits in the end", d.open(), "")
			if n := len(d.sales.Sends()); n != map[int]int{1: 3, 3: 1}[test.many] {
				t.Errorf("sent %d times", n)
			}
		})
	}
}
