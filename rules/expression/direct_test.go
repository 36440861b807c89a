package expression

import (
	"strconv"
	"strings"
	"testing"

	"headgate/engine/record"
)

// TestDirectAgreesWithTheMachine: what is evaluated directly is what the machine
// makes of it, for every mix of ordinary, missing and extreme values.
func TestDirectAgreesWithTheMachine(t *testing.T) {
	t.Parallel()
	schema := record.NewSchema("order", []record.Field{
		{Name: "qty", Kind: record.Int}, {Name: "price", Kind: record.Decimal}, {Name: "total", Kind: record.Decimal, Optional: true},
		{Name: "status", Kind: record.String}, {Name: "note", Kind: record.String, Optional: true}, {Name: "paid", Kind: record.Bool},
	}, nil)
	checks := []string{
		"total == qty * price", "total != qty * price", "total == round(qty * price, 2)", "total >= qty + price - 1",
		"qty > 0 and price > 0", "qty < 1 or price <= 0.5", "not (qty > 3)", "paid or qty == 2", "paid and not paid",
		"status in ['open', 'paid'] and qty > 0", "status == 'open'", "status != note", "note == 'open'", "note != status or paid",
		"not (status in ['x']) and (note == 'a' or total == 1.50)",
	}
	rest := []string{"note != nil", "-qty < 1", "qty / price > 1", "len(status) > 2", "price == round(total, qty)"}
	texts := []record.Value{{}, record.NullValue(), record.StringValue("open"), record.StringValue("a")}
	numbers := []record.Value{{}, record.NullValue(), record.IntValue(2), record.IntValue(-1 << 62), amount(t, "1.50"), amount(t, "3.00"), amount(t, strings.Repeat("9", 38)), record.StringValue("2")}
	truths := []record.Value{{}, record.NullValue(), record.BoolValue(true), record.BoolValue(false)}
	for _, text := range append(checks, rest...) {
		program, mistake := Compile(text, &Scope{Fields: schema}, Want{Kind: record.Bool})
		if mistake != nil {
			t.Fatalf("%s: %v", text, mistake)
		}
		slow := *program
		slow.direct = nil
		direct, machine := NewMachine(), NewMachine()
		all := len(numbers) * len(numbers) * len(numbers) * len(texts) * len(texts) * len(truths)
		for i := 0; i < all; i += 13 { // 13 divides none of the lengths: every value meets every other
			pick := picker(i)
			r := record.Record{pick(numbers), pick(numbers), pick(numbers), pick(texts), pick(texts), pick(truths)}
			got, gotErr := direct.Check(program, &Input{Record: r})
			want, wantErr := machine.Check(&slow, &Input{Record: r})
			if got != want || errorText(gotErr) != errorText(wantErr) {
				t.Fatalf("%s on %s: %t, %v; the machine says %t, %v", text, shown(r), got, gotErr, want, wantErr)
			}
		}
	}
	for i, text := range append(checks, rest...) {
		program, _ := Compile(text, &Scope{Fields: schema}, Want{Kind: record.Bool})
		if want := i < len(checks); (program.direct != nil) != want {
			t.Errorf("%s is evaluated directly: %t, want %t", text, !want, want)
		}
	}
}

// picker takes the i-th of all combinations, one list after the other.
func picker(i int) func([]record.Value) record.Value {
	return func(from []record.Value) record.Value {
		v := from[i%len(from)]
		i /= len(from)
		return v
	}
}

func amount(t *testing.T, text string) record.Value {
	t.Helper()
	n, err := record.ParseNumber(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return record.DecimalValue(n)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func shown(r record.Record) string {
	var all []string
	for _, v := range r {
		all = append(all, v.Kind().String()+" "+strconv.Quote(v.Text()))
	}
	return strings.Join(all, ", ")
}
