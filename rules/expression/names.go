package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/expr-lang/expr/ast"

	"headgate/engine/record"
)

// identifier finds what a name stands for: a field, a name of the scope, or nothing.
func (in *inspection) identifier(n *ast.IdentifierNode) {
	s := in.scope
	if s.Fields != nil {
		if i, ok := s.Fields.Index(n.Value); ok {
			in.use(source{name: n.Value, kind: fromField, at: i, list: s.Fields.Fields[i].Lines})
			return
		}
	}
	for i, name := range s.Names {
		if name.Name == n.Value {
			in.use(source{name: n.Value, kind: fromName, at: i})
			return
		}
	}
	switch {
	case n.Value == "now":
		in.use(source{name: "now", kind: fromNow})
	case n.Value == "current" && s.Current != nil:
		in.use(source{name: "current", kind: fromCurrent})
	case n.Value == "row" && s.Row != nil, n.Value == "parent" && s.Parent != nil:
		in.fail(n, fmt.Sprintf("`%s` needs a column", n.Value), fmt.Sprintf("write `%s.name` or `%s['a name']`", n.Value, n.Value))
	default:
		in.fail(n, fmt.Sprintf("unknown name `%s`", n.Value), suggest(n.Value, in.names()))
	}
}

func (in *inspection) use(s source) {
	if !slices.ContainsFunc(in.sources, func(o source) bool { return o.name == s.name }) {
		in.sources = append(in.sources, s)
	}
}

// names are all names an expression may use here.
func (in *inspection) names() []string {
	var names []string
	s := in.scope
	if s.Fields != nil {
		for _, f := range s.Fields.Fields {
			names = append(names, f.Name)
		}
	}
	for _, n := range s.Names {
		names = append(names, n.Name)
	}
	for _, g := range s.Groups {
		names = append(names, g.Name)
	}
	if s.Row != nil {
		names = append(names, "row")
	}
	if s.Parent != nil {
		names = append(names, "parent")
	}
	if s.Current != nil {
		names = append(names, "current")
	}
	return append(names, "now")
}

// suggest says which of the names was meant, or lists them.
func suggest(wrong string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if strings.EqualFold(name, wrong) {
			return "did you mean `" + name + "`?"
		}
		if d := levenshtein.Distance(strings.ToLower(wrong), strings.ToLower(name), nil); d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	if best != "" {
		return "did you mean `" + best + "`?"
	}
	if len(names) == 0 {
		return ""
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	if len(sorted) > 20 {
		sorted = append(sorted[:20], "…")
	}
	return "there are " + strings.Join(sorted, ", ")
}

// member resolves row.x, parent.x and group.x, and checks the members of lines.
// member finds what a name behind a point stands for.
func (in *inspection) member(n *ast.MemberNode) {
	if n.Method {
		in.fail(n, "methods are not part of the language", "")
		return
	}
	root, path, ok := memberPath(n)
	if !ok {
		in.walk(n.Node)
		in.lineMember(n)
		if _, constant := n.Property.(*ast.StringNode); !constant {
			in.walk(n.Property)
		}
		return
	}
	switch {
	case root.Value == "row" && in.scope.Row != nil:
		in.column(n, in.scope.Row, fromRow, "row", path)
	case root.Value == "parent" && in.scope.Parent != nil:
		in.column(n, in.scope.Parent, fromParent, "parent", path)
	case in.group(n, root.Value, path):
	default:
		in.walk(n.Node)
		in.currentMember(n, root, path)
	}
}

// memberPath returns the name at the root and the constant names behind it.
func memberPath(n *ast.MemberNode) (root *ast.IdentifierNode, path string, ok bool) {
	property, constant := n.Property.(*ast.StringNode)
	if !constant {
		return nil, "", false
	}
	switch inner := n.Node.(type) {
	case *ast.IdentifierNode:
		return inner, property.Value, true
	case *ast.MemberNode:
		root, path, ok = memberPath(inner)
		return root, path + "." + property.Value, ok
	}
	return nil, "", false
}

func (in *inspection) column(n ast.Node, columns *Columns, kind sourceKind, word, name string) {
	if columns.Known != nil && !slices.Contains(columns.Known, name) {
		in.fail(n, fmt.Sprintf("%s has no column %q", word, name), suggest(name, columns.Known))
		return
	}
	slot := rowName(name)
	if kind == fromParent {
		slot = parentName(name)
	}
	in.use(source{name: slot, kind: kind, at: columns.Index(name)})
}

func (in *inspection) group(n ast.Node, name, member string) bool {
	for g, group := range in.scope.Groups {
		if group.Name != name {
			continue
		}
		var names []string
		for m, known := range group.Members {
			if known.Name == member {
				in.use(source{name: groupName(name, member), kind: fromGroup, at: g, inner: m})
				return true
			}
			names = append(names, known.Name)
		}
		if group.Open {
			in.scope.Groups[g].Members = append(group.Members, Name{Name: member, Kind: record.Unknown, Null: true})
			in.use(source{name: groupName(name, member), kind: fromGroup, at: g, inner: len(group.Members)})
			return true
		}
		in.fail(n, fmt.Sprintf("%s has no %q", name, member), suggest(member, names))
		return true
	}
	return false
}

func (in *inspection) currentMember(n *ast.MemberNode, root *ast.IdentifierNode, path string) {
	if root.Value != "current" || in.scope.Current == nil || in.mistake != nil {
		return
	}
	if _, ok := in.scope.Current.Index(path); !ok {
		in.failProperty(n, in.scope.Current, "current")
	}
}

func (in *inspection) failProperty(n *ast.MemberNode, schema *record.Schema, word string) {
	property := n.Property.(*ast.StringNode)
	var names []string
	for _, f := range schema.Fields {
		names = append(names, f.Name)
	}
	in.fail(n.Property, fmt.Sprintf("%s has no field `%s`", word, property.Value), suggest(property.Value, names))
}

// lineMember checks .qty in a predicate against the lines it walks.
func (in *inspection) lineMember(n *ast.MemberNode) {
	property, constant := n.Property.(*ast.StringNode)
	if _, pointer := n.Node.(*ast.PointerNode); !pointer || !constant || len(in.bound) == 0 {
		return
	}
	schema := in.bound[len(in.bound)-1]
	if schema == nil {
		return
	}
	if _, ok := schema.Index(property.Value); !ok {
		in.failProperty(n, schema, "a line")
	}
}
