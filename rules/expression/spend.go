package expression

import "github.com/expr-lang/expr/ast"

// expr has no deadline, and its memory budget knows neither the bytes of texts nor
// the elements of lists that functions make: a predicate over ten thousand lines, or
// one within another, could run for minutes and make gigabytes. So each line walked
// and each text made of a line is counted, and an expression that spends too much
// has no result.

// count makes the predicate of a builtin count the lines it walks and the texts it
// makes of them.
func (r *rewriter) count(n *ast.BuiltinNode) {
	if len(n.Arguments) < 2 {
		return
	}
	predicate, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		return
	}
	ast.Walk(&predicate.Node, payer{r})
	step := r.made(predicate.Node, "$step")
	var body ast.Node = &ast.ConditionalNode{Cond: step, Exp1: predicate.Node, Exp2: &ast.NilNode{}}
	if n.Name != "map" && n.Name != "sum" {
		body = &ast.BinaryNode{Operator: "and", Left: step, Right: predicate.Node}
	}
	body.SetLocation(predicate.Node.Location())
	predicate.Node = body
}

// made is a call of a function of ours, on what the run may spend, at the place of a node.
func (r *rewriter) made(at ast.Node, function string, args ...ast.Node) ast.Node {
	callee, spent := &ast.IdentifierNode{Value: function}, &ast.IdentifierNode{Value: factsName}
	call := &ast.CallNode{Callee: callee, Arguments: append([]ast.Node{spent}, args...)}
	for _, node := range []ast.Node{callee, spent, call} {
		node.SetLocation(at.Location())
	}
	return call
}

// makers are the functions that make texts longer than what they are given.
var makers = map[string]bool{"$cat": true, "upper": true, "lower": true, "trim": true, "replace": true, "split": true, "string": true}

// payer counts what is made below a predicate, each once.
type payer struct{ r *rewriter }

// Visit counts the result of one call.
func (p payer) Visit(node *ast.Node) {
	name, _ := call(*node)
	if !makers[name] || p.r.paid[*node] {
		return
	}
	if p.r.paid == nil {
		p.r.paid = make(map[ast.Node]bool)
	}
	p.r.paid[*node] = true
	ast.Patch(node, p.r.made(*node, "$made", *node))
}

// step counts one line.
func step(args []any) (any, error) {
	spent := args[0].(*asked)
	if spent.steps++; spent.steps > maxSteps {
		return nil, &RunError{"it walks too many lines, or lists within lists"}
	}
	return true, nil
}

// spend counts what was made, and passes it on.
func spend(args []any) (any, error) {
	spent := args[0].(*asked)
	switch made := args[1].(type) {
	case string:
		spent.made += len(made)
	case []string:
		for _, s := range made {
			spent.made += len(s) + textOverhead
		}
	}
	if spent.made > maxMadeEach {
		return nil, &RunError{"it makes too much text of the lines of a list"}
	}
	return args[1], nil
}

// textOverhead is what a text in a list takes beside its bytes.
const textOverhead = 16
