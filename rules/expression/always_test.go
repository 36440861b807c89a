package expression

import (
	"testing"

	"headgate/engine/record"
)

// TestAlways: what no record can make false, and what only looks so.
func TestAlways(t *testing.T) {
	t.Parallel()
	number := func(n int64) *record.Number { x := record.IntNumber(n); return &x }
	scope := &Scope{Fields: record.NewSchema("order", []record.Field{
		{Name: "total", Kind: record.Decimal}, {Name: "status", Kind: record.String},
		{Name: "note", Kind: record.String, Optional: true}, {Name: "n", Kind: record.Decimal, Optional: true},
	}, nil)}
	given := []Given{
		{Present: true, Min: number(0), Max: number(100)},
		{Present: true, OneOf: []record.Value{record.StringValue("open"), record.StringValue("paid")}},
		{},
		{Min: number(0)},
	}
	tests := map[string]bool{
		"true": true, "not false": true, "false": false,
		"total >= 0": true, "total > -1": true, "total <= 100": true, "total < 100.5": true, "0 <= total": true, "101 > total": true,
		"total > 0": false, "total < 100": false, "total >= 1": false, "total != 50": false,
		"not (total < 0)": true, "not (total > 100)": true, "not (total > 99)": false,
		"n >= 0":                       false, // null has no order
		"status in ['open', 'paid']":   true,
		"status in ['open']":           false,
		"status != 'cancelled'":        true,
		"status != 'paid'":             false,
		"status == 'open'":             false,
		"not (status in ['lost'])":     true,
		"total == total":               true,
		"note == note":                 true,
		"total != nil":                 true,
		"note != nil":                  false,
		"total < 50 or total >= 50":    true,
		"n < 50 or n >= 50":            false,
		"note == 'a' or note != 'a'":   true,
		"note == 'a' or note != 'b'":   false,
		"total >= 0 and total <= 100":  true,
		"total >= 0 and total < 100":   false,
		"not (n > 0 and false)":        false, // n may be null
		"not (note == 'a' and false)":  true,
		"total < 1 or true":            true,
		"n < 1 or true":                false, // n may be null
		"1 / total > 0 or total >= 0":  false, // total may be 0
		"total >= 0 or 1 / total > 0":  true,
		"(total > 1 ? total : 1) >= 0": false,
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got := compileBool(t, text, scope).Always(func(i int) Given { return given[i] }); got != want {
				t.Errorf("always true is %v, want %v", got, want)
			}
		})
	}
}
