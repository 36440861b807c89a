package expression

import (
	"github.com/expr-lang/expr/ast"

	"headgate/engine/record"
)

// Given is what holds of a field before any rule is asked.
type Given struct {
	Present  bool // it is never null or absent
	Min, Max *record.Number
	OneOf    []record.Value
}

// Always reports whether the program is true of every record of which given holds,
// as far as comparisons with literals show it. It is careful: a program that may
// have no result is not always true.
func (p *Program) Always(given func(field int) Given) bool {
	a := &always{text: p.text, scope: p.scope, given: given}
	return a.truth(p.tree()) == certain
}

// truth is what is known of a node whatever the record.
type truth int8

const (
	impossible truth = iota - 1
	open
	certain
)

func truthIs(holds bool) truth {
	if holds {
		return certain
	}
	return impossible
}

// always looks for what no record can change.
type always struct {
	text  string
	scope *Scope
	given func(int) Given
}

func (a *always) truth(node ast.Node) truth {
	switch x := node.(type) {
	case *ast.BoolNode:
		return truthIs(x.Value)
	case *ast.UnaryNode:
		if x.Operator == "not" || x.Operator == "!" {
			return -a.truth(x.Node)
		}
	case *ast.BinaryNode:
		return a.binary(x)
	}
	return open
}

func (a *always) binary(x *ast.BinaryNode) truth {
	switch x.Operator {
	case "and", "&&":
		left, right := a.truth(x.Left), a.truth(x.Right)
		if left != impossible && right == impossible {
			return -a.unless(x.Left)
		}
		return min(left, right)
	case "or", "||":
		left, right := a.truth(x.Left), a.truth(x.Right)
		if left != certain && (right == certain || a.opposites(x.Left, x.Right)) {
			return a.unless(x.Left)
		}
		return max(left, right)
	case "in":
		return a.within(x)
	case "==":
		return a.equal(x)
	case "!=":
		return -a.equal(x)
	case "<", "<=", ">", ">=":
		return a.ordered(x)
	}
	return open
}

// field returns what is given of a node that is a field.
func (a *always) field(node ast.Node) (g Given, ok bool) {
	id, isName := node.(*ast.IdentifierNode)
	if !isName || a.scope.Fields == nil {
		return g, false
	}
	i, ok := a.scope.Fields.Index(id.Value)
	if ok {
		g = a.given(i)
	}
	return g, ok
}

// equal is certain where both sides are one name, or a field of one value; it is
// impossible for a value that is none of one_of, and for the nil of a field that is there.
func (a *always) equal(x *ast.BinaryNode) truth {
	if isPath(x.Left) && x.Left.String() == x.Right.String() {
		return a.unless(x)
	}
	field, other := x.Left, x.Right
	g, ok := a.field(field)
	if !ok {
		if g, ok = a.field(other); !ok {
			return open
		}
		other = x.Left
	}
	if isNilNode(other) {
		if g.Present {
			return impossible
		}
		return open
	}
	text, isText := other.(*ast.StringNode)
	if !isText || len(g.OneOf) == 0 {
		return open
	}
	if !oneOf(g.OneOf, text.Value) {
		return impossible
	}
	if len(g.OneOf) == 1 && g.Present {
		return certain
	}
	return open
}

// unless is certain where a node always has a result: one that may be null where it
// must not be, or that computes, may have none.
func (a *always) unless(node ast.Node) truth {
	n := &nulls{scope: a.scope}
	if n.demand(node, nil); len(n.found) > 0 || !compares(node) {
		return open
	}
	return certain
}

// compares reports whether a node only compares names and literals.
func compares(node ast.Node) bool {
	switch x := node.(type) {
	case *ast.UnaryNode:
		return compares(x.Node)
	case *ast.BinaryNode:
		return negated[x.Operator] != "" && compares(x.Left) && compares(x.Right)
	case *ast.ArrayNode, *ast.CallNode, *ast.BuiltinNode, *ast.ConditionalNode, *ast.PredicateNode:
		return false
	}
	return true
}

func isPath(node ast.Node) bool {
	switch x := node.(type) {
	case *ast.IdentifierNode:
		return true
	case *ast.MemberNode:
		_, _, ok := memberPath(x)
		return ok
	}
	return false
}

func oneOf(values []record.Value, text string) bool {
	for _, v := range values {
		if v.Kind() == record.String && v.Str() == text {
			return true
		}
	}
	return false
}

// within is certain where the list has every value the field may have.
func (a *always) within(x *ast.BinaryNode) truth {
	g, ok := a.field(x.Left)
	list, isList := x.Right.(*ast.ArrayNode)
	if !ok || !isList || len(g.OneOf) == 0 {
		return open
	}
	var listed []record.Value
	for _, item := range list.Nodes {
		if text, isText := item.(*ast.StringNode); isText {
			listed = append(listed, record.StringValue(text.Value))
		} else {
			return open
		}
	}
	found := 0
	for _, v := range g.OneOf {
		if oneOf(listed, v.Text()) {
			found++
		}
	}
	switch {
	case found == 0:
		return impossible
	case found == len(g.OneOf) && g.Present:
		return certain
	}
	return open
}

// mirrored are the comparisons with their sides exchanged; negated, those that are
// true where they are not.
var (
	mirrored = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}
	negated  = map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
)

// ordered compares a field with a number beyond its min or max.
func (a *always) ordered(x *ast.BinaryNode) truth {
	operator, literal := x.Operator, a.number(x.Right)
	g, ok := a.field(x.Left)
	if !ok {
		operator, literal = mirrored[operator], a.number(x.Left)
		if g, ok = a.field(x.Right); !ok {
			return open
		}
	}
	if literal == nil || !g.Present {
		return open // null has no order, and the rule then fails
	}
	atLeast := func(low, n *record.Number) bool { return low != nil && n != nil && low.Cmp(*n) >= 0 }
	above := func(low, n *record.Number) bool { return low != nil && n != nil && low.Cmp(*n) > 0 }
	var yes, no bool
	switch operator {
	case ">":
		yes, no = above(g.Min, literal), atLeast(literal, g.Max)
	case ">=":
		yes, no = atLeast(g.Min, literal), above(literal, g.Max)
	case "<":
		yes, no = above(literal, g.Max), atLeast(g.Min, literal)
	case "<=":
		yes, no = atLeast(literal, g.Max), above(g.Min, literal)
	}
	switch {
	case yes:
		return certain
	case no:
		return impossible
	}
	return open
}

// number returns the number a node writes out, or nil.
func (a *always) number(node ast.Node) *record.Number {
	negative := false
	if minus, ok := node.(*ast.UnaryNode); ok && minus.Operator == "-" {
		node, negative = minus.Node, true
	}
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		return nil
	}
	n, err := record.ParseNumber(literalText(a.text, node), false)
	if err != nil {
		return nil
	}
	if negative {
		n = n.Neg()
	}
	return &n
}

// opposites reports whether one side is true exactly where the other is not.
func (a *always) opposites(left, right ast.Node) bool {
	l, ok := left.(*ast.BinaryNode)
	r, isBinary := right.(*ast.BinaryNode)
	if !ok || !isBinary || negated[l.Operator] != r.Operator || l.Left.String() != r.Left.String() || l.Right.String() != r.Right.String() {
		return false
	}
	return l.Operator == "==" || l.Operator == "!=" || a.present(l.Left) && a.present(l.Right)
}

func (a *always) present(node ast.Node) bool {
	g, ok := a.field(node)
	return ok && g.Present || a.number(node) != nil
}
