package connectortest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/engine/record"
)

// plainRows returns n rows with nothing difficult in them.
func plainRows(n int) []record.Row {
	rows := make([]record.Row, n)
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for i := range rows {
		rows[i] = record.Row{
			record.IntValue(int64(i + 1)),
			record.StringValue(fmt.Sprintf("C-%03d", i+1)),
			record.DecimalValue(record.NewNumber(int64(i)*101, 2)),
			record.BoolValue(i%2 == 0),
			record.DateValue(int32(20000 + i)),
			record.TimeValue(start.Add(time.Duration(i) * time.Minute)),
			record.StringValue(fmt.Sprintf("note %d", i+1)),
		}
	}
	return rows
}

// longText is a megabyte that no compression of equal bytes hides.
func longText() string {
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "%d ü,", i)
	}
	return b.String()
}

// number returns the exact number that text says.
func number(text string) record.Value {
	n, err := record.ParseNumber(text, false)
	if err != nil {
		panic(err)
	}
	return record.DecimalValue(n)
}

// difficultRows returns rows whose values connectors are known to damage.
func (s Suite) difficultRows() []record.Row {
	texts := []string{
		"", " ", "  blanks around  ", "NULL", "null", `\N`, "a,b;c\td|e", `"quoted"`, `a "quote" inside`, `'it''s'`, `back\slash \" \\`,
		"line\nbreak", "carriage\r\nreturn", "bare\rreturn", "tab\ttab", "ünïcödé — 日本語 — 🚰", "e\u0301 is not é", "\u202eright to left\u2028",
		"=1+1", "0012", "1e5", "true", "2026-01-01", "{\"json\": [1]}", "<xml/>&amp;", "%s %d ?$1 :name", "; DROP TABLE rows; --", "\ufeffmark",
	}
	if !s.NoNUL {
		texts = append(texts, "nul\x00inside")
	}
	texts = append(texts, longText())
	rows := plainRows(len(texts))
	for i, text := range texts {
		rows[i][columnNote] = record.StringValue(text)
	}
	precision := max(s.TimePrecision, 1)
	for i, text := range []string{"0", "0.10", "-0.01", "9007199254740993", "12345678901234567890.123456789012345678", "-99999999999999999999", "1000000.50", "0.000000000001"} {
		rows[i][columnAmount] = number(text)
	}
	for i, day := range []time.Time{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		rows[i][columnDay] = record.DateValue(record.DaysOf(day))
	}
	for i, at := range []time.Time{time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(2026, 3, 29, 1, 30, 0, 123456789, time.UTC), time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC)} {
		rows[i][columnAt] = record.TimeValue(at.Truncate(precision))
	}
	for i := columnAmount; i <= columnNote; i++ {
		rows[len(rows)-1-i][i] = record.NullValue()
	}
	least := int64(math.MinInt64)
	if s.NoLeastInt {
		least++
	}
	rows[0][columnNo] = record.IntValue(least)
	return rows
}

// sameRows reports a difference of two sets of rows, in the order of their keys.
func sameRows(t *testing.T, got, want []record.Row) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	byKey := func(a, b record.Row) int { return cmp.Compare(a[columnNo].Int(), b[columnNo].Int()) }
	slices.SortStableFunc(got, byKey)
	slices.SortStableFunc(want, byKey)
	sameOrder(t, got, want)
}

// sameOrder reports a difference of two lists of rows.
func sameOrder(t *testing.T, got, want []record.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		for c, column := range Columns() {
			if !got[i][c].Equal(want[i][c]) {
				t.Errorf("row %d, %s: got %s %q, want %s %q", i, column.Name, got[i][c].Kind(), clip(got[i][c].Text()), want[i][c].Kind(), clip(want[i][c].Text()))
			}
		}
	}
}

func clip(text string) string {
	if len(text) > 80 {
		return text[:80] + fmt.Sprintf("… (%d bytes)", len(text))
	}
	return text
}

// expected returns rows as the suite's system gives them back.
func (o *opened) expected(t *testing.T, rows []record.Row) []record.Row {
	t.Helper()
	want := make([]record.Row, len(rows))
	for i, row := range rows {
		want[i] = o.as(t, row)
	}
	return want
}
