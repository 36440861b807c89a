package expression

import (
	"errors"
	"reflect"

	"github.com/expr-lang/expr"

	"headgate/engine/record"
)

// ErrLacking says that a fact is not known yet: whoever keeps the facts has noted
// what was asked, and the expression is to be run again when it is known.
var ErrLacking = errors.New("a fact is not known yet")

// RunError says why an expression has no result. Its message is for people.
type RunError struct{ Message string }

// Error returns the message.
func (e *RunError) Error() string { return e.Message }

// asked is what one run may ask and spend, as expr passes it to our functions.
type asked struct {
	facts Facts
	steps int // lines walked
	made  int // bytes of texts made of lines
}

// lookupOption makes a lookup a function whose result has the fields of its
// records, so that an unknown one is a mistake when it is compiled.
func lookupOption(l Lookup) expr.Option {
	result, fields := lookupType(l)
	in := []reflect.Type{factsType}
	for _, key := range l.Key {
		in = append(in, goType(key.Kind))
	}
	signature := reflect.New(reflect.FuncOf(in, []reflect.Type{reflect.PointerTo(result)}, false))
	call := func(args ...any) (any, error) { return askLookup(l, result, fields, args) }
	return expr.Function(l.Name, call, signature.Interface())
}

// lookupType is a struct with the scalar fields of the lookup's records and `id`.
func lookupType(l Lookup) (reflect.Type, []int) {
	var fields []reflect.StructField
	var at []int
	for i, f := range l.Schema.Fields {
		if f.Kind == record.List {
			continue
		}
		t := goType(f.Kind)
		if f.Optional {
			t = anyType // null must be a plain nil
		}
		fields = append(fields, structField(len(fields), f.Name, t))
		at = append(at, i)
	}
	if _, taken := l.Schema.Index("id"); !taken && !l.NoID {
		fields = append(fields, structField(len(fields), "id", anyType))
	}
	return reflect.StructOf(fields), at
}

func structField(n int, name string, t reflect.Type) reflect.StructField {
	tag := reflect.StructTag(`expr:"` + name + `"`)
	return reflect.StructField{Name: "F" + string(rune('A'+n/26)) + string(rune('A'+n%26)), Type: t, Tag: tag}
}

func askLookup(l Lookup, result reflect.Type, fields []int, args []any) (any, error) {
	box, ok := args[0].(*asked)
	if !ok || box == nil || box.facts == nil {
		return nil, &RunError{"lookup " + l.Name + " cannot be asked here"}
	}
	key := make([]record.Value, len(l.Key))
	for i := range l.Key {
		v, err := fromExpr(args[i+1])
		if err == nil && v.Missing() {
			return nil, nil // null is the key of nothing
		}
		if err == nil {
			v, err = record.Convert(v, l.Key[i].Kind, record.Locale{})
		}
		if err != nil {
			return nil, &RunError{"lookup " + l.Name + ": " + err.Error()}
		}
		key[i] = v
	}
	r, id, found, err := box.facts.Lookup(l.Name, key)
	if err != nil || !found {
		return nil, err
	}
	answer := reflect.New(result)
	for n, at := range fields {
		setField(answer.Elem().Field(n), r[at])
	}
	if result.NumField() > len(fields) {
		setField(answer.Elem().Field(len(fields)), id)
	}
	return answer.Interface(), nil
}

func setField(field reflect.Value, v record.Value) {
	if x := toExpr(v, new(record.Number)); x != nil {
		if value := reflect.ValueOf(x); value.Type().AssignableTo(field.Type()) {
			field.Set(value)
		}
	}
}
