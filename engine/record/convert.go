package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Locale says how a system writes what its texts do not say themselves.
type Locale struct {
	Zone  *time.Location // of times without an offset; nil is UTC
	Comma bool           // numbers have a decimal comma
}

// Convert returns v as a value of kind: text is parsed, numbers change kind when
// that is exact, days become midnight in the locale's zone, and every scalar has
// a text. Absent and null stay what they are. An error says what the value is not.
func Convert(v Value, kind Kind, locale Locale) (Value, error) {
	if v.kind == kind || v.Missing() || kind == Unknown {
		return v, nil
	}
	if v.kind == String {
		return Parse(kind, v.text(), locale)
	}
	switch {
	case kind == String && v.kind != List:
		return StringValue(v.Text()), nil
	case kind == Decimal && v.kind == Int:
		return Value{kind: Decimal, num: v.num}, nil
	case kind == Int && v.kind == Decimal:
		if n, ok := v.Number().Int64(); ok {
			return IntValue(n), nil
		}
		return Value{}, fmt.Errorf("%s is not a whole number", v.Text())
	case kind == Bool && v.kind == Int && (v.num == 0 || v.num == 1):
		return BoolValue(v.num == 1), nil
	case kind == Int && v.kind == Bool:
		return IntValue(v.num), nil
	case kind == Time && v.kind == Date:
		return atMidnight(v, locale), nil
	case kind == Date && v.kind == Time:
		return dayOf(v, locale)
	}
	return Value{}, fmt.Errorf("%s is not a %s", describe(v), kind)
}

func describe(v Value) string {
	if v.kind == List {
		return "a list"
	}
	return fmt.Sprintf("the %s %q", v.kind, clip(v.Text()))
}

func atMidnight(v Value, locale Locale) Value {
	if locale.Zone == nil {
		return TimeValue(v.Time())
	}
	y, m, d := v.Time().Date()
	return TimeValue(time.Date(y, m, d, 0, 0, 0, 0, locale.Zone))
}

func dayOf(v Value, locale Locale) (Value, error) {
	t := v.Time()
	if locale.Zone != nil {
		t = t.In(locale.Zone)
	}
	if h, m, s := t.Clock(); h+m+s+t.Nanosecond() != 0 {
		return Value{}, fmt.Errorf("the time %s has a time of day and is not a date", v.Text())
	}
	return DateValue(DaysOf(t)), nil
}

// Parse reads text as a value of kind. Blanks around anything but a string are ignored.
func Parse(kind Kind, text string, locale Locale) (Value, error) {
	if kind == String || kind == Unknown {
		return StringValue(text), nil
	}
	text = strings.TrimSpace(text)
	switch kind {
	case Int:
		return parseInt(text, locale)
	case Decimal:
		n, err := ParseNumber(text, locale.Comma)
		if err != nil {
			return Value{}, err
		}
		return DecimalValue(n), nil
	case Bool:
		return parseBool(text)
	case Date:
		return ParseDate(text)
	case Time:
		if len(text) == len("2006-01-02") {
			if v, err := ParseDate(text); err == nil {
				return atMidnight(v, locale), nil
			}
		}
		return ParseTime(text, locale.Zone)
	}
	return Value{}, fmt.Errorf("%q is not a %s", clip(text), kind)
}

func parseInt(text string, locale Locale) (Value, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return IntValue(n), nil
	}
	n, err := ParseNumber(text, locale.Comma)
	if err != nil {
		return Value{}, fmt.Errorf("%q is not a whole number", clip(text))
	}
	whole, ok := n.Int64()
	if !ok {
		return Value{}, fmt.Errorf("%q is not a whole number that fits in 64 bits", clip(text))
	}
	return IntValue(whole), nil
}

func parseBool(text string) (Value, error) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "1":
		return BoolValue(true), nil
	case "false", "f", "no", "n", "0":
		return BoolValue(false), nil
	}
	return Value{}, fmt.Errorf("%q is not true or false", clip(text))
}
