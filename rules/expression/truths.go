package expression

import "github.com/expr-lang/expr/ast"

// truths returns which names are not null when a node is true, and when it is false.
// A node that has neither is an error, noted elsewhere.
func (n *nulls) truths(node ast.Node, k known) (yes, no known) {
	switch x := node.(type) {
	case *ast.UnaryNode:
		if x.Operator == "not" || x.Operator == "!" {
			yes, no = n.truths(x.Node, k)
			return no, yes
		}
	case *ast.BinaryNode:
		return n.compared(x, k)
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		there := n.there(node)
		return there, there // true or false, and neither is null
	}
	name, args := called(node)
	if f := functionSet[name]; f.strict && name != "coalesce" && len(args) > 0 {
		return n.there(args[0]), nil // the check digits of null are wrong
	}
	return nil, nil
}

// called returns the name and the arguments of a call of any kind.
func called(node ast.Node) (name string, args []ast.Node) {
	if b, ok := node.(*ast.BuiltinNode); ok {
		return b.Name, b.Arguments
	}
	return call(node)
}

func (n *nulls) compared(x *ast.BinaryNode, k known) (yes, no known) {
	left, right := n.there(x.Left), n.there(x.Right)
	switch x.Operator {
	case "and", "&&":
		yes, no = n.truths(x.Left, k)
		more, less := n.truths(x.Right, k)
		return yes.and(more), no.common(less)
	case "or", "||":
		yes, no = n.truths(x.Left, k)
		more, less := n.truths(x.Right, k)
		return yes.common(more), no.and(less)
	case "<", "<=", ">", ">=":
		both := left.and(right)
		return both, both
	case "in":
		return left, nil
	case "matches", "contains", "startsWith", "endsWith":
		return left.and(right), nil
	case "==":
		return n.equal(x, left, right, k)
	case "!=":
		no, yes = n.equal(x, left, right, k)
	}
	return yes, no
}

// equal returns what is there when two values are equal, and when they differ.
func (n *nulls) equal(x *ast.BinaryNode, left, right, k known) (same, different known) {
	switch {
	case isNilNode(x.Left):
		return nil, right
	case isNilNode(x.Right):
		return nil, left
	}
	if n.never(x.Right, k) {
		same = same.and(left)
	}
	if n.never(x.Left, k) {
		same = same.and(right)
	}
	return same, nil
}

// never reports whether a node is never null.
func (n *nulls) never(node ast.Node, k known) bool {
	quiet := &nulls{scope: n.scope, lines: n.lines}
	return len(quiet.value(node, k)) == 0
}

// there returns the names that are not null when a node is not.
func (n *nulls) there(node ast.Node) known {
	switch x := node.(type) {
	case *ast.IdentifierNode:
		return known{n.name(x): true}
	case *ast.MemberNode:
		return known{n.name(x): true}.and(n.there(x.Node))
	case *ast.ChainNode:
		return n.there(x.Node)
	}
	if n.lookup(node) != nil {
		return known{n.name(node): true}
	}
	if name, args := called(node); len(args) > 0 && !builtins[name] && name != "coalesce" {
		return n.there(args[0]) // null is passed on
	}
	return nil
}
