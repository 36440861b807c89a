package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/itchyny/timefmt-go"

	"headgate/engine/record"
)

// function is one function of the language: what it takes, and what it does.
// One that passes null gives null for a null first argument.
type function struct {
	call   func(args []any) (any, error)
	types  []any
	strict bool // it is given nulls instead of passing them
}

var errMade = &RunError{"it makes a text longer than 64 KiB"}

// functions returns the functions of the language for one locale.
func functions(locale record.Locale) map[string]function {
	f := map[string]function{
		"decimal": {call: conversion(record.Decimal, locale), types: []any{new(func(any) number)}},
		"int":     {call: conversion(record.Int, locale), types: []any{new(func(any) number)}},
		"string":  {call: conversion(record.String, locale), types: []any{new(func(any) string)}},
		"date":    {call: moment(record.Date, locale), types: []any{new(func(any) day), new(func(any, string) day)}},
		"time":    {call: moment(record.Time, locale), types: []any{new(func(any) time.Time), new(func(any, string) time.Time)}},
		"round":   {call: round, types: []any{new(func(number, number) number)}},
		"abs":     {call: numeric(record.Number.Abs), types: []any{new(func(number) number)}},
		"trim":    {call: textual(strings.TrimSpace), types: []any{new(func(string) string)}},
		"upper":   {call: textual(strings.ToUpper), types: []any{new(func(string) string)}},
		"lower":   {call: textual(strings.ToLower), types: []any{new(func(string) string)}},
		"split":   {call: split, types: []any{new(func(string, string) []string)}},
		"replace": {call: replace, types: []any{new(func(string, string, string) string)}},
		"min":     {call: extreme(-1), types: []any{new(func(...number) number)}},
		"max":     {call: extreme(1), types: []any{new(func(...number) number)}},
		"gtin":    {call: validator(validGTIN), types: []any{new(func(any) bool)}, strict: true},
		"iban":    {call: validator(validIBAN), types: []any{new(func(any) bool)}, strict: true},
		"vat":     {call: validator(validVAT), types: []any{new(func(any) bool)}, strict: true},
		"luhn":    {call: validator(validLuhn), types: []any{new(func(any) bool)}, strict: true},
	}
	f["coalesce"] = function{call: coalesce, types: []any{
		new(func(...number) number), new(func(...string) string), new(func(...bool) bool),
		new(func(...day) day), new(func(...time.Time) time.Time), new(func(...any) any),
	}, strict: true}
	return f
}

// FunctionNames returns the names an expression may call, which no field may carry.
func FunctionNames() []string {
	names := make([]string, 0, 40)
	for name := range functions(record.Locale{}) {
		names = append(names, name)
	}
	for name := range builtins {
		if _, ours := functionSet[name]; !ours {
			names = append(names, name)
		}
	}
	return names
}

var functionSet = functions(record.Locale{})

// builtins are those of expr that may be called.
var builtins = map[string]bool{
	"all": true, "any": true, "none": true, "one": true, "count": true, "filter": true,
	"map": true, "sum": true, "len": true,
}

// operators are the functions that stand for operators; their names cannot be written.
func operators(locale record.Locale) map[string]function {
	c := comparison{locale.Comma}
	return map[string]function{
		"$add":  {call: arithmetic(record.Number.Add), types: []any{new(func(number, number) number)}, strict: true},
		"$sub":  {call: arithmetic(record.Number.Sub), types: []any{new(func(number, number) number)}, strict: true},
		"$mul":  {call: arithmetic(record.Number.Mul), types: []any{new(func(number, number) number)}, strict: true},
		"$div":  {call: divide, types: []any{new(func(number, number) number)}, strict: true},
		"$quo":  {call: divideRounded, types: []any{new(func(number, number, number) number)}, strict: true},
		"$neg":  {call: numeric(record.Number.Neg), types: []any{new(func(number) number)}, strict: true},
		"$eq":   {call: c.equal(true), types: []any{new(func(number, number) bool), new(func(any, number) bool), new(func(number, any) bool)}, strict: true},
		"$ne":   {call: c.equal(false), types: []any{new(func(number, number) bool), new(func(any, number) bool), new(func(number, any) bool)}, strict: true},
		"$is":   {call: c.equal(true), types: []any{new(func(any, any) bool)}, strict: true},
		"$isnt": {call: c.equal(false), types: []any{new(func(any, any) bool)}, strict: true},
		"$lt":   {call: c.ordered(func(c int) bool { return c < 0 }), types: orderTypes(), strict: true},
		"$le":   {call: c.ordered(func(c int) bool { return c <= 0 }), types: orderTypes(), strict: true},
		"$gt":   {call: c.ordered(func(c int) bool { return c > 0 }), types: orderTypes(), strict: true},
		"$ge":   {call: c.ordered(func(c int) bool { return c >= 0 }), types: orderTypes(), strict: true},
		"$in":   {call: c.within, types: []any{new(func(any, any) bool)}, strict: true},
		"$sum":  {call: sum, types: []any{new(func(any) number)}, strict: true},
		"$int":  {call: exactCount, types: []any{new(func(int) number)}, strict: true},
		"$step": {call: step, types: []any{new(func(*asked) bool)}, strict: true},
		"$made": {call: spend, types: []any{new(func(*asked, string) string), new(func(*asked, []string) []string)}, strict: true},
		"$cat":  {call: concat, types: []any{new(func(string, string) string)}, strict: true},
	}
}

func orderTypes() []any {
	return []any{
		new(func(number, number) bool), new(func(day, day) bool),
		new(func(any, number) bool), new(func(number, any) bool),
		new(func(any, day) bool), new(func(day, any) bool),
	}
}

// overloads names the functions that stand for each operator.
var overloads = map[string]string{
	"+": "$add", "-": "$sub", "*": "$mul", "/": "$div",
	"==": "$eq", "!=": "$ne", "<": "$lt", "<=": "$le", ">": "$gt", ">=": "$ge",
}

func functionOptions(all map[string]function) []expr.Option {
	var options []expr.Option
	for name, f := range all {
		options = append(options, expr.Function(name, f.guarded(name), f.types...))
	}
	return options
}

// guarded passes null through and turns what the function says into a RunError.
func (f function) guarded(name string) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if !f.strict && len(args) > 0 && isNil(args[0]) {
			return nil, nil
		}
		v, err := f.call(args)
		if err == nil {
			return v, nil
		}
		if _, ok := errors.AsType[*RunError](err); ok || errors.Is(err, ErrLacking) {
			return nil, err
		}
		if name[0] == '$' {
			return nil, &RunError{err.Error()}
		}
		return nil, &RunError{name + ": " + err.Error()}
	}
}

func isNil(v any) bool {
	n, ok := v.(number)
	return v == nil || ok && n == nil
}

func asNumber(v any) (record.Number, error) {
	switch x := v.(type) {
	case number:
		if x != nil {
			return *x, nil
		}
	case int:
		return record.IntNumber(int64(x)), nil
	case string:
		return record.Number{}, fmt.Errorf("a text is used as a number: write decimal(…)")
	}
	if isNil(v) {
		return record.Number{}, errors.New("a value is null where a number is needed")
	}
	return record.Number{}, errors.New("a value is not a number")
}

func asText(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	if v == nil {
		return "", errors.New("a value is null where a text is needed")
	}
	value, err := fromExpr(v)
	return value.Text(), err
}

func boxed(n record.Number, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return &n, nil
}

func textual(op func(string) string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		s, err := asText(args[0])
		if err != nil {
			return nil, err
		}
		return made(op(s))
	}
}

func made(s string) (any, error) {
	if len(s) > maxMade {
		return nil, errMade
	}
	return s, nil
}

func concat(args []any) (any, error) {
	a, err := asText(args[0])
	if err != nil {
		return nil, err
	}
	b, err := asText(args[1])
	if err != nil {
		return nil, err
	}
	if len(a)+len(b) > maxMade {
		return nil, errMade
	}
	return a + b, nil
}

func split(args []any) (any, error) {
	s, err := asText(args[0])
	if err != nil {
		return nil, err
	}
	separator, err := asText(args[1])
	if err != nil {
		return nil, err
	}
	if len(s) > maxMade {
		return nil, errMade
	}
	return strings.Split(s, separator), nil
}

func replace(args []any) (any, error) {
	var texts [3]string
	for i := range texts {
		var err error
		if texts[i], err = asText(args[i]); err != nil {
			return nil, err
		}
	}
	s, old, replacement := texts[0], texts[1], texts[2]
	if len(s) > maxMade || len(s)+strings.Count(s, old)*(len(replacement)-len(old)) > maxMade {
		return nil, errMade
	}
	return strings.ReplaceAll(s, old, replacement), nil
}

func coalesce(args []any) (any, error) {
	for _, arg := range args {
		if !isNil(arg) {
			return arg, nil
		}
	}
	return nil, nil
}

func conversion(kind record.Kind, locale record.Locale) func([]any) (any, error) {
	return func(args []any) (any, error) {
		v, err := fromExpr(args[0])
		if err == nil {
			v, err = record.Convert(v, kind, locale)
		}
		if err != nil {
			return nil, err
		}
		if v.Kind() == record.String && len(v.Str()) > maxMade {
			return nil, errMade
		}
		return toExpr(v, new(record.Number)), nil
	}
}

// moment reads a day or an instant, by the layout when there is one.
func moment(kind record.Kind, locale record.Locale) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if len(args) == 1 {
			return conversion(kind, locale)(args)
		}
		text, err := asText(args[0])
		if err != nil {
			return nil, err
		}
		layout, err := asText(args[1])
		if err != nil {
			return nil, err
		}
		zone := locale.Zone
		if zone == nil {
			zone = time.UTC
		}
		t, err := timefmt.ParseInLocation(strings.TrimSpace(text), layout, zone)
		if err != nil || t.Year() < 1 || t.Year() > 9999 || !sameDigits(timefmt.Format(t, layout), text) {
			what := "time"
			if kind == record.Date {
				what = "date"
			}
			return nil, fmt.Errorf("%q is no %s of the form %q", clip(text), what, layout)
		}
		if kind == record.Date {
			return day(record.DaysOf(t)), nil
		}
		return t, nil
	}
}

// sameDigits reports whether two texts hold the same numbers: a day that does not
// exist, such as 31.11., was carried over into the next month.
func sameDigits(a, b string) bool {
	numbers := func(s string) []string {
		words := strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		for i := range words {
			words[i] = strings.TrimLeft(words[i], "0")
		}
		return words
	}
	return slices.Equal(numbers(a), numbers(b))
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func validator(valid func(string) bool) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if isNil(args[0]) {
			return false, nil
		}
		s, err := asText(args[0])
		return err == nil && valid(s), nil
	}
}
