package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/itchyny/timefmt-go"

	"headgate/engine/record"
)

// source is where a program gets one name of its environment.
type source struct {
	name  string // in the environment
	kind  sourceKind
	at    int // position in Record, Row, Parent or Names; of the group for a member
	inner int // position of a group's member
	list  *record.Schema
}

type sourceKind uint8

const (
	fromField sourceKind = iota
	fromRow
	fromParent
	fromName
	fromGroup
	fromCurrent
	fromNow
	fromFacts
)

// inspection walks a tree before expr checks it: it resolves names, refuses what
// the language does not have, and notes what the program reads.
type inspection struct {
	text    string
	scope   *Scope
	sources []source
	lookups []string
	mistake *Mistake
	depth   int
	nodes   int
	bound   []*record.Schema // the lines that predicates walk, innermost last; nil: something else
}

// The names of slots in the environment of a program. They cannot be written.
func rowName(column string) string     { return "row\x00" + column }
func parentName(column string) string  { return "parent\x00" + column }
func groupName(group, m string) string { return group + "\x00" + m }

const factsName = "$facts"

func (in *inspection) fail(node ast.Node, message, hint string) {
	if in.mistake == nil {
		from, to := extent(node)
		in.mistake = &Mistake{From: from, To: to, Message: message, Hint: hint}
	}
}

// extent is the place of a node with all below it.
func extent(node ast.Node) (from, to int) {
	l := node.Location()
	from, to = l.From, l.To
	spread := func(children ...ast.Node) {
		for _, c := range children {
			if c == nil {
				continue
			}
			f, t := extent(c)
			from, to = min(from, f), max(to, t)
		}
	}
	switch n := node.(type) {
	case *ast.BinaryNode:
		spread(n.Left, n.Right)
	case *ast.UnaryNode:
		spread(n.Node)
	case *ast.MemberNode:
		spread(n.Node, n.Property)
	case *ast.ChainNode:
		spread(n.Node)
	case *ast.CallNode:
		spread(append([]ast.Node{n.Callee}, n.Arguments...)...)
	case *ast.BuiltinNode:
		spread(n.Arguments...)
	}
	return from, to
}

func (in *inspection) walk(node ast.Node) {
	if in.mistake != nil || node == nil {
		return
	}
	if in.nodes++; in.nodes > maxNodes {
		in.fail(node, fmt.Sprintf("the expression has more than %d parts", maxNodes), "split it into several rules")
		return
	}
	switch n := node.(type) {
	case *ast.IdentifierNode:
		in.identifier(n)
	case *ast.MemberNode:
		in.member(n)
	case *ast.CallNode:
		in.call(n)
	case *ast.BuiltinNode:
		in.builtin(n)
	case *ast.BinaryNode:
		in.binary(n)
	case *ast.UnaryNode:
		in.walk(n.Node)
	case *ast.ChainNode:
		in.walk(n.Node)
	case *ast.PredicateNode:
		in.walk(n.Node)
	case *ast.ConditionalNode:
		in.walk(n.Cond)
		in.walk(n.Exp1)
		in.walk(n.Exp2)
	case *ast.ArrayNode:
		for _, item := range n.Nodes {
			in.walk(item)
		}
	case *ast.PointerNode:
		if n.Name != "" {
			in.fail(n, fmt.Sprintf("`#%s` is not part of the language", n.Name), "")
		}
	case *ast.IntegerNode, *ast.FloatNode:
		in.literal(n)
	case *ast.NilNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode:
	default:
		in.fail(node, "this form is not part of the language", "use comparisons, and, or, not, ?:, calls and predicates")
	}
}

func (in *inspection) literal(node ast.Node) {
	text := literalText(in.text, node)
	if _, err := record.ParseNumber(text, false); err != nil {
		in.fail(node, fmt.Sprintf("%q is not a number headgate can hold exactly", text), "write it plainly, for example 1000.50")
	}
}

func literalText(text string, node ast.Node) string {
	runes := []rune(text)
	l := node.Location()
	return strings.ReplaceAll(string(runes[min(l.From, len(runes)):min(l.To, len(runes))]), "_", "")
}

func (in *inspection) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		in.fail(n, "only functions can be called", "")
		return
	}
	for _, arg := range n.Arguments {
		in.walk(arg)
	}
	if in.mistake != nil {
		return
	}
	if _, known := functionSet[callee.Value]; known {
		in.layout(n, callee.Value, n.Arguments)
		return
	}
	for _, l := range in.scope.Lookups {
		if l.Name == callee.Value {
			in.lookup(n, l)
			return
		}
	}
	names := FunctionNames()
	for _, l := range in.scope.Lookups {
		names = append(names, l.Name)
	}
	in.fail(callee, fmt.Sprintf("unknown function `%s`", callee.Value), suggest(callee.Value, names))
	in.mistake.Function = callee.Value
}

func (in *inspection) lookup(n *ast.CallNode, l Lookup) {
	if len(n.Arguments) != len(l.Key) {
		in.fail(n, fmt.Sprintf("`%s` takes %s", l.Name, keyNames(l.Key)), "")
		return
	}
	if !slices.Contains(in.lookups, l.Name) {
		in.lookups = append(in.lookups, l.Name)
	}
	in.use(source{name: factsName, kind: fromFacts})
}

func keyNames(fields []record.Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name + " (" + f.Kind.String() + ")"
	}
	return strings.Join(names, ", ")
}

// layout checks the constant layout of date(…) and time(…).
func (in *inspection) layout(n ast.Node, name string, args []ast.Node) {
	if name != "date" && name != "time" || len(args) != 2 {
		return
	}
	layout, constant := args[1].(*ast.StringNode)
	if !constant {
		in.fail(args[1], "a layout must be a text, written out", "for example '%d.%m.%Y'")
		return
	}
	sample := time.Date(2026, 11, 24, 13, 14, 15, 0, time.UTC)
	if !strings.Contains(layout.Value, "%") {
		in.fail(layout, fmt.Sprintf("%q is not a strftime layout", layout.Value), "for example '%d.%m.%Y'")
	} else if _, err := timefmt.Parse(timefmt.Format(sample, layout.Value), layout.Value); err != nil {
		in.fail(layout, fmt.Sprintf("%q is not a strftime layout that can be read: %v", layout.Value, err), "for example '%d.%m.%Y'")
	}
}

func (in *inspection) builtin(n *ast.BuiltinNode) {
	if _, ours := functionSet[n.Name]; !ours && !builtins[n.Name] {
		l := n.Location()
		in.mistake = &Mistake{From: l.From, To: max(l.To, l.From+len(n.Name)), Message: fmt.Sprintf("unknown function `%s`", n.Name), Hint: suggest(n.Name, FunctionNames())}
		return
	}
	in.layout(n, n.Name, n.Arguments)
	for _, arg := range n.Arguments {
		predicate, ok := arg.(*ast.PredicateNode)
		if !ok {
			in.walk(arg)
			continue
		}
		if in.depth++; in.depth > maxClosures {
			in.fail(predicate, fmt.Sprintf("predicates are nested deeper than %d", maxClosures), "split it into several rules")
			return
		}
		in.use(source{name: factsName, kind: fromFacts}) // its lines are counted there
		in.bound = append(in.bound, in.linesOf(n.Arguments[0]))
		in.walk(predicate)
		in.bound = in.bound[:len(in.bound)-1]
		in.depth--
	}
}

// linesOf is the schema of the lines that an argument gives, nil where it is not known.
func (in *inspection) linesOf(node ast.Node) *record.Schema {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		if in.scope.Fields != nil {
			if i, ok := in.scope.Fields.Index(n.Value); ok {
				return in.scope.Fields.Fields[i].Lines
			}
		}
	case *ast.BuiltinNode:
		if n.Name == "filter" && len(n.Arguments) > 0 {
			return in.linesOf(n.Arguments[0])
		}
	}
	return nil
}

var ordering = map[string]bool{"+": true, "-": true, "*": true, "/": true, "<": true, "<=": true, ">": true, ">=": true}

func (in *inspection) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "in", "and", "or", "&&", "||", "??":
	case "contains", "startsWith", "endsWith":
	case "matches":
		if s, ok := n.Right.(*ast.StringNode); ok {
			if _, err := regexp.Compile(s.Value); err != nil {
				in.fail(s, "bad regular expression: "+regexpMistake(err), "")
			}
		}
	default:
		in.fail(n, fmt.Sprintf("the operator `%s` is not part of the language", n.Operator), "")
	}
	in.walk(n.Left)
	in.walk(n.Right)
	if in.scope.Read && ordering[n.Operator] {
		in.rawOperand(n, n.Left)
		in.rawOperand(n, n.Right)
	}
}

func regexpMistake(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// rawOperand refuses arithmetic and order on a value whose type nobody knows.
func (in *inspection) rawOperand(n *ast.BinaryNode, operand ast.Node) {
	member, ok := operand.(*ast.MemberNode)
	if !ok {
		return
	}
	root, path, ok := memberPath(member)
	if !ok || root.Value != "row" && root.Value != "parent" {
		return
	}
	written := root.Value + "." + path
	in.fail(operand, fmt.Sprintf("`%s` is text or a value of unknown type, and `%s` needs a known one", written, n.Operator), fmt.Sprintf("write `decimal(%s)`, or `string(…)`, `date(…)`, `time(…)`", written))
}
