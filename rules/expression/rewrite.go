package expression

import (
	"github.com/expr-lang/expr/ast"

	"headgate/engine/record"
)

// rewriter gives expr the meaning of the language: exact numbers, columns as
// slots, comparisons that know null. It runs before operators are overloaded.
type rewriter struct {
	text   string
	scope  *Scope
	solid  map[string]bool // names that are never null
	result *Mistake
	paid   map[ast.Node]bool // texts made of lines that are counted
}

// Visit rewrites one node; the nodes below it were rewritten before.
func (r *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if number, err := record.ParseNumber(literalText(r.text, n), false); err == nil {
			r.patch(node, &ast.ConstantNode{Value: &number})
		}
	case *ast.MemberNode:
		r.member(node, n)
	case *ast.SliceNode:
		return
	case *ast.UnaryNode:
		if n.Operator == "-" {
			r.call(node, "$neg", n.Node)
		} else if n.Operator == "+" {
			r.patch(node, n.Node)
		}
	case *ast.BinaryNode:
		r.binary(node, n)
	case *ast.BuiltinNode:
		r.builtin(node, n)
	case *ast.CallNode:
		r.invoke(node, n)
	}
}

func (r *rewriter) patch(node *ast.Node, replacement ast.Node) {
	replacement.SetLocation((*node).Location())
	ast.Patch(node, replacement)
}

func (r *rewriter) call(node *ast.Node, function string, args ...ast.Node) {
	callee := &ast.IdentifierNode{Value: function}
	callee.SetLocation((*node).Location())
	r.patch(node, &ast.CallNode{Callee: callee, Arguments: args})
}

// member makes a slot of row.x, and keeps the index of a list a plain integer.
func (r *rewriter) member(node *ast.Node, n *ast.MemberNode) {
	if c, ok := n.Property.(*ast.ConstantNode); ok {
		if index, ok := c.Value.(number); ok {
			if i, whole := index.Int64(); whole {
				n.Property = &ast.IntegerNode{Value: int(i)}
			}
		}
		return
	}
	property, ok := n.Property.(*ast.StringNode)
	root, isRoot := n.Node.(*ast.IdentifierNode)
	if !ok || !isRoot {
		return
	}
	switch {
	case root.Value == "row" && r.scope.Row != nil:
		r.patch(node, &ast.IdentifierNode{Value: rowName(property.Value)})
	case root.Value == "parent" && r.scope.Parent != nil:
		r.patch(node, &ast.IdentifierNode{Value: parentName(property.Value)})
	case isSlot(root.Value):
		r.patch(node, &ast.IdentifierNode{Value: root.Value + "." + property.Value})
	default:
		for _, g := range r.scope.Groups {
			if g.Name == root.Value {
				r.patch(node, &ast.IdentifierNode{Value: groupName(g.Name, property.Value)})
			}
		}
	}
}

func isSlot(name string) bool {
	for i := range len(name) {
		if name[i] == 0 {
			return true
		}
	}
	return false
}

// binary makes equality know null, and `in` know exact numbers.
func (r *rewriter) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "==", "!=":
		r.checkComparison(n)
		if r.hasNumber(n) || r.isSolid(n.Left) && r.isSolid(n.Right) {
			return // overloaded for numbers, or plain
		}
		name := "$is"
		if n.Operator == "!=" {
			name = "$isnt"
		}
		r.call(node, name, n.Left, n.Right)
	case "<", "<=", ">", ">=":
		r.checkComparison(n)
	case "in":
		r.checkList(n)
		if _, isMap := n.Right.(*ast.MapNode); !isMap && !r.plainList(n) {
			r.call(node, "$in", n.Left, n.Right)
		}
	case "??":
		// expr takes the type of what a pointer points to for that of ??, which no
		// operator on numbers then fits.
		r.call(node, "coalesce", n.Left, n.Right)
	case "+":
		if isTextNode(n.Left) || isTextNode(n.Right) || n.Left.Type() == textType && n.Right.Type() == textType {
			r.call(node, "$cat", n.Left, n.Right)
		}
	}
}

func isTextNode(n ast.Node) bool {
	if _, ok := n.(*ast.StringNode); ok {
		return true
	}
	c, ok := n.(*ast.CallNode)
	if !ok {
		return false
	}
	callee, ok := c.Callee.(*ast.IdentifierNode)
	return ok && callee.Value == "$cat"
}

// hasNumber reports whether a side is a number literal: the overloads decide then.
func (r *rewriter) hasNumber(n *ast.BinaryNode) bool {
	return isNumberNode(n.Left) || isNumberNode(n.Right)
}

func isNumberNode(n ast.Node) bool {
	if c, ok := n.(*ast.ConstantNode); ok {
		_, ok := c.Value.(number)
		return ok
	}
	return n.Type() == numberType
}

// isSolid reports whether a node is never null.
func (r *rewriter) isSolid(n ast.Node) bool {
	switch x := n.(type) {
	case *ast.StringNode, *ast.BoolNode:
		return true
	case *ast.IdentifierNode:
		return r.solid[x.Value]
	}
	return false
}

// plainList reports whether expr's own `in` is right: text in a list of texts.
func (r *rewriter) plainList(n *ast.BinaryNode) bool {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok || !r.isSolid(n.Left) {
		return false
	}
	for _, item := range list.Nodes {
		if _, text := item.(*ast.StringNode); !text {
			return false
		}
	}
	return true
}

// checkComparison refuses what can never be equal.
func (r *rewriter) checkComparison(n *ast.BinaryNode) {
	left, right := kindOfNode(n.Left), kindOfNode(n.Right)
	if isNilNode(n.Left) || isNilNode(n.Right) || left == record.Unknown || right == record.Unknown || left == right {
		return
	}
	r.fail(n, left, right)
}

func (r *rewriter) fail(n *ast.BinaryNode, left, right record.Kind) {
	if r.result == nil {
		from, to := extent(n)
		r.result = &Mistake{From: from, To: to, Message: "`" + n.Operator + "` compares " + article(left) + " with " + article(right), Hint: "convert one of them, for example decimal(…) or string(…)"}
	}
}

func article(k record.Kind) string {
	switch k {
	case record.String:
		return "a text"
	case record.Decimal:
		return "a number"
	case record.Bool:
		return "true or false"
	case record.Date:
		return "a date"
	case record.Time:
		return "a time"
	}
	return "a value"
}

func isNilNode(n ast.Node) bool {
	_, ok := n.(*ast.NilNode)
	return ok
}

// builtin makes sums exact and counts numbers, and sends names that are ours to us.
func (r *rewriter) builtin(node *ast.Node, n *ast.BuiltinNode) {
	r.count(n)
	switch n.Name {
	case "sum":
		if len(n.Arguments) == 1 {
			r.call(node, "$sum", n.Arguments[0])
			return
		}
		mapped := &ast.BuiltinNode{Name: "map", Arguments: n.Arguments}
		mapped.SetLocation(n.Location())
		r.call(node, "$sum", mapped)
	case "count", "len":
		counted := *n
		r.call(node, "$int", &counted)
	}
}

// invoke gives lookups the facts they ask, and rounds quotients exactly.
func (r *rewriter) invoke(node *ast.Node, n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return
	}
	if callee.Value == "round" && len(n.Arguments) == 2 {
		if q, ok := n.Arguments[0].(*ast.BinaryNode); ok && q.Operator == "/" {
			r.call(node, "$quo", q.Left, q.Right, n.Arguments[1])
		}
		return
	}
	for _, l := range r.scope.Lookups {
		if l.Name == callee.Value && (len(n.Arguments) == 0 || !isFacts(n.Arguments[0])) {
			n.Arguments = append([]ast.Node{&ast.IdentifierNode{Value: factsName}}, n.Arguments...)
		}
	}
}

func isFacts(n ast.Node) bool {
	id, ok := n.(*ast.IdentifierNode)
	return ok && id.Value == factsName
}

// kindOfNode is the kind of a node; a number literal was made after types were found.
func kindOfNode(n ast.Node) record.Kind {
	if isNumberNode(n) {
		return record.Decimal
	}
	return kindOf(n.Type())
}

// unsetter forgets the types of calls. Overloading sets them, and the checker
// does not look below a call whose type is set: mistakes there would be lost.
// It is asked again and again like the overloads, and comes last.
type unsetter struct{}

// Reset and ShouldRepeat make it run among the overloads.
func (unsetter) Reset()             {}
func (unsetter) ShouldRepeat() bool { return false }

// Visit forgets the type of a call.
func (unsetter) Visit(node *ast.Node) {
	if call, ok := (*node).(*ast.CallNode); ok {
		call.SetType(anyType)
	}
}

// checkList refuses `in` of what is no list.
func (r *rewriter) checkList(n *ast.BinaryNode) {
	if k := kindOfNode(n.Right); (k != record.Unknown || isNilNode(n.Right)) && r.result == nil {
		from, to := extent(n.Right)
		r.result = &Mistake{From: from, To: to, Message: "`in` needs a list on its right", Hint: "write `in ['a', 'b']`; to look inside a text write `contains`"}
	}
}
