package expression

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"headgate/engine/record"
)

// Program is a compiled expression. It may be run by many machines at once.
type Program struct {
	text    string
	scope   *Scope
	program *vm.Program
	sources []source
	lookups []string
	kind    record.Kind
	plain   source // when isPlain
	isPlain bool
	value   record.Value // when isConstant
	isConst bool
	direct  truthOf // nil: only the machine can tell
}

// Compile compiles text, which must give want, against scope.
func Compile(text string, scope *Scope, want Want) (*Program, *Mistake) {
	if strings.TrimSpace(text) == "" {
		return nil, whole(text, "the expression is empty", "")
	}
	if mistake := scan(text); mistake != nil {
		return nil, mistake
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, syntaxMistake(text, err)
	}
	in := &inspection{text: text, scope: scope}
	if in.walk(tree.Node); in.mistake != nil {
		return nil, in.mistake
	}
	p := &Program{text: text, scope: scope, sources: in.sources, lookups: in.lookups}
	if mistake := p.compile(); mistake != nil {
		return nil, mistake
	}
	if mistake := p.checkKind(want); mistake != nil {
		return nil, mistake
	}
	p.shorten(tree.Node)
	p.direct = direct{p.sources}.truth(p.program.Node())
	return p, nil
}

func (p *Program) compile() *Mistake {
	env := make(types.Map, len(p.sources))
	solid := make(map[string]bool)
	for _, s := range p.sources {
		env[s.name] = p.typeOf(s, solid)
	}
	rewrites := &rewriter{text: p.text, scope: p.scope, solid: solid}
	// Our names come first: the parser then makes calls of ours, not of expr's own.
	options := []expr.Option{expr.Env(env), expr.DisableAllBuiltins(), expr.MaxNodes(4 * maxNodes)}
	for _, b := range builtin.Builtins {
		if builtins[b.Name] {
			options = append(options, expr.EnableBuiltin(b.Name))
		}
	}
	options = append(options, functionOptions(functionSetFor(p.scope.Locale))...)
	options = append(options, functionOptions(operatorSetFor(p.scope.Locale))...)
	for _, l := range p.scope.Lookups {
		if slices.Contains(p.lookups, l.Name) {
			options = append(options, lookupOption(l))
		}
	}
	options = append(options, expr.Patch(rewrites))
	for operator, name := range overloads {
		options = append(options, expr.Operator(operator, name))
	}
	options = append(options, expr.Patch(unsetter{}))
	var err error
	p.program, err = expr.Compile(p.text, options...)
	if rewrites.result != nil {
		return rewrites.result
	}
	if err != nil {
		return typeMistake(p.text, err)
	}
	p.kind = kindOf(p.program.Node().Type())
	return nil
}

var operatorSet = operators(record.Locale{})

func operatorSetFor(locale record.Locale) map[string]function {
	if !locale.Comma {
		return operatorSet
	}
	return operators(locale)
}

func functionSetFor(locale record.Locale) map[string]function {
	if locale == (record.Locale{}) {
		return functionSet
	}
	return functions(locale)
}

// typeOf is the type of a name, and whether it is never null.
func (p *Program) typeOf(s source, solid map[string]bool) types.Type {
	switch s.kind {
	case fromField:
		f := p.scope.Fields.Fields[s.at]
		solid[s.name] = !f.Optional
		return fieldType(f)
	case fromName:
		n := p.scope.Names[s.at]
		solid[s.name] = !n.Null && n.Kind != record.Unknown
		return exprType(n.Kind)
	case fromGroup:
		return exprType(p.scope.Groups[s.at].Members[s.inner].Kind)
	case fromCurrent:
		return schemaType(p.scope.Current)
	case fromNow:
		return types.TypeOf(time.Time{})
	case fromFacts:
		return types.TypeOf((*asked)(nil))
	}
	return types.Any
}

func (p *Program) checkKind(want Want) *Mistake {
	t := p.program.Node().Type()
	if want.Kind == record.Bool && p.kind != record.Bool && t != anyType && t != nil {
		return whole(p.text, "the expression gives "+typeText(t)+", and true or false is wanted", "write a comparison")
	}
	if want.Kind == record.List {
		return nil
	}
	if t != nil && t != anyType && p.kind == record.Unknown && (t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer) {
		return whole(p.text, "the expression gives "+typeText(t)+", and a single value is wanted", "")
	}
	return nil
}

// shorten recognises what needs no machine: a plain name, or a constant.
func (p *Program) shorten(root ast.Node) {
	if len(p.sources) == 0 {
		v, err := NewMachine().Run(p, &Input{})
		p.value, p.isConst = v, err == nil
		return
	}
	if len(p.sources) != 1 {
		return
	}
	switch n := root.(type) {
	case *ast.IdentifierNode:
		p.plain, p.isPlain = p.sources[0], p.sources[0].kind != fromFacts && p.sources[0].kind != fromCurrent
	case *ast.MemberNode:
		r, _, ok := memberPath(n)
		p.plain, p.isPlain = p.sources[0], ok && (r.Value == "row" || r.Value == "parent") && p.sources[0].kind != fromCurrent
	}
}

// Text returns the expression as written.
func (p *Program) Text() string { return p.text }

// Fields returns the positions of the entity's fields the expression reads, in order, each once.
func (p *Program) Fields() []int { return p.positions(fromField) }

// Columns returns the positions in Scope.Row of the columns it reads.
func (p *Program) Columns() []int { return p.positions(fromRow) }

// ParentColumns returns the positions in Scope.Parent of the columns it reads.
func (p *Program) ParentColumns() []int { return p.positions(fromParent) }

func (p *Program) positions(kind sourceKind) []int {
	var at []int
	for _, s := range p.sources {
		if s.kind == kind {
			at = append(at, s.at)
		}
	}
	slices.Sort(at)
	return at
}

// Lookups returns the names of the lookups it asks.
func (p *Program) Lookups() []string { return p.lookups }

// UsesCurrent reports whether it reads `current`.
func (p *Program) UsesCurrent() bool { return p.uses(fromCurrent) }

// UsesNow reports whether it reads `now`.
func (p *Program) UsesNow() bool { return p.uses(fromNow) }

// UsesName reports whether it reads the further name called name.
func (p *Program) UsesName(name string) bool {
	return slices.ContainsFunc(p.sources, func(s source) bool { return s.kind == fromName && s.name == name })
}

func (p *Program) uses(kind sourceKind) bool {
	return slices.ContainsFunc(p.sources, func(s source) bool { return s.kind == kind })
}

// PlainField returns the field when the expression is nothing but a field's name.
func (p *Program) PlainField() (int, bool) { return p.plain.at, p.isPlain && p.plain.kind == fromField }

// PlainColumn returns the position of the column when the expression is nothing but `row.x`.
func (p *Program) PlainColumn() (int, bool) { return p.plain.at, p.isPlain && p.plain.kind == fromRow }

// Kind returns the kind of its result, Unknown when only a run can tell.
func (p *Program) Kind() record.Kind {
	if i, ok := p.PlainField(); ok {
		return p.scope.Fields.Fields[i].Kind
	}
	return p.kind
}

// Constant returns its result when it reads nothing.
func (p *Program) Constant() (record.Value, bool) { return p.value, p.isConst }

func syntaxMistake(text string, err error) *Mistake {
	e, ok := errors.AsType[*file.Error](err)
	if !ok {
		return whole(text, "the expression cannot be read: "+err.Error(), "")
	}
	from, to := e.From, max(e.To, e.From+1)
	length := len([]rune(text))
	if from >= length {
		from, to = max(length-1, 0), length
	}
	m := &Mistake{From: from, To: min(to, length), Message: plainWords(e.Message)}
	if strings.Contains(e.Message, " literal: strconv.") {
		m.numberMistake([]rune(text))
	}
	return m
}

// numberMistake says what is wrong with the number literal that ends at a mistake.
func (m *Mistake) numberMistake(text []rune) {
	for m.From > 0 && (text[m.From-1] == '.' || text[m.From-1] < utf8.RuneSelf && isWordByte(byte(text[m.From-1]))) {
		m.From--
	}
	literal := strings.ReplaceAll(string(text[m.From:m.To]), "_", "")
	if _, err := record.ParseNumber(literal, false); err == nil {
		m.Message, m.Hint = literal+" is too large for a whole number written out", "write it as a decimal: "+literal+".0"
		return
	}
	m.Message = fmt.Sprintf("%q is not a number headgate can hold exactly", clip(literal))
}

func typeMistake(text string, err error) *Mistake {
	m := syntaxMistake(text, err)
	if from, to, ok := operandSpan(text, m.From); ok {
		m.From, m.To = from, to
	}
	return m
}

// operandSpan widens the place of an operator to its two operands.
func operandSpan(text string, at int) (from, to int, ok bool) {
	tree, err := parser.Parse(text)
	if err != nil {
		return 0, 0, false
	}
	finder := &spanFinder{at: at}
	ast.Walk(&tree.Node, finder)
	return finder.from, finder.to, finder.found
}

type spanFinder struct {
	at, from, to int
	found        bool
}

// Visit notes the extent of the operator at the place.
func (f *spanFinder) Visit(node *ast.Node) {
	if b, ok := (*node).(*ast.BinaryNode); ok && b.Location().From == f.at {
		f.from, f.to = extent(b)
		f.found = true
	}
}

// words are Go's and expr's names of things, as the language calls them.
var words = strings.NewReplacer(
	"*record.Number", "number", "record.Number", "number", "expression.day", "date", "time.Time", "time",
	"map[string]interface {}", "record", "[]interface {}", "list", "interface {}", "any value",
	"[]string", "list of texts", "bool", "true or false", "string", "text", "int", "number",
	"invalid operation: ", "",
)

func plainWords(message string) string {
	if before, rest, ok := strings.Cut(message, "struct {"); ok {
		// The record of a lookup is a struct of ours; its text helps nobody.
		_, after, _ := strings.Cut(rest, "}")
		if strings.HasSuffix(after, "has no field id") {
			return "the records of this lookup have no id: its resource does not say what names them (`id = \"row.…\"`)"
		}
		message = strings.TrimSuffix(before, "type ") + "the record of this lookup" + after
	}
	if strings.Contains(message, "token EOF") {
		return "the expression ends too early"
	}
	if m := mismatch.FindStringSubmatch(message); m != nil {
		return "`" + m[1] + "` has no meaning between " + words.Replace(m[2]) + " and " + words.Replace(m[3])
	}
	return words.Replace(message)
}

// mismatch is what expr says of an operator and two types.
var mismatch = regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (.+) and (.+)\)$`)

func typeText(t reflect.Type) string {
	if kind := kindOf(t); kind != record.Unknown {
		return article(kind)
	}
	switch t.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Pointer, reflect.Struct:
		return "a record"
	}
	return plainWords(t.String())
}
