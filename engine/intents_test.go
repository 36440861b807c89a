package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/state"
)

// The APIs, by how an unknown answer to them is settled.
var apis = map[string]memory.API{
	"find":   {Find: true, Lag: time.Minute},
	"window": {Window: 24 * time.Hour},
	"both":   {Find: true, Window: time.Hour},
	"repeat": {Repeat: true},
	"double": {Double: true},
	"none":   {},
}

var errReset = errors.New("connection reset")

// The faults of one send, each with what it does.
var sendFaults = map[string]memory.Fault{
	"refused before":     {Status: connectors.Untried, Err: &connectors.Error{Class: connectors.Down, Op: "send", Err: errReset}},
	"too many":           {Status: connectors.Untried, Err: &connectors.Error{Class: connectors.Down, Op: "send", After: time.Minute, Err: errReset}},
	"lost before":        {Status: connectors.Unknown, Err: errReset},
	"lost behind":        {Status: connectors.Unknown, Stores: true, Err: errReset},
	"done after a while": {Status: connectors.Unknown, Stores: true, In: 20 * time.Second, Err: errReset},
	"refused":            {Status: connectors.Refused, Code: "check", Words: "no"},
}

// newAPI is a desk whose ERP is an API.
func newAPI(t testing.TB, api memory.API, text rulesetText) *desk {
	d := newDesk(t, text)
	copied := api
	d.sales.API = &copied
	return d
}

// failSend makes the n-th send fail.
func (d *desk) failSend(n int, fault memory.Fault) {
	d.sales.API.Fail = func(s memory.Send) *memory.Fault {
		if s.N != n {
			return nil
		}
		return &fault
	}
}

// unsettled counts the messages of flow orders that are kept.
func (d *desk) unsettled() (n int) {
	d.t.Helper()
	d.with(func(_ *engine.Engine, db *state.DB) {
		l, err := db.Ledger("orders", "", "")
		if err != nil {
			d.t.Fatal(err)
		}
		sends, err := l.Sends("", 1000)
		if err != nil {
			d.t.Fatal(err)
		}
		n = len(sends)
	})
	return n
}

// TestLostAnswersOfAnAPI: whatever fails of one send, an API that can be asked or
// knows a message again has each record once; one that can do neither is sent nothing
// twice, and exactly what is unknown is in doubt (promise 3).
func TestLostAnswersOfAnAPI(t *testing.T) {
	t.Parallel()
	for kind, api := range apis {
		for fault, f := range sendFaults {
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprintf("%s/%s/%d", kind, fault, n), func(t *testing.T) {
					t.Parallel()
					d := newAPI(t, api, rulesetText{size: 2})
					for _, no := range []string{"A", "B", "C"} {
						d.order(no, 1)
					}
					d.failSend(n, f)
					d.run()
					d.run()
					want, open := []string{"A 1 - - -", "B 1 - - -", "C 1 - - -"}, ""
					key := string(rune('A' + n - 1))
					doubtful := f.Status == connectors.Unknown && kind == "none"
					switch {
					case doubtful:
						open = key + " in_doubt unknown_answer"
					case fault == "refused":
						open = key + " rejected check"
					}
					if open != "" && !f.Stores {
						want = slices.Delete(want, n-1, n)
					}
					if kind == "double" && f.Stores {
						want = append(want, want[n-1])
						slices.Sort(want)
					}
					d.clock.move(30 * time.Second)
					d.order("D", 1) // what is done late is done by then
					d.run()
					want = append(want, "D 1 - - -")
					d.want("the ERP", d.sold(), strings.Join(want, "\n"))
					d.want("what waits", d.open(), open)
					if left := d.unsettled(); left != 0 {
						t.Errorf("%d messages are kept", left)
					}
				})
			}
		}
	}
}
