package expression

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"headgate/engine/record"
)

// TestTrapResults are values that expr alone gets wrong without a word: it wraps
// int64, divides to infinity, computes with floats, and knows nothing of decimals in
// `in`, `sum` and unary minus.
func TestTrapResults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"9223372036854775807 + 1 == 9223372036854775808.0": "true",
		"-9223372036854775807 - 2":                         "-9223372036854775809",
		"9223372036854775807 * 9223372036854775807":        "85070591730234615847396907784232501249",
		"0.1 + 0.2":                            "0.3",
		"total in [2.3]":                       "true", // 2.30 in the record
		"-total == -2.3":                       "true",
		"sum(lines, .qty * .price) == 2.3":     "true",
		"price == 0.1":                         "true",
		"9007199254740993 == 9007199254740992": "false", // one as float64
		"email contains 'x'":                   "false",
		"nil == 1":                             "false",
		"email == nil and discount == nil":     "true",
		"len(lines) / 2 == 1 and count(lines, .qty > 1) * 1.5 == 1.5": "true",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := testScope()
			p, mistake := Compile(text, s, Want{Null: true})
			if mistake != nil {
				t.Fatal(mistake)
			}
			if v, err := NewMachine().Run(p, testInput(s)); err != nil || v.Text() != want {
				t.Errorf("got %q, %v; want %q", v.Text(), err, want)
			}
		})
	}
}

// TestTrapErrors: where there is no exact result there is none, and people are told why.
func TestTrapErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1 / (total - total) == 1": "division by zero",
		"total / 3 == 1":           "write round(x / y, n)",
		"9999999999999999999999.0 * 9999999999999999999999.0 > 1": "digits",
		"discount > 1":             "a value is null and has no order",
		"discount + 1 == 1":        "a value is null where a number is needed",
		"decimal('NaN') > 1":       "NaN",
		"decimal('Infinity') > 1":  "Infinity",
		"decimal('1e400') > 1":     "1e400",
		"sum(lines, .qty) / 0 > 1": "division by zero",
		"lines[7].qty == 1":        "a list does not have",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := testScope()
			p, mistake := Compile(text, s, Want{Kind: record.Bool})
			if mistake != nil {
				t.Fatal(mistake)
			}
			_, err := NewMachine().Check(p, testInput(s))
			if _, ok := errors.AsType[*RunError](err); !ok || !strings.Contains(err.Error(), want) {
				t.Errorf("says %v, want %q", err, want)
			}
		})
	}
}

// TestTrapTexts: what would overflow the parser's stack, or never end, is refused
// before it is parsed.
func TestTrapTexts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"a million parentheses": {strings.Repeat("(", 1_000_000) + "1" + strings.Repeat(")", 1_000_000), "longer than 4096 bytes"},
		"parentheses":           {strings.Repeat("(", 2000), "nested deeper than 32"},
		"brackets":              {strings.Repeat("[", 2000), "nested deeper than 32"},
		"hidden by quotes":      {"'('+" + strings.Repeat("(", 33) + "'a'", "nested deeper than 32"},
		"minuses":               {strings.Repeat("-", 4000) + "1", "operators in a row"},
		"nots":                  {strings.Repeat("not ", 1000) + "true", "operators in a row"},
		"many parts":            {strings.Repeat("1+", 1500) + "1 == 1", "more than 1000 parts"},
		"conditions":            {strings.Repeat("true ? 1 : ", 300) + "1 == 1", ""},
		"members":               {"row" + strings.Repeat(".a", 2000) + " == 1", ""},
		"a huge literal":        {"total > " + strings.Repeat("9", 4000), "exactly"},
		"beyond int64":          {"total > 9223372036854775808", "write it as a decimal: 9223372036854775808.0"},
		"a huge exponent":       {"total > 1e999999999", "exactly"},
		"a bad pattern":         {"status matches '" + strings.Repeat("(", 20) + "'", "bad regular expression"},
		"a greedy pattern":      {"status matches '" + strings.Repeat("(a{1000}", 3) + "){1000}'", "bad regular expression"},
		"predicates":            {"all(lines, any(lines, none(lines, true)))", "nested deeper than 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, mistake := Compile(test.text, testScope(), Want{Kind: record.Bool})
			if test.want != "" && (mistake == nil || !strings.Contains(mistake.Error(), test.want)) {
				t.Errorf("says %v, want %q", mistake, test.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestTrapMemory: an expression that doubles texts, or makes one a line, has no result
// before it has much memory.
func TestTrapMemory(t *testing.T) {
	doubled := "order_no"
	for len(doubled) < 900 {
		doubled = "(" + doubled + "+" + doubled + ")"
	}
	many := &record.Lines{}
	for i := range maxLines {
		many.Rows = append(many.Rows, []record.Value{record.StringValue(fmt.Sprint(i)), num("1"), num("1")})
	}
	long := strings.Repeat("x", 60<<10)
	for _, text := range []string{
		doubled + " == ''",
		"replace(replace(order_no, 'x', 'yyyyyyyyyyyyyyyy'), 'y', 'zzzzzzzzzzzzzzzz') == ''",
		"len(map(lines, order_no + .sku)) == 0",
		"len(map(lines, upper(order_no))) == 0",
		"len(map(lines, replace(.sku, '1', '" + strings.Repeat("y", 3000) + "') + order_no)) == 0",
		"len(map(lines, split(order_no, 'x'))) == 0",
		"count(lines, any(lines, .sku + order_no == '')) == 0",
	} {
		t.Run(text[:min(len(text), 60)], func(t *testing.T) {
			s := testScope()
			p, mistake := Compile(text, s, Want{Kind: record.Bool})
			if mistake != nil {
				t.Fatal(mistake)
			}
			in := testInput(s)
			in.Record[0] = record.StringValue(long)
			in.Record[10] = record.ListValue(many)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := NewMachine().Check(p, in)
			runtime.ReadMemStats(&after)
			made, took := (after.TotalAlloc-before.TotalAlloc)>>20, time.Since(began)
			if _, told := errors.AsType[*RunError](err); !told || made > 64 || took > 10*time.Second {
				t.Errorf("%d MiB, %s, %v", made, took, err)
			}
		})
	}
}
