package record_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"headgate/engine/record"
)

// TestValueKeepsItsText: a value alone keeps alive what it points to, and copies of
// it show the same.
func TestValueKeepsItsText(t *testing.T) {
	t.Parallel()
	const n = 1000
	wide := strings.Repeat("9", 30)
	values := make([]record.Value, 0, 3*n)
	for i := range n {
		text := record.StringValue(strings.Repeat(strconv.Itoa(i), 5))
		number, err := record.ParseNumber(wide+strconv.Itoa(1000+i), false)
		if err != nil {
			t.Fatal(err)
		}
		lines := record.ListValue(&record.Lines{Rows: [][]record.Value{{record.StringValue("line " + strconv.Itoa(i))}}})
		values = append(values, text, record.DecimalValue(number), lines)
		if i%100 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	for i := range n {
		if got, want := values[3*i].Str(), strings.Repeat(strconv.Itoa(i), 5); got != want {
			t.Fatalf("text %d is %q, want %q", i, got, want)
		}
		if got, want := values[3*i+1].Text(), wide+strconv.Itoa(1000+i); got != want {
			t.Fatalf("number %d is %q, want %q", i, got, want)
		}
		if got, want := values[3*i+2].Lines().Rows[0][0].Str(), "line "+strconv.Itoa(i); got != want {
			t.Fatalf("line %d is %q, want %q", i, got, want)
		}
	}
}

// TestValueOfOtherKind: what a value is not, it has none of.
func TestValueOfOtherKind(t *testing.T) {
	t.Parallel()
	text, list := record.StringValue("7"), record.ListValue(nil)
	wide, err := record.ParseNumber(strings.Repeat("7", 30), false)
	if err != nil {
		t.Fatal(err)
	}
	if text.Lines() != nil || record.DecimalValue(wide).Lines() != nil || record.DecimalValue(wide).Str() != "" {
		t.Error("a text has lines, or a number a text of its own")
	}
	if list.Str() != "" || list.Int() != 0 || list.Number().Sign() != 0 || text.Int() != 0 {
		t.Error("a list or a text has a number")
	}
	if empty := record.StringValue("abc"[3:]); empty.Text() != "" || !empty.Equal(record.StringValue("")) {
		t.Error("an empty text is not empty")
	}
	if size := unsafe.Sizeof(record.Value{}); size > 24 {
		t.Errorf("a value has %d bytes: it is what headgate moves most of", size)
	}
}

// TestFloat: a double is exact where its shortest text has the digits of the number.
func TestFloat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		coef := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2e15, 2e15)).Draw(t, "coef")
		n := record.NewNumber(coef, rapid.Int32Range(0, 20).Draw(t, "scale"))
		got, exact := n.Float()
		text := n.Reduce().String()
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if wantExact := strconv.FormatFloat(want, 'f', -1, 64) == text; exact != wantExact || got != want {
			t.Errorf("%s: %v, %t; want %v, %t", text, got, exact, want, wantExact)
		}
	})
}
