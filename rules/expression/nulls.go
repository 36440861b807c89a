package expression

import (
	"strconv"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"headgate/engine/record"
)

// Unguarded is a name that may be null where an expression needs a value.
type Unguarded struct {
	Name     string // as written
	From, To int    // rune offsets in the text
}

// Unguarded returns where the program has no result because something optional is
// null, each name once: a field, a member of a line or of `current`, what a lookup
// found. When, if not nil, was true before.
//
// It follows what comparisons say: in `x == nil or x > 0` the second x is there.
func (p *Program) Unguarded(when *Program) []Unguarded {
	known := known{}
	if when != nil {
		known, _ = (&nulls{scope: when.scope}).truths(when.tree(), known)
	}
	n := &nulls{scope: p.scope}
	n.demand(p.tree(), known)
	text := []rune(p.text)
	for i := range n.found {
		u := &n.found[i]
		u.To = closed(text, u.From, u.To)
		u.Name = string(text[u.From:u.To])
	}
	return n.found
}

// closed is the end of a call of which expr keeps the place without its bracket.
func closed(text []rune, from, to int) int {
	open := 0
	for at := from; at < len(text); at++ {
		if at >= to && open == 0 {
			return to
		}
		switch text[at] {
		case '(':
			open++
		case ')':
			if open--; open == 0 && at >= to {
				return at + 1
			}
		}
	}
	return to
}

// tree parses the text again: what expr made of it stands for other operators.
func (p *Program) tree() ast.Node {
	tree, err := parser.Parse(p.text)
	if err != nil {
		return &ast.NilNode{} // it was compiled: it parses
	}
	return tree.Node
}

// nulls walks a tree and notes where null has no place.
type nulls struct {
	scope *Scope
	lines []*record.Schema // the lines that predicates walk, innermost last
	found []Unguarded
}

// known are the names that are not null, by nulls.name.
type known map[string]bool

func (k known) and(more known) known {
	if len(more) == 0 {
		return k
	}
	both := make(known, len(k)+len(more))
	for _, set := range []known{k, more} {
		for name := range set {
			both[name] = true
		}
	}
	return both
}

func (k known) common(other known) known {
	shared := known{}
	for name := range k {
		if other[name] {
			shared[name] = true
		}
	}
	return shared
}

// demand walks a node whose value must not be null.
func (n *nulls) demand(node ast.Node, k known) {
	for _, u := range n.value(node, k) {
		if !n.noted(u.Name) {
			n.found = append(n.found, u)
		}
	}
}

func (n *nulls) noted(name string) bool {
	for _, u := range n.found {
		if u.Name == name {
			return true
		}
	}
	return false
}

// value walks a node and returns what may make its value null: nothing when it
// never is.
func (n *nulls) value(node ast.Node, k known) []Unguarded {
	switch x := node.(type) {
	case *ast.IdentifierNode, *ast.MemberNode:
		return n.named(node, k)
	case *ast.ChainNode:
		return n.value(x.Node, k)
	case *ast.UnaryNode:
		n.demand(x.Node, k)
	case *ast.BinaryNode:
		return n.binary(x, k)
	case *ast.ConditionalNode:
		n.demand(x.Cond, k)
		yes, no := n.truths(x.Cond, k)
		return append(n.value(x.Exp1, k.and(yes)), n.value(x.Exp2, k.and(no))...)
	case *ast.ArrayNode:
		for _, item := range x.Nodes {
			n.value(item, k)
		}
	case *ast.BuiltinNode:
		return n.call(node, x.Name, x.Arguments, k)
	case *ast.CallNode:
		if callee, ok := x.Callee.(*ast.IdentifierNode); ok {
			return n.call(node, callee.Value, x.Arguments, k)
		}
	}
	return nil
}

// named is a field, or a member of what may itself be null.
func (n *nulls) named(node ast.Node, k known) []Unguarded {
	var null []Unguarded
	if m, ok := node.(*ast.MemberNode); ok {
		if base := n.value(m.Node, k); m.Optional {
			null = base
		} else {
			for _, u := range base {
				n.demand(m.Node, k)
				k = k.and(known{u.Name: true})
			}
		}
	}
	if n.optional(node) && !k[n.name(node)] {
		null = append(null, n.at(node))
	}
	return null
}

// optional reports whether the ruleset says that a name may be null.
func (n *nulls) optional(node ast.Node) bool {
	switch x := node.(type) {
	case *ast.IdentifierNode:
		return x.Value == "current" && n.scope.Current != nil || optionalIn(n.scope.Fields, x.Value)
	case *ast.MemberNode:
		property, ok := x.Property.(*ast.StringNode)
		return ok && optionalIn(n.schema(x.Node), property.Value)
	}
	return false
}

func optionalIn(s *record.Schema, name string) bool {
	if s == nil {
		return false
	}
	i, ok := s.Index(name)
	return ok && s.Fields[i].Optional
}

// schema is what is known of the members of a node.
func (n *nulls) schema(node ast.Node) *record.Schema {
	switch x := node.(type) {
	case *ast.ChainNode:
		return n.schema(x.Node)
	case *ast.PointerNode:
		if len(n.lines) > 0 {
			return n.lines[len(n.lines)-1]
		}
	case *ast.IdentifierNode:
		if x.Value == "current" {
			return n.scope.Current
		}
	case *ast.CallNode:
		if l := n.lookup(x); l != nil {
			return l.Schema
		}
	}
	return nil
}

func (n *nulls) lookup(node ast.Node) *Lookup {
	name, _ := call(node)
	for i := range n.scope.Lookups {
		if n.scope.Lookups[i].Name == name {
			return &n.scope.Lookups[i]
		}
	}
	return nil
}

// name tells names apart: that of a line's member also by the list it is of.
func (n *nulls) name(node ast.Node) string {
	switch x := node.(type) {
	case *ast.ChainNode:
		return n.name(x.Node)
	case *ast.MemberNode:
		if property, ok := x.Property.(*ast.StringNode); ok {
			return n.name(x.Node) + "." + property.Value // `?.` names the same
		}
	case *ast.PointerNode:
		return strconv.Itoa(len(n.lines))
	}
	return node.String()
}

func (n *nulls) at(node ast.Node) Unguarded {
	from, to := extent(node)
	return Unguarded{Name: n.name(node), From: from, To: to}
}

func (n *nulls) binary(x *ast.BinaryNode, k known) []Unguarded {
	switch x.Operator {
	case "and", "&&", "or", "||":
		n.demand(x.Left, k)
		yes, no := n.truths(x.Left, k)
		if x.Operator == "or" || x.Operator == "||" {
			yes = no
		}
		n.demand(x.Right, k.and(yes))
	case "+", "-", "*", "/", "<", "<=", ">", ">=":
		n.demand(x.Left, k)
		n.demand(x.Right, k)
	case "??":
		if left := n.value(x.Left, k); len(left) > 0 {
			return n.value(x.Right, k)
		}
	default: // ==, !=, in, matches, …: null equals nothing, is in nothing and matches nothing
		n.value(x.Left, k)
		n.value(x.Right, k)
	}
	return nil
}

// call follows what functions make of null: most pass it on when it is their first
// argument, and have no result when it is another.
func (n *nulls) call(node ast.Node, name string, args []ast.Node, k known) []Unguarded {
	switch {
	case len(args) > 0 && builtins[name]:
		n.predicate(name, args, k)
		return nil
	case name == "coalesce":
		null := []Unguarded{}
		for _, arg := range args {
			if null = n.value(arg, k); len(null) == 0 {
				return nil
			}
		}
		return null
	case n.lookup(node) != nil:
		for _, arg := range args {
			n.value(arg, k)
		}
		if k[n.name(node)] {
			return nil
		}
		return []Unguarded{n.at(node)}
	}
	var null []Unguarded
	for i, arg := range args {
		if i > 0 {
			n.demand(arg, k)
		} else if null = n.value(arg, k); functionSet[name].strict {
			null = nil
		}
	}
	return null
}

// predicate walks a list, and for each line what is asked of it. Lists passed on by
// filter hold only lines of which its predicate was true.
func (n *nulls) predicate(name string, args []ast.Node, k known) {
	inner, isList := args[0].(*ast.BuiltinNode)
	if name == "sum" && len(args) == 1 && isList && inner.Name == "map" {
		name, args = "sum", inner.Arguments
	}
	n.demand(args[0], k)
	if len(args) < 2 {
		return
	}
	k = k.and(n.filtered(args[0], k))
	n.lines = append(n.lines, n.linesOf(args[0]))
	if name == "map" {
		n.value(body(args[1]), k)
	} else {
		n.demand(body(args[1]), k)
	}
	n.lines = n.lines[:len(n.lines)-1]
}

func body(node ast.Node) ast.Node {
	if p, ok := node.(*ast.PredicateNode); ok {
		return p.Node
	}
	return node
}

func (n *nulls) linesOf(node ast.Node) *record.Schema {
	in := inspection{scope: n.scope}
	return in.linesOf(node)
}

// filtered is what is known of the lines of a list that was filtered.
func (n *nulls) filtered(node ast.Node, k known) known {
	f, ok := node.(*ast.BuiltinNode)
	if !ok || f.Name != "filter" || len(f.Arguments) < 2 {
		return nil
	}
	k = k.and(n.filtered(f.Arguments[0], k))
	n.lines = append(n.lines, n.linesOf(f.Arguments[0]))
	yes, _ := n.truths(body(f.Arguments[1]), k)
	n.lines = n.lines[:len(n.lines)-1]
	return k.and(yes)
}
