package expression

import (
	"reflect"
	"time"

	"github.com/expr-lang/expr/types"

	"headgate/engine/record"
)

// In expr, a number is a *record.Number, text a string, a day a day, an instant a
// time.Time, a line a map. A pointer is boxed without an allocation.
type number = *record.Number

// day is a Date value.
type day int32

var (
	numberType = reflect.TypeFor[number]()
	textType   = reflect.TypeFor[string]()
	boolType   = reflect.TypeFor[bool]()
	dayType    = reflect.TypeFor[day]()
	timeType   = reflect.TypeFor[time.Time]()
	anyType    = reflect.TypeFor[any]()
	factsType  = reflect.TypeFor[*asked]()
)

// goType is how a value of kind looks in expr.
func goType(kind record.Kind) reflect.Type {
	switch kind {
	case record.String:
		return textType
	case record.Int, record.Decimal:
		return numberType
	case record.Bool:
		return boolType
	case record.Date:
		return dayType
	case record.Time:
		return timeType
	}
	return anyType
}

// exprType is the type of a name of kind.
func exprType(kind record.Kind) types.Type {
	switch kind {
	case record.String:
		return types.String
	case record.Int, record.Decimal:
		return types.TypeOf(number(nil))
	case record.Bool:
		return types.Bool
	case record.Date:
		return types.TypeOf(day(0))
	case record.Time:
		return types.TypeOf(time.Time{})
	}
	return types.Any
}

func fieldType(f record.Field) types.Type {
	if f.Kind == record.List {
		return types.Array(schemaType(f.Lines))
	}
	return exprType(f.Kind)
}

func schemaType(s *record.Schema) types.Type {
	m := make(types.Map, len(s.Fields))
	for _, f := range s.Fields {
		m[f.Name] = fieldType(f)
	}
	return m
}

// kindOf is the kind of a value of a Go type.
func kindOf(t reflect.Type) record.Kind {
	switch t {
	case numberType:
		return record.Decimal
	case textType:
		return record.String
	case boolType:
		return record.Bool
	case dayType:
		return record.Date
	case timeType:
		return record.Time
	}
	return record.Unknown
}

// toExpr returns v as expr sees it. Numbers are boxed as pointers to slot.
func toExpr(v record.Value, slot *record.Number) any {
	switch v.Kind() {
	case record.String:
		return v.Str()
	case record.Int, record.Decimal:
		*slot = v.Number()
		return slot
	case record.Bool:
		return v.Bool()
	case record.Date:
		return day(v.Days())
	case record.Time:
		return v.Time()
	}
	return nil
}

// fromExpr returns what expr gave as a value.
func fromExpr(v any) (record.Value, error) {
	switch x := v.(type) {
	case nil:
		return record.NullValue(), nil
	case string:
		return record.StringValue(x), nil
	case number:
		if x == nil {
			return record.NullValue(), nil
		}
		return record.DecimalValue(*x), nil
	case bool:
		return record.BoolValue(x), nil
	case day:
		return record.DateValue(int32(x)), nil
	case time.Time:
		return record.TimeValue(x), nil
	case int:
		return record.IntValue(int64(x)), nil
	}
	return record.Value{}, &RunError{"its result is a list or a record, and a single value is wanted"}
}

// linesToExpr returns the lines of a list as expr sees them.
func linesToExpr(lines *record.Lines, schema *record.Schema) ([]any, error) {
	if len(lines.Rows) > maxLines {
		return nil, &RunError{"a list has more lines than an expression may walk (10000)"}
	}
	all := make([]any, len(lines.Rows))
	numbers := make([]record.Number, len(lines.Rows)*len(schema.Fields))
	for i, row := range lines.Rows {
		line := make(map[string]any, len(schema.Fields))
		for j, f := range schema.Fields {
			var v record.Value
			if j < len(row) {
				v = row[j]
			}
			line[f.Name] = toExpr(v, &numbers[i*len(schema.Fields)+j])
		}
		all[i] = line
	}
	return all, nil
}

// recordToExpr returns a record as expr sees it, nil for no record.
func recordToExpr(r record.Record, schema *record.Schema) (any, error) {
	if r == nil {
		return nil, nil
	}
	m := make(map[string]any, len(schema.Fields))
	numbers := make([]record.Number, len(schema.Fields))
	for i, f := range schema.Fields {
		if i >= len(r) {
			break
		}
		if r[i].Kind() == record.List {
			lines, err := linesToExpr(r[i].Lines(), f.Lines)
			if err != nil {
				return nil, err
			}
			m[f.Name] = lines
			continue
		}
		m[f.Name] = toExpr(r[i], &numbers[i])
	}
	return m, nil
}
