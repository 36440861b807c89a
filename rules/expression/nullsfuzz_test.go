package expression

import (
	"strings"
	"testing"

	"headgate/engine/record"
)

// emptyScope has optional values of every kind, and a lookup that knows nobody.
func emptyScope() *Scope {
	optional := func(name string, kind record.Kind) record.Field {
		return record.Field{Name: name, Kind: kind, Optional: true}
	}
	lines := record.NewSchema("lines", []record.Field{{Name: "qty", Kind: record.Decimal}, optional("price", record.Decimal)}, []int{0})
	return &Scope{
		Fields: record.NewSchema("order", []record.Field{
			{Name: "order_no", Kind: record.String}, {Name: "total", Kind: record.Decimal},
			optional("discount", record.Decimal), optional("email", record.String), optional("agreed", record.Bool),
			{Name: "lines", Kind: record.List, Lines: lines},
		}, []int{0}),
		Lookups: []Lookup{{
			Name: "customers", Key: []record.Field{{Name: "no", Kind: record.String}},
			Schema: record.NewSchema("customer", []record.Field{{Name: "no", Kind: record.String}, optional("note", record.String)}, []int{0}),
		}},
	}
}

// nobodyKnown knows nobody.
type nobodyKnown struct{}

func (nobodyKnown) Lookup(string, []record.Value) (record.Record, record.Value, bool, error) {
	return nil, record.Value{}, false, nil
}

// FuzzUnguarded: an expression about which nothing is said can be evaluated with every
// optional value null.
func FuzzUnguarded(f *testing.F) {
	for _, atoms := range []string{"discount", "email", "agreed", "total", "order_no", "lines", "customers(email)"} {
		for _, form := range []string{"X > 1", "X == nil or Y > 1", "X != nil and Y > 1", "upper(X) == 'A'", "X contains 'a'", "X startsWith Y", "X matches 'a'", "not X", "X and Y", "X ? true : Y", "all(lines, .price > X)", "sum(lines, X) > 1", "len(X) > 1", "X in [1]", "min(X, Y) == 1", "round(X, 1) == Y", "replace(X, Y, 'a') == 'b'", "gtin(X)", "string(X) + 'a' == 'b'", "X?.note == Y", "X.note == 'a'", "X in Y", "split(X, 'a') == Y", "count(lines, .price != nil) > 1 ? X : Y", "X == Y and X > 1", "X"} {
			for _, other := range []string{"discount", "email", "agreed", "total", "nil"} {
				f.Add(strings.ReplaceAll(strings.ReplaceAll(form, "X", atoms), "Y", other))
			}
		}
	}
	line := func(price record.Value) []record.Value { return []record.Value{record.IntValue(1), price} }
	input := func(facts Facts, price, discount, email, agreed record.Value) *Input {
		return &Input{Facts: facts, Record: record.Record{
			record.StringValue("A"), record.IntValue(2), discount, email, agreed,
			record.ListValue(&record.Lines{Rows: [][]record.Value{line(price), line(price)}}),
		}}
	}
	null := record.NullValue()
	empty := input(nobodyKnown{}, null, null, null, null)
	full := input(oneCustomer{}, record.IntValue(3), record.IntValue(4), record.StringValue("e"), record.BoolValue(true))
	f.Fuzz(func(t *testing.T, text string) {
		p, mistake := Compile(text, emptyScope(), Want{Kind: record.Bool})
		if mistake != nil {
			return
		}
		_, err := NewMachine().Check(p, empty)
		_, always := NewMachine().Check(p, full)
		if err != nil && always == nil && len(p.Unguarded(nil)) == 0 {
			t.Errorf("%s: nothing is said of it, and it fails: %v", text, err)
		}
	})
}
