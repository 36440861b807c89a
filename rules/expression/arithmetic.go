package expression

import (
	"errors"
	"fmt"
	"reflect"

	"headgate/engine/record"
)

// arithmetic makes a function of an exact operation on two numbers.
func arithmetic(op func(record.Number, record.Number) (record.Number, error)) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if a, ok := args[0].(number); ok && a != nil {
			if b, ok := args[1].(number); ok && b != nil {
				return boxed(op(*a, *b))
			}
		}
		a, err := asNumber(args[0])
		if err != nil {
			return nil, err
		}
		b, err := asNumber(args[1])
		if err != nil {
			return nil, err
		}
		return boxed(op(a, b))
	}
}

func divide(args []any) (any, error) {
	v, err := arithmetic(record.Number.Quo)(args)
	if errors.Is(err, record.ErrInexact) {
		return nil, errors.New("the division does not end: write round(x / y, n)")
	}
	return v, err
}

func divideRounded(args []any) (any, error) {
	if isNil(args[0]) || isNil(args[1]) {
		return nil, errors.New("a value is null where a number is needed")
	}
	places, err := placesOf(args[2])
	if err != nil {
		return nil, err
	}
	return arithmetic(func(a, b record.Number) (record.Number, error) { return a.QuoRound(b, places) })(args[:2])
}

func placesOf(v any) (int32, error) {
	n, err := asNumber(v)
	if err != nil {
		return 0, err
	}
	places, ok := n.Int64()
	if !ok || places < 0 || places > record.MaxExponent {
		return 0, fmt.Errorf("round to %s places: use a whole number from 0 to %d", n, record.MaxExponent)
	}
	return int32(places), nil
}

func round(args []any) (any, error) {
	n, err := asNumber(args[0])
	if err != nil {
		return nil, err
	}
	places, err := placesOf(args[1])
	if err != nil {
		return nil, err
	}
	return boxed(n.Round(places))
}

func numeric(op func(record.Number) record.Number) func([]any) (any, error) {
	return func(args []any) (any, error) {
		n, err := asNumber(args[0])
		if err != nil {
			return nil, err
		}
		return boxed(op(n), nil)
	}
}

func extreme(sign int) func([]any) (any, error) {
	return func(args []any) (any, error) {
		best, err := asNumber(args[0])
		if err != nil {
			return nil, err
		}
		for _, arg := range args[1:] {
			n, err := asNumber(arg)
			if err != nil {
				return nil, err
			}
			if n.Cmp(best)*sign > 0 {
				best = n
			}
		}
		return boxed(best, nil)
	}
}

func sum(args []any) (any, error) {
	list := reflect.ValueOf(args[0])
	if list.Kind() != reflect.Slice {
		return nil, errors.New("sum needs a list")
	}
	total := record.Number{}
	for i := range list.Len() {
		n, err := asNumber(list.Index(i).Interface())
		if err == nil {
			total, err = total.Add(n)
		}
		if err != nil {
			return nil, fmt.Errorf("sum: %w", err)
		}
	}
	return &total, nil
}

func exactCount(args []any) (any, error) {
	n, err := asNumber(args[0])
	return boxed(n, err)
}
