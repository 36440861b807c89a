package expression

import (
	"errors"
	"reflect"
	"strings"
	"time"

	"headgate/engine/record"
)

// comparison compares values of which one may be a text nobody gave a type, as a
// cell of a trailer is: beside a number it is read as one.
type comparison struct {
	comma bool // the numbers of such texts have a decimal comma
}

// equal compares any two values by value. A text that reads as a number equals
// that number only where one side is of unknown type, as a cell of a trailer is.
func (c comparison) equal(want bool) func([]any) (any, error) {
	return func(args []any) (any, error) {
		a, b := args[0], args[1]
		if x, ok := a.(number); ok && x != nil {
			if y, ok := b.(number); ok && y != nil {
				return (x.Cmp(*y) == 0) == want, nil
			}
		}
		if isNil(a) || isNil(b) {
			return (isNil(a) && isNil(b)) == want, nil
		}
		return c.same(a, b) == want, nil
	}
}

func (c comparison) same(a, b any) bool {
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			return s == t
		}
		a, b = b, a
	}
	n, isNumber := a.(number)
	if s, ok := b.(string); ok && isNumber {
		m, err := record.ParseNumber(strings.TrimSpace(s), c.comma)
		return err == nil && n.Cmp(m) == 0
	}
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	v, err1 := fromExpr(a)
	w, err2 := fromExpr(b)
	return err1 == nil && err2 == nil && v.Equal(w)
}

func (c comparison) ordered(holds func(int) bool) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if a, ok := args[0].(number); ok && a != nil {
			if b, ok := args[1].(number); ok && b != nil {
				return holds(a.Cmp(*b)), nil
			}
		}
		if isNil(args[0]) || isNil(args[1]) {
			return nil, errors.New("a value is null and has no order")
		}
		a, err := c.orderable(args[0], args[1])
		if err != nil {
			return nil, err
		}
		b, err := c.orderable(args[1], args[0])
		if err != nil {
			return nil, err
		}
		order, err := a.Compare(b)
		return holds(order), err
	}
}

// orderable reads a text as a number where the other side is one.
func (c comparison) orderable(v, other any) (record.Value, error) {
	if s, ok := v.(string); ok {
		if _, number := other.(number); number {
			n, err := record.ParseNumber(strings.TrimSpace(s), c.comma)
			return record.DecimalValue(n), err
		}
	}
	return fromExpr(v)
}

func (c comparison) within(args []any) (any, error) {
	list := reflect.ValueOf(args[1])
	if list.Kind() != reflect.Slice {
		return nil, errors.New("`in` needs a list on its right")
	}
	for i := range list.Len() {
		if x := list.Index(i).Interface(); !isNil(x) && !isNil(args[0]) && c.same(args[0], x) {
			return true, nil
		}
	}
	return false, nil
}
