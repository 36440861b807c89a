package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/engine"
	"headgate/engine/record"
)

// failSometimes lets one call of the ERP fail, before it was made or with its answer
// lost; from then on nothing works where the system stays down.
func failSometimes(rng *rand.Rand) *connectortest.Faults {
	if rng.IntN(2) == 0 {
		return &connectortest.Faults{}
	}
	n, lost, down := 1+rng.IntN(8), rng.IntN(2) == 0, rng.IntN(2) == 0
	return &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		switch {
		case c.N == n:
			return &connectortest.Fault{Err: errors.New("connection reset"), Lost: lost}
		case c.N > n && down:
			return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
		}
		return nil
	}}
}

// TestTwoWayHistories: over generated histories of two owners, foreign edits and
// failing systems, both sides agree in the end, nothing echoes, and only what a
// foreign edit changed is ever reported as one (R13).
func TestTwoWayHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := newTwoWay(t, "")
		edits, reported := 0, int64(0)
		run := func(flows ...string) (last []engine.Summary) {
			last = d.summaries(engine.RunOptions{Flows: flows})
			for _, s := range last {
				reported += s.Conflicts
			}
			return last
		}
		foreign := rng.IntN(2) == 0
		for step := range 25 {
			no := string(rune('A' + rng.IntN(4)))
			switch rng.IntN(7) {
			case 0:
				if !strings.Contains(d.inShop(), no+" ") {
					d.order(no, rng.IntN(3), "Ann", "new")
				}
			case 1:
				d.edit(d.orders, no, "qty", rng.IntN(3))
			case 2:
				d.edit(d.sales, no, "status", fmt.Sprint("s", step))
			case 3:
				if foreign && strings.Contains(d.sold(), no+" ") {
					d.edit(d.sales, no, "qty", 100+step)
					edits++
				}
			default:
				d.erpFaults = failSometimes(rng)
				run([]string{"orders", "zback"}[rng.IntN(2)])
				d.erpFaults = &connectortest.Faults{}
			}
		}
		for range 3 {
			run("orders")
			run("zback")
		}
		for _, s := range run() {
			if n := s.Counts[engine.Created] + s.Counts[engine.Updated] + s.Conflicts; n > 0 || s.Err != nil {
				t.Errorf("seed %d: %s is not settled: %v, %v", seed, s.Flow, s.Counts, s.Err)
			}
		}
		shop, erp := d.inShop(), strings.ReplaceAll(d.sold()+"\n", " -\n", "\n")
		if strings.TrimSpace(erp) != shop || d.open() != "" {
			t.Errorf("seed %d: the shop has\n%s\nthe ERP\n%s\nwaiting: %s", seed, shop, erp, d.open())
		}
		if reported > int64(edits) {
			t.Errorf("seed %d: %d foreign edits and %d reported", seed, edits, reported)
		}
	}
}

// TestMatchHistories: over generated histories of customers without a common key, made
// on either or on both sides while systems fail, every customer is there once on each
// side in the end.
func TestMatchHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, 2))
		resource := []string{"", `reference = "ref"`}[rng.IntN(2)]
		d := newMatching(t, resource, "")
		made := make(map[string]bool)
		for range 25 {
			mail := fmt.Sprintf("%c@x", 'a'+rng.IntN(6))
			switch rng.IntN(6) {
			case 0:
				if !made["shop "+mail] && !strings.Contains(d.inShop(), mail) {
					d.order(nil, nil, mail, "N")
				}
				made["shop "+mail] = true
			case 1:
				if !made["erp "+mail] && !strings.Contains(d.sold(), mail) {
					d.put(d.sales, nil, nil, mail, "N", 5)
				}
				made["erp "+mail] = true
			case 2:
				d.sales.Set("mail", record.StringValue(mail), "credit", record.IntValue(int64(rng.IntN(9))))
			default:
				d.erpFaults = failSometimes(rng)
				if rng.IntN(2) == 0 {
					d.summaries(engine.RunOptions{})
				} else {
					d.summaries(engine.RunOptions{Flows: []string{[]string{"ashop", "berp"}[rng.IntN(2)]}})
				}
				d.erpFaults = &connectortest.Faults{}
			}
		}
		for range 3 {
			d.both("ashop")
			d.both("berp")
		}
		for _, s := range d.summaries(engine.RunOptions{}) {
			if n := s.Counts[engine.Created] + s.Counts[engine.Updated] + s.Conflicts; n > 0 || s.Err != nil {
				t.Errorf("seed %d: %s is not settled: %v, %v", seed, s.Flow, s.Counts, s.Err)
			}
		}
		for c := range 6 {
			mail := fmt.Sprintf("%c@x", 'a'+c)
			want := 0
			if made["shop "+mail] || made["erp "+mail] {
				want = 1
			}
			if shop, erp := strings.Count(d.inShop(), mail), strings.Count(d.sold(), mail); shop != want || erp != want {
				t.Errorf("seed %d: %s is %d times in the shop and %d times in the ERP, want %d", seed, mail, shop, erp, want)
			}
		}
		if d.open() != "" {
			t.Errorf("seed %d: waiting %s", seed, d.open())
		}
	}
}
