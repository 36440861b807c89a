package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKillHTTP kills headgate, and now and then the order API, at random moments while
// orders, and new totals of them, are sent to an API that fails in every way there is
// and stores an order twice when it is sent twice. With a look-up, and with an
// idempotency key, each order is there exactly once in the end, with its last total.
// With neither, none is there twice, and those of which nobody can know are in doubt.
// HEADGATE_TEST_KILLS says how many kills must land.
func TestKillHTTP(t *testing.T) {
	t.Parallel()
	for way, args := range map[string][]string{
		"lookup":  {"-lag", "50ms"},
		"key":     {"-window", "24h"},
		"neither": nil,
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			killOrders(t, way, args)
		})
	}
}

// ordersAFile are sent before there are more, so that kills have something to land in.
const ordersAFile = 40

func killOrders(t *testing.T, way string, args []string) {
	dice, kills := dice(t), times(t, "HEADGATE_TEST_KILLS", 3)
	o := &operator{TB: t, dir: t.TempDir()}
	a := o.startAPI(append(args, "-seed", fmt.Sprint(dice.Uint32()), "-share", "0.06")...)
	o.ruleAPI(way, a.address)
	landed, all, orders, known, unsettled, before := 0, 0, 0, int64(0), 0, 0
	for window := 500 * time.Millisecond; landed < kills || known < int64(orders); all++ {
		if all > 50*kills+100 {
			t.Fatalf("%d of %d kills landed, and %d of %d orders are known", landed, all, known, orders)
		}
		if known == int64(orders) {
			o.orderFile(orders, ordersAFile)
			orders += ordersAFile
		}
		p := o.start("run", "--once")
		if landed >= kills {
			<-p.ended
		} else {
			p.killedAfter(time.Duration(dice.Int64N(int64(window))))
		}
		if p.code != -1 && p.code != exitOK && p.code != exitOpen && p.code != exitFailed {
			t.Fatalf("the run left with %d:\n%s", p.code, p.told)
		}
		if dice.IntN(6) == 0 {
			a.kill()
			a.start()
		}
		if _, err := os.Stat(o.path("state/headgate.db")); err != nil {
			continue
		}
		o.verify()
		flow := o.status().Flows[0]
		if p.code == -1 {
			unsettled = max(unsettled, flow.Unsettled)
		} else if p.code != exitFailed && flow.Unsettled > 0 {
			t.Errorf("a run that ended with %d left %d messages without a settled answer", p.code, flow.Unsettled)
		}
		switch now := flow.Known; {
		case p.code != -1 && now == int64(orders):
			window -= window / 8 // it was done before
			known = now
		case p.code != -1:
			known = now
		case now == known && flow.Unsettled <= before:
			window += window / 8 // too early
		default: // between two orders, or between a message and its answer
			landed++
			known = now
		}
		before = flow.Unsettled
	}
	for p := o.start("run", "--once"); ; p = o.start("run", "--once") { // what is left are totals
		if <-p.ended; p.code == exitOK || p.code == exitOpen {
			break
		}
	}
	o.checkOrders(a, way, orders)
	if unsettled == 0 {
		t.Error("status never told of a message that a kill left without an answer")
	}
	t.Logf("%d of %d kills landed while %d orders were sent; in the end: %v", landed, all, orders, o.status().Flows[0].Outcomes)
}

// checkOrders holds an API and the exceptions to what was promised of so many orders.
func (o *operator) checkOrders(a *api, way string, orders int) {
	o.Helper()
	o.verify()
	a.kill()
	stored := a.stored()
	var doubtful []string
	for _, x := range o.waiting() {
		if x.Outcome.String() != "in_doubt" || !strings.Contains(x.Reason.Message, "has it: ") { // and why nothing tells that
			o.Errorf("order %s is %s: %+v", x.Key, x.Outcome, x.Reason)
		}
		doubtful = append(doubtful, x.Key)
	}
	if way != "neither" && len(doubtful) > 0 {
		o.Errorf("%d orders are in doubt, and there are means to know: %v", len(doubtful), doubtful)
	}
	if len(o.totals) != orders {
		o.Errorf("%d orders were written, want %d", len(o.totals), orders)
	}
	for number, last := range o.totals {
		totals, known := stored[number], !slices.Contains(doubtful, number)
		switch {
		case len(totals) > 1:
			o.Errorf("order %s is there %d times", number, len(totals))
		case len(totals) == 0 && known:
			o.Errorf("order %s is lost", number)
		case known && totals[0] != last:
			o.Errorf("order %s comes to %s, want %s", number, totals[0], last)
		}
	}
}
