package expression

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headgate/engine/record"
)

// nullScope has a field of each kind that may be null, and some that are not.
func nullScope() *Scope {
	lines := record.NewSchema("lines", []record.Field{
		{Name: "qty", Kind: record.Decimal, Optional: true}, {Name: "sku", Kind: record.String},
	}, nil)
	fields := record.NewSchema("order", []record.Field{
		{Name: "n", Kind: record.Decimal, Optional: true}, {Name: "m", Kind: record.Decimal, Optional: true},
		{Name: "s", Kind: record.String, Optional: true}, {Name: "b", Kind: record.Bool, Optional: true},
		{Name: "d", Kind: record.Date, Optional: true}, {Name: "t", Kind: record.Time, Optional: true},
		{Name: "lines", Kind: record.List, Optional: true, Lines: lines},
		{Name: "total", Kind: record.Decimal}, {Name: "name", Kind: record.String},
	}, nil)
	customers := Lookup{Name: "customers", Key: []record.Field{{Name: "no", Kind: record.String}}, Schema: record.NewSchema("customer", []record.Field{
		{Name: "no", Kind: record.String}, {Name: "credit", Kind: record.Decimal, Optional: true}, {Name: "terms", Kind: record.Int},
	}, []int{0})}
	return &Scope{Fields: fields, Current: fields, Lookups: []Lookup{customers}}
}

// unguardedTests say which names of a check, judged when another was true, may leave
// it without a result.
var unguardedTests = []struct {
	check, when string
	want        string
}{
	{check: "total > 0"},
	{check: "n > 0", want: "n"},
	{check: "n + m > 0", want: "n m"},
	{check: "n > 0 and n < 10", want: "n"},
	{check: "n == 1"}, {check: "n != m"}, {check: "n in [1, 2]"},
	{check: "s matches '^a'"}, {check: "s contains 'x' or s startsWith 'y'"}, {check: "iban(s)"},
	{check: "n == nil or n > 0"},
	{check: "n != nil and n > 0"},
	{check: "n != nil or n > 0", want: "n"},
	{check: "n == nil and n > 0", want: "n"},
	{check: "not (n == nil) and n > 0"},
	{check: "not (n != nil and m != nil) or n > m"},
	{check: "not (n != nil or m != nil) or n > m", want: "n m"},
	{check: "nil == n or n > 0"},
	{check: "n > 0", when: "n != nil"},
	{check: "n > m", when: "n != nil", want: "m"},
	{check: "n > 0", when: "n == 5"},
	{check: "n > 0", when: "n != 5", want: "n"},
	{check: "n > 0", when: "n == m", want: "n"},
	{check: "n > 0", when: "n in [1, 2]"},
	{check: "s + 'x' == 'ax'", when: "s matches 'a'"},
	{check: "s + 'x' == 'ax'", when: "not (s matches 'a')", want: "s"},
	{check: "coalesce(n, 0) > 0"}, {check: "(n ?? 0) > 0"},
	{check: "coalesce(n, m) > 0", want: "m"},
	{check: "(n ?? m) > 0", want: "m"},
	{check: "n == nil ? true : n > 0"},
	{check: "n == nil ? n > 0 : true", want: "n"},
	{check: "(n == nil ? m : n) > 0", want: "m"},
	{check: "round(n, 2) == 1"}, {check: "round(n, 2) > 1", want: "n"}, {check: "abs(n) + 1 > 0", want: "n"},
	{check: "round(total, 2) > 1 and round(n, 2) > 1", when: "abs(n) != nil"},
	{check: "min(n, total) == 1"}, {check: "min(total, n) == 1", want: "n"},
	{check: "replace(name, s, 'x') == 'x'", want: "s"},
	{check: "-n == 1", want: "n"},
	{check: "b", want: "b"}, {check: "not b", want: "b"}, {check: "b and total > 0", want: "b"}, {check: "b == true"},
	{check: "b ? total > 0 : total > 1", want: "b"}, {check: "total > 0", when: "b"},
	{check: "d > date('2026-01-01')", want: "d"}, {check: "t < now", want: "t"},
	{check: "d != nil and d > date('2026-01-01')"},
	{check: "all(lines, .sku != '')", want: "lines"},
	{check: "lines != nil and all(lines, .sku != '')"},
	{check: "all(lines, .qty > 0)", when: "lines != nil", want: ".qty"},
	{check: "all(lines, .qty == nil or .qty > 0)", when: "lines != nil"},
	{check: "sum(lines, .qty) == total", when: "lines != nil", want: ".qty"},
	{check: "sum(lines, .qty ?? 0) == total", when: "lines != nil"},
	{check: "sum(map(lines, .qty)) == total", when: "lines != nil", want: ".qty"},
	{check: "sum(filter(lines, .qty != nil), .qty) == total", when: "lines != nil"},
	{check: "sum(filter(lines, .sku != 'x'), .qty) == total", when: "lines != nil", want: ".qty"},
	{check: "len(map(lines, .qty)) == 1", when: "lines != nil"},
	{check: "len(s) == 1", want: "s"},
	{check: "current.total > 0", want: "current"},
	{check: "current == nil or current.total <= total"},
	{check: "current?.total == total"},
	{check: "current?.total > total", want: "current"},
	{check: "current.n > 0", when: "current != nil", want: "current.n"},
	{check: "current.n > 0", when: "current?.n != nil"},
	{check: "customers(name) != nil"},
	{check: "customers(name).terms > 0", want: "customers(name)"},
	{check: "customers(name).terms > 0", when: "customers(name) != nil"},
	{check: "customers(name).credit > total", when: "customers(name) != nil", want: "customers(name).credit"},
	{check: "customers(name)?.credit == nil or customers(name).credit > total"},
	{check: "customers(s) == nil"},
}

func TestUnguarded(t *testing.T) {
	t.Parallel()
	for _, test := range unguardedTests {
		t.Run(test.check+" when "+test.when, func(t *testing.T) {
			t.Parallel()
			scope := nullScope()
			check := compileBool(t, test.check, scope)
			var when *Program
			if test.when != "" {
				when = compileBool(t, test.when, scope)
			}
			var got []string
			for _, u := range check.Unguarded(when) {
				got = append(got, u.Name)
			}
			if diff := cmp.Diff(strings.Fields(test.want), got, cmp.Transformer("", func(s []string) string { return strings.Join(s, " ") })); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if failed, why := fails(t, check, when); failed != (test.want != "") {
				t.Errorf("what is said of it is not what happens: %s", why)
			}
		})
	}
}

func compileBool(t *testing.T, text string, scope *Scope) *Program {
	t.Helper()
	p, mistake := Compile(text, scope, Want{Kind: record.Bool})
	if mistake != nil {
		t.Fatalf("%s: %v", text, mistake)
	}
	return p
}

// fails runs the check with every choice of nulls, and reports whether one of them
// leaves it without a result.
func fails(t *testing.T, check, when *Program) (bool, string) {
	t.Helper()
	machine := NewMachine()
	for nulls := range 1 << 12 {
		in := nullInput(nulls)
		if when != nil {
			if true, err := machine.Check(when, in); err != nil || !true {
				continue
			}
		}
		if _, err := machine.Check(check, in); err != nil {
			return true, err.Error()
		}
	}
	return false, "it always has a result"
}

// nullInput is a record of which the bits of nulls say what is null.
func nullInput(nulls int) *Input {
	bit := func(i int) bool { return nulls>>i&1 == 1 }
	or := func(i int, v record.Value) record.Value {
		if bit(i) {
			return record.NullValue()
		}
		return v
	}
	number := func(n int64) record.Value { return record.DecimalValue(record.IntNumber(n)) }
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	lines := &record.Lines{Rows: [][]record.Value{{or(7, number(1)), record.StringValue("x")}, {or(8, number(2)), record.StringValue("y")}}}
	r := record.Record{
		or(0, number(5)), or(1, number(5)), or(2, record.StringValue("a")), or(3, record.BoolValue(true)),
		or(4, record.DateValue(20000)), or(5, record.TimeValue(at)), or(6, record.ListValue(lines)), number(5), record.StringValue("c"),
	}
	in := &Input{Record: r, Now: at, Facts: nullFacts{found: !bit(10), credit: or(11, number(9))}}
	if !bit(9) {
		in.Current = append(record.Record{}, r...)
	}
	return in
}

// nullFacts finds one customer, or none.
type nullFacts struct {
	found  bool
	credit record.Value
}

func (f nullFacts) Lookup(string, []record.Value) (record.Record, record.Value, bool, error) {
	if !f.found {
		return nil, record.Value{}, false, nil
	}
	return record.Record{record.StringValue("c"), f.credit, record.IntValue(30)}, record.IntValue(1), true, nil
}
