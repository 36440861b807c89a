package main

import (
	"fmt"
	"testing"
)

// TestMisbehavingAPI sends orders to an API of which every tenth answer is wrong, in
// every way there is, and which stores an order twice when it is sent twice. None is
// sent before the time for which it asked to be left alone, and what became of each is
// known, or in doubt where nobody can know. HEADGATE_TEST_ORDERS says how many.
func TestMisbehavingAPI(t *testing.T) {
	t.Parallel()
	for way, args := range map[string][]string{"lookup": {"-lag", "50ms"}, "key": {"-window", "24h"}, "neither": nil} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			orders := times(t, "HEADGATE_TEST_ORDERS", 60)
			o := &operator{TB: t, dir: t.TempDir()}
			a := o.startAPI(append(args, "-seed", fmt.Sprint(dice(t).Uint32()), "-share", "0.1")...)
			o.ruleAPI(way, a.address)
			o.orderFile(0, orders)
			d := o.daemon()
			o.reaches(int64(orders), "orders are known", func() int64 { return d.status().Flows[0].Known })
			d.stop()
			o.verify()
			stats, flow := a.stats(), o.status().Flows[0]
			if stats.Early > 0 {
				t.Errorf("%d requests came before a Retry-After had passed", stats.Early)
			}
			lost := stats.Faults["fail-after"] + stats.Faults["reset-after"] + stats.Faults["stall-after"]
			if answered := stats.Stored - lost; way == "neither" && flow.Outcomes["created"] != answered {
				t.Errorf("%d orders were answered, and %d are created: the others are in doubt", answered, flow.Outcomes["created"])
			}
			o.checkOrders(a, way, orders)
			t.Logf("%d orders, %d in doubt, %d requests, %d of them too early; wrong were %v", orders, flow.Open["in_doubt"], stats.Requests, stats.Early, stats.Faults)
		})
	}
}
