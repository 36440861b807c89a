package expression

import (
	"github.com/expr-lang/expr/ast"

	"headgate/engine/record"
)

// Most rules are a few comparisons of names and literals. Those are evaluated
// directly, on values as they are: expr's machine wants each name in a map and each
// operand in an interface, which costs more than the rule.
//
// What is evaluated here means what the machine makes of it, for it is built of the
// tree that expr checked and of the same operators. Whatever is not plain at run
// time, as a null, an inexact result or another kind, is not decided here: ok is
// then false, and the machine decides, or says why it cannot.
type (
	truthOf  func(in *Input) (result, ok bool)
	numberOf func(in *Input) (n record.Number, ok bool)
	textOf   func(in *Input) (s string, ok bool)
)

// direct compiles nodes to functions, nil where a node is none of those above.
type direct struct{ sources []source }

// source returns where a name comes from, when it is a plain one.
func (d direct) source(node ast.Node) *source {
	id, ok := node.(*ast.IdentifierNode)
	if !ok {
		return nil
	}
	for i := range d.sources {
		if s := &d.sources[i]; s.name == id.Value && s.kind != fromFacts && s.kind != fromCurrent && s.list == nil {
			return s
		}
	}
	return nil
}

// call returns the function and the arguments of a call.
func call(node ast.Node) (name string, args []ast.Node) {
	c, ok := node.(*ast.CallNode)
	if !ok {
		return "", nil
	}
	callee, ok := c.Callee.(*ast.IdentifierNode)
	if !ok {
		return "", nil
	}
	return callee.Value, c.Arguments
}

func (d direct) truth(node ast.Node) truthOf {
	switch n := node.(type) {
	case *ast.BoolNode:
		return func(*Input) (bool, bool) { return n.Value, true }
	case *ast.IdentifierNode:
		s := d.source(n)
		if s == nil {
			return nil
		}
		return func(in *Input) (bool, bool) {
			v := plainValue(s, in)
			return v.Bool(), v.Kind() == record.Bool
		}
	case *ast.UnaryNode:
		inner := d.truth(n.Node)
		if inner == nil || n.Operator != "not" && n.Operator != "!" {
			return nil
		}
		return func(in *Input) (bool, bool) {
			result, ok := inner(in)
			return !result, ok
		}
	case *ast.BinaryNode:
		return d.binary(n)
	}
	name, args := call(node)
	if len(args) != 2 {
		return nil
	}
	if compare := d.numbers(name, args); compare != nil {
		return compare
	}
	switch name {
	case "$is":
		return d.sameText(args[0], args[1], true)
	case "$isnt":
		return d.sameText(args[0], args[1], false)
	}
	return nil
}

func (d direct) binary(n *ast.BinaryNode) truthOf {
	switch n.Operator {
	case "and", "&&":
		return d.joined(n, false)
	case "or", "||":
		return d.joined(n, true)
	case "==":
		return d.sameText(n.Left, n.Right, true)
	case "!=":
		return d.sameText(n.Left, n.Right, false)
	case "in":
		return d.in(n)
	}
	return nil
}

// joined is `and` and `or`: the left side alone decides when it is `decides`.
func (d direct) joined(n *ast.BinaryNode, decides bool) truthOf {
	left, right := d.truth(n.Left), d.truth(n.Right)
	if left == nil || right == nil {
		return nil
	}
	return func(in *Input) (bool, bool) {
		if result, ok := left(in); !ok || result == decides {
			return result, ok
		}
		return right(in)
	}
}

func (d direct) sameText(left, right ast.Node, want bool) truthOf {
	a, b := d.text(left), d.text(right)
	if a == nil || b == nil {
		return nil
	}
	return func(in *Input) (bool, bool) {
		s, ok1 := a(in)
		t, ok2 := b(in)
		return (s == t) == want, ok1 && ok2
	}
}

// in is a text in a list of texts, of which expr makes a map.
func (d direct) in(n *ast.BinaryNode) truthOf {
	text := d.text(n.Left)
	list, ok := n.Right.(*ast.ConstantNode)
	if text == nil || !ok {
		return nil
	}
	set, ok := list.Value.(map[string]struct{})
	if !ok {
		return nil
	}
	return func(in *Input) (bool, bool) {
		s, ok := text(in)
		_, found := set[s]
		return found, ok
	}
}

func (d direct) text(node ast.Node) textOf {
	if literal, ok := node.(*ast.StringNode); ok {
		return func(*Input) (string, bool) { return literal.Value, true }
	}
	s := d.source(node)
	if s == nil {
		return nil
	}
	return func(in *Input) (string, bool) {
		v := plainValue(s, in)
		return v.Str(), v.Kind() == record.String
	}
}

// orders says of each comparison what it makes of the order of its two numbers.
var orders = map[string]func(order int) bool{
	"$eq": func(o int) bool { return o == 0 }, "$is": func(o int) bool { return o == 0 },
	"$ne": func(o int) bool { return o != 0 }, "$isnt": func(o int) bool { return o != 0 },
	"$lt": func(o int) bool { return o < 0 }, "$le": func(o int) bool { return o <= 0 },
	"$gt": func(o int) bool { return o > 0 }, "$ge": func(o int) bool { return o >= 0 },
}

func (d direct) numbers(name string, args []ast.Node) truthOf {
	holds := orders[name]
	if holds == nil {
		return nil
	}
	a, b := d.number(args[0]), d.number(args[1])
	if a == nil || b == nil {
		return nil
	}
	return func(in *Input) (bool, bool) {
		n, ok1 := a(in)
		m, ok2 := b(in)
		return ok1 && ok2 && holds(n.Cmp(m)), ok1 && ok2
	}
}

// exactOperators are those whose result is exact, or none.
var exactOperators = map[string]func(a, b record.Number) (record.Number, error){
	"$add": record.Number.Add, "$sub": record.Number.Sub, "$mul": record.Number.Mul,
}

func (d direct) number(node ast.Node) numberOf {
	if literal, ok := node.(*ast.ConstantNode); ok {
		n, ok := literal.Value.(number)
		if !ok || n == nil {
			return nil
		}
		return func(*Input) (record.Number, bool) { return *n, true }
	}
	if s := d.source(node); s != nil {
		return func(in *Input) (record.Number, bool) {
			v := plainValue(s, in)
			return v.Number(), v.Kind() == record.Int || v.Kind() == record.Decimal
		}
	}
	name, args := call(node)
	if len(args) != 2 {
		return nil
	}
	if name == "round" {
		return d.rounded(args)
	}
	op, a, b := exactOperators[name], d.number(args[0]), d.number(args[1])
	if op == nil || a == nil || b == nil {
		return nil
	}
	return func(in *Input) (record.Number, bool) {
		n, ok1 := a(in)
		m, ok2 := b(in)
		if !ok1 || !ok2 {
			return record.Number{}, false
		}
		result, err := op(n, m)
		return result, err == nil
	}
}

// rounded is round(x, 2), with a literal.
func (d direct) rounded(args []ast.Node) numberOf {
	inner := d.number(args[0])
	literal, ok := args[1].(*ast.ConstantNode)
	if inner == nil || !ok {
		return nil
	}
	places, err := placesOf(literal.Value)
	if err != nil {
		return nil
	}
	return func(in *Input) (record.Number, bool) {
		n, ok := inner(in)
		if !ok {
			return n, false
		}
		result, err := n.Round(places)
		return result, err == nil
	}
}
