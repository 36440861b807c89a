package record_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"headgate/engine/record"
)

func number(t testing.TB, text string) record.Number {
	t.Helper()
	n, err := record.ParseNumber(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text  string
		comma bool
		want  string // "" is refused
	}{
		{"0", false, "0"}, {"-0", false, "0"}, {"1.50", false, "1.50"}, {"+7", false, "7"}, {"0.10", false, "0.10"}, {"1e3", false, "1000"},
		{"12345678901234567890123456789012345678", false, "12345678901234567890123456789012345678"},
		{"-9223372036854775808", false, "-9223372036854775808"}, {"1e-30", false, "0." + strings.Repeat("0", 29) + "1"},
		{"123456789012345678901234567890123456789", false, ""}, {"1e31", false, ""}, {"1e99999999", false, ""}, {"NaN", false, ""}, {"Infinity", false, ""},
		{"", false, ""}, {".5", false, ""}, {"5.", false, ""}, {"1,5", false, ""}, {"1 000", false, ""}, {"0x10", false, ""}, {"--1", false, ""}, {"1.2.3", false, ""},
		{"1.234,50", true, "1234.50"}, {"12,5", true, "12.5"}, {"1.234", true, "1234"}, {"1234,5", true, "1234.5"}, {"-1.000.000,00", true, "-1000000.00"},
		{"1,234.50", true, ""}, {"12.34", true, ""}, {"1234.567", true, ""}, {"1,", true, ""},
	}
	for _, test := range tests {
		n, err := record.ParseNumber(test.text, test.comma)
		switch {
		case test.want == "" && !errors.Is(err, record.ErrNumber):
			t.Errorf("%q: %v, %v", test.text, n, err)
		case test.want != "" && (err != nil || n.String() != test.want):
			t.Errorf("%q: %v, %v; want %s", test.text, n, err, test.want)
		}
	}
}

// anyNumber draws the text of a number of up to 30 digits.
func anyNumber(t *rapid.T, name string) string {
	sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, name+" sign")
	whole := rapid.StringMatching(`[0-9]{1,20}`).Draw(t, name+" whole")
	fraction := rapid.StringMatching(`[0-9]{0,10}`).Draw(t, name+" fraction")
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}

func rat(t *rapid.T, text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("no rational %q", text)
	}
	return r
}

// TestArithmetic: what has a result has the exact one.
func TestArithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyNumber(t, "x"), anyNumber(t, "y")
		a, err1 := record.ParseNumber(x, false)
		b, err2 := record.ParseNumber(y, false)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		ra, rb := rat(t, x), rat(t, y)
		check := func(name string, got record.Number, err error, want *big.Rat) {
			if err == nil && rat(t, got.String()).Cmp(want) != 0 {
				t.Fatalf("%s %s %s = %s, want %s", x, name, y, got, want.RatString())
			}
		}
		sum, err := a.Add(b)
		check("+", sum, err, new(big.Rat).Add(ra, rb))
		difference, err := a.Sub(b)
		check("-", difference, err, new(big.Rat).Sub(ra, rb))
		product, err := a.Mul(b)
		check("*", product, err, new(big.Rat).Mul(ra, rb))
		if rb.Sign() != 0 {
			quotient, err := a.Quo(b)
			check("/", quotient, err, new(big.Rat).Quo(ra, rb))
			checkRounded(t, a, b, new(big.Rat).Quo(ra, rb))
		}
		if a.Cmp(b) != ra.Cmp(rb) {
			t.Fatalf("%s compared with %s is %d", x, y, a.Cmp(b))
		}
	})
}

// checkRounded holds that a rounded quotient is the nearest, halves away from zero.
func checkRounded(t *rapid.T, a, b record.Number, exact *big.Rat) {
	places := rapid.Int32Range(0, 6).Draw(t, "places")
	got, err := a.QuoRound(b, places)
	if err != nil {
		return
	}
	want := exact.FloatString(int(places)) // rounds halves away from zero
	if rat(t, got.String()).Cmp(rat(t, want)) != 0 {
		t.Fatalf("round(%s / %s, %d) = %s, want %s", a, b, places, got, want)
	}
}

func TestOverflowIsNoWrap(t *testing.T) {
	t.Parallel()
	n := record.IntNumber(math.MaxInt64)
	sum, err := n.Add(record.IntNumber(1))
	if err != nil || sum.String() != "9223372036854775808" {
		t.Error(sum, err)
	}
	least := record.IntNumber(math.MinInt64)
	if least.Neg().String() != "9223372036854775808" || least.String() != "-9223372036854775808" {
		t.Error(least.Neg(), least)
	}
	huge := number(t, "99999999999999999999999999999999999999")
	if _, err := huge.Add(record.IntNumber(1)); !errors.Is(err, record.ErrInexact) {
		t.Error(err)
	}
}

// anyValue draws a value that may be part of a key.
func anyValue(t *rapid.T, kind record.Kind, name string) record.Value {
	switch kind {
	case record.String:
		return record.StringValue(rapid.SampledFrom([]string{"", "a", "a\x00", "a\x00b", "b", "\x00", "\xff", "ä"}).Draw(t, name))
	case record.Int:
		return record.IntValue(rapid.Int64().Draw(t, name))
	case record.Decimal:
		n, err := record.ParseNumber(anyNumber(t, name), false)
		if err != nil {
			t.Fatal(err)
		}
		return record.DecimalValue(n)
	case record.Bool:
		return record.BoolValue(rapid.Bool().Draw(t, name))
	case record.Date:
		return record.DateValue(rapid.Int32Range(-700000, 2900000).Draw(t, name))
	}
	return record.TimeValue(time.Unix(rapid.Int64Range(-1e10, 1e10).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")))
}

// TestKeys: keys order as their values do, and give their values back.
func TestKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]record.Kind{record.String, record.Int, record.Decimal, record.Bool, record.Date, record.Time}).Draw(t, "kind")
		a, b := anyValue(t, kind, "a"), anyValue(t, kind, "b")
		ka, err1 := record.AppendKey(nil, a)
		kb, err2 := record.AppendKey(nil, b)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		order := 0
		if kind != record.Bool {
			order, _ = a.Compare(b)
			if got := bytes.Compare(ka, kb); got != order {
				t.Fatalf("%s and %s compare as %d, their keys as %d", a.Text(), b.Text(), order, got)
			}
		}
		back, err := record.DecodeKey(record.Key(append(ka, kb...)), []record.Kind{kind, kind})
		if err != nil || !back[0].Equal(a) || !back[1].Equal(b) {
			t.Fatalf("%v, %v", back, err)
		}
	})
}

// TestCodec: an encoded row gives its values back; equal values have equal
// canonical bytes, and others have others.
func TestCodec(t *testing.T) {
	t.Parallel()
	kinds := []record.Kind{record.String, record.Int, record.Decimal, record.Bool, record.Date, record.Time}
	rapid.Check(t, func(t *rapid.T) {
		var row record.Row
		for i := range rapid.IntRange(0, 5).Draw(t, "width") {
			row = append(row, anyValue(t, rapid.SampledFrom(kinds).Draw(t, "kind"), string(rune('a'+i))))
		}
		row = append(row, record.Value{}, record.NullValue(), record.ListValue(&record.Lines{Rows: [][]record.Value{row}}))
		back, err := record.DecodeRow(record.AppendRow(nil, row))
		if err != nil || len(back) != len(row) {
			t.Fatal(back, err)
		}
		for i := range row {
			if !back[i].Equal(row[i]) || !bytes.Equal(back[i].AppendCanonical(nil), row[i].AppendCanonical(nil)) {
				t.Fatalf("slot %d: %s became %s", i, row[i].Text(), back[i].Text())
			}
			for j := range row {
				same := bytes.Equal(row[i].AppendCanonical(nil), row[j].AppendCanonical(nil))
				if same != row[i].Equal(row[j]) {
					t.Fatalf("%q and %q: canonical %v, equal %v", row[i].Text(), row[j].Text(), same, !same)
				}
			}
		}
	})
}

func TestMoments(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		kind       record.Kind
		text, want string
	}{
		{record.Date, "2024-02-29", "2024-02-29"}, {record.Date, "2023-02-29", ""}, {record.Date, "2026-11-31", ""}, {record.Date, "0000-01-01", ""},
		{record.Date, "2026-11-02 00:00:00", "2026-11-02"}, {record.Date, "2026-11-02 10:00:00", ""}, {record.Date, "2007-08-01- 00:00:00.000", ""},
		{record.Time, "2026-07-01 12:00:00", "2026-07-01T10:00:00Z"}, {record.Time, "2026-01-01T12:00", "2026-01-01T11:00:00Z"},
		{record.Time, "2026-01-01T12:00:00.123456789+01:00", "2026-01-01T11:00:00.123456789Z"}, {record.Time, "2026-01-01 12:00:00+01", "2026-01-01T11:00:00Z"},
		{record.Time, "2026-01-01 24:00:00", ""}, {record.Time, "2026-01-01 12:60:00", ""}, {record.Time, "noon", ""},
		{record.Bool, "YES", "true"}, {record.Bool, "2", ""}, {record.Int, "7.0", "7"}, {record.Int, "7.5", ""}, {record.Int, "9223372036854775808", ""},
	}
	for _, test := range tests {
		v, err := record.Parse(test.kind, test.text, record.Locale{Zone: berlin})
		if (err == nil) != (test.want != "") || err == nil && v.Text() != test.want {
			t.Errorf("%s %q: %q, %v; want %q", test.kind, test.text, v.Text(), err, test.want)
		}
	}
}

// FuzzMoments: dates and times agree with package time.
func FuzzMoments(f *testing.F) {
	for _, seed := range []string{"2024-02-29", "2026-01-01T12:00:00Z", "2026-01-01 12:00:00.5+01:00", "9999-12-31", "0001-01-01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := record.ParseDate(text); err == nil && len(text) == 10 {
			if want, err := time.Parse("2006-01-02", text); err != nil || !want.Equal(v.Time()) {
				t.Errorf("%q is %s, want %s, %v", text, v.Text(), want, err)
			}
		}
		want, err := time.Parse(time.RFC3339Nano, text)
		v, ours := record.ParseTime(text, nil)
		if err == nil && ours == nil && !want.Equal(v.Time()) {
			t.Errorf("%q is %s, want %s", text, v.Text(), want)
		}
	})
}

func FuzzNumber(f *testing.F) {
	f.Add("1.50", "-3")
	f.Add("1e30", "0.000")
	f.Fuzz(func(t *testing.T, x, y string) {
		a, err1 := record.ParseNumber(x, false)
		b, err2 := record.ParseNumber(y, true)
		if err1 != nil || err2 != nil {
			return
		}
		if back, err := record.ParseNumber(a.String(), false); err != nil || back.Cmp(a) != 0 {
			t.Errorf("%q became %s, %v", x, back, err)
		}
		if sum, err := a.Add(b); err == nil {
			if back, err := sum.Sub(b); err == nil && back.Cmp(a) != 0 {
				t.Errorf("%s + %s - %s = %s", a, b, b, back)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add(record.AppendRow(nil, record.Row{record.StringValue("a"), record.IntValue(1)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if row, err := record.DecodeRow(b); err == nil {
			if again, err := record.DecodeRow(record.AppendRow(nil, row)); err != nil || len(again) != len(row) {
				t.Errorf("%v, %v", again, err)
			}
		}
		for _, kind := range []record.Kind{record.String, record.Int, record.Decimal, record.Bool, record.Date, record.Time} {
			if values, err := record.DecodeKey(record.Key(b), []record.Kind{kind}); err == nil && kind == record.Decimal {
				if back, err := record.AppendKey(nil, values[0]); err != nil || len(back) > len(b)+2 {
					t.Errorf("%q became %q, %v", b, back, err)
				}
			}
		}
	})
}
