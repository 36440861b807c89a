package record

import (
	"fmt"
	"strconv"
	"time"
	"unsafe"
)

// Kind is the type of a value or of a field.
type Kind uint8

// The kinds. Absent and Null are kinds of values only: a field is of one of the others.
const (
	Absent  Kind = iota // not carried at all: omitted on create, untouched on update
	Null                // carried, and empty
	String              // text
	Int                 // 64-bit whole number
	Decimal             // exact number, 38 digits
	Bool                // true or false
	Date                // a day, without zone
	Time                // an instant
	List                // lines: the values of a list field
	Unknown             // kind of a column whose type the source does not know
)

var kindNames = [...]string{"absent", "null", "string", "int", "decimal", "bool", "date", "time", "list", "unknown"}

// String returns the name the language uses for k.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// KindNamed returns the field kind the language calls name.
func KindNamed(name string) (Kind, bool) {
	for k := String; k <= Time; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return Absent, false
}

// Value is one slot of a row or a record. Its zero value is absent.
//
// Text is kept as a slice of the backing string of its row, numbers as exact
// scaled integers, so that copying a value copies no data.
//
// Values are what headgate moves most of, so they are kept small, and the way
// log/slog keeps its own: one word points to what is not a number. Only text, wide
// and Lines read it, each by the kind that says what stands there.
type Value struct {
	_     [0]func()      // values are compared with Equal, not with ==
	ptr   unsafe.Pointer // String, and Decimal too wide for num: the first byte of its text; List: *Lines
	num   int64          // Int, Bool, Date (days), Time (Unix seconds), Decimal (coefficient); of a text: its length
	scale int32          // Decimal: digits after the point; Time: nanoseconds
	kind  Kind
}

// textValue returns a value of kind that holds a text.
func textValue(kind Kind, s string) Value {
	return Value{kind: kind, num: int64(len(s)), ptr: unsafe.Pointer(unsafe.StringData(s))}
}

// text is the text of a String, or of a Decimal that is wide.
func (v Value) text() string { return unsafe.String((*byte)(v.ptr), v.num) }

// wide reports whether a Decimal is kept as a text.
func (v Value) wide() bool { return v.ptr != nil }

// Lines are the values of a list field: rows that share one set of slots.
type Lines struct {
	Rows [][]Value
}

// Row is a record as its system has it: one value a column, by position.
type Row []Value

// Record is one instance of an entity: one value a field of its schema, by position.
type Record []Value

// NullValue returns the null value.
func NullValue() Value { return Value{kind: Null} }

// StringValue returns the text s.
func StringValue(s string) Value { return textValue(String, s) }

// IntValue returns the whole number n.
func IntValue(n int64) Value { return Value{kind: Int, num: n} }

// BoolValue returns the truth value b.
func BoolValue(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.num = 1
	}
	return v
}

// DecimalValue returns the exact number d.
func DecimalValue(d Number) Value {
	if d.big != nil {
		return textValue(Decimal, d.big.Text('f'))
	}
	return Value{kind: Decimal, num: d.coef, scale: d.scale}
}

// DateValue returns the day that is days after 1970-01-01.
func DateValue(days int32) Value { return Value{kind: Date, num: int64(days)} }

// TimeValue returns the instant t.
func TimeValue(t time.Time) Value {
	return Value{kind: Time, num: t.Unix(), scale: int32(t.Nanosecond())}
}

// ListValue returns the lines as a value; nil lines are an empty list.
func ListValue(lines *Lines) Value {
	if lines == nil {
		lines = &Lines{}
	}
	return Value{kind: List, ptr: unsafe.Pointer(lines)}
}

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsAbsent reports whether v is not carried.
func (v Value) IsAbsent() bool { return v.kind == Absent }

// IsNull reports whether v is carried and empty.
func (v Value) IsNull() bool { return v.kind == Null }

// Missing reports whether v is absent or null.
func (v Value) Missing() bool { return v.kind <= Null }

// Str returns the text of a String value, and "" of any other.
func (v Value) Str() string {
	if v.kind == String {
		return v.text()
	}
	return ""
}

// Int returns the number of an Int value, and 0 of any other.
func (v Value) Int() int64 {
	if v.kind == Int {
		return v.num
	}
	return 0
}

// Bool returns the truth of a Bool value, and false of any other.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// Number returns the exact number of an Int or Decimal value, and 0 of any other.
func (v Value) Number() Number {
	switch {
	case v.kind == Decimal && v.wide():
		return mustBig(v.text())
	case v.kind == Decimal:
		return Number{coef: v.num, scale: v.scale}
	case v.kind == Int:
		return Number{coef: v.num}
	}
	return Number{}
}

// Days returns the days since 1970-01-01 of a Date value, and 0 of any other.
func (v Value) Days() int32 {
	if v.kind == Date {
		return int32(v.num)
	}
	return 0
}

// Time returns the instant of a Time value in UTC, midnight UTC of a Date value,
// and the zero time of any other.
func (v Value) Time() time.Time {
	switch v.kind {
	case Time:
		return time.Unix(v.num, int64(v.scale)).UTC()
	case Date:
		return time.Unix(v.num*secondsPerDay, 0).UTC()
	}
	return time.Time{}
}

// Lines returns the lines of a List value, and nil of any other.
func (v Value) Lines() *Lines {
	if v.kind == List {
		return (*Lines)(v.ptr)
	}
	return nil
}

// Append appends the canonical text of v to dst: what a file, a message or a
// person is shown. Absent and null append nothing; times are RFC 3339 in UTC;
// lists are a count, since they have no text of their own.
func (v Value) Append(dst []byte) []byte {
	switch v.kind {
	case String:
		return append(dst, v.text()...)
	case Int:
		return strconv.AppendInt(dst, v.num, 10)
	case Decimal:
		if v.wide() {
			return append(dst, v.text()...)
		}
		return Number{coef: v.num, scale: v.scale}.Append(dst)
	case Bool:
		return strconv.AppendBool(dst, v.num != 0)
	case Date:
		return appendDate(dst, int32(v.num))
	case Time:
		return v.Time().AppendFormat(dst, time.RFC3339Nano)
	case List:
		return fmt.Appendf(dst, "%d lines", len(v.Lines().Rows))
	}
	return dst
}

// Text returns the canonical text of v, as Append makes it.
func (v Value) Text() string {
	if v.kind == String {
		return v.text()
	}
	return string(v.Append(nil))
}

// Equal reports whether a and b are the same value: of one kind, numbers by
// value (1.0 equals 1.00, and an int equals a decimal), lists line by line.
func (v Value) Equal(other Value) bool {
	if v.kind != other.kind {
		return isNumber(v.kind) && isNumber(other.kind) && v.Number().Cmp(other.Number()) == 0
	}
	switch v.kind {
	case String:
		return v.text() == other.text()
	case Decimal:
		return v.Number().Cmp(other.Number()) == 0
	case List:
		return v.Lines().equal(other.Lines())
	}
	return v.num == other.num && v.scale == other.scale
}

func isNumber(k Kind) bool { return k == Int || k == Decimal }

func (l *Lines) equal(other *Lines) bool {
	if len(l.Rows) != len(other.Rows) {
		return false
	}
	for i, row := range l.Rows {
		if len(row) != len(other.Rows[i]) {
			return false
		}
		for j, v := range row {
			if !v.Equal(other.Rows[i][j]) {
				return false
			}
		}
	}
	return true
}

// Same reports whether a system shows one value where it was given the other. What is
// absent there was never written, which equals null.
func Same(a, b Value) bool {
	if a.Missing() || b.Missing() {
		return a.Missing() && b.Missing()
	}
	return a.Equal(b)
}

// Compare orders two values of one kind that has an order: -1, 0 or 1.
// Ints and decimals compare with each other.
func (v Value) Compare(other Value) (int, error) {
	switch {
	case isNumber(v.kind) && isNumber(other.kind):
		return v.Number().Cmp(other.Number()), nil
	case v.kind != other.kind || v.kind <= Null || v.kind >= List:
		return 0, fmt.Errorf("compare %s with %s: they have no common order", v.kind, other.kind)
	case v.kind == String:
		return compare(v.text(), other.text()), nil
	case v.num != other.num:
		return compare(v.num, other.num), nil
	}
	return compare(v.scale, other.scale), nil
}

func compare[T int32 | int64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
