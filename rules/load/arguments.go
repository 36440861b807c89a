package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/engine/record"
)

// text returns a constant quoted text.
func (b *block) text(name string) (string, hcl.Range, bool) {
	e := b.attr(name)
	if e == nil {
		return "", hcl.Range{}, false
	}
	s, ok := b.textOf(e, name)
	return s, e.Range(), ok
}

func (b *block) textOf(e hclsyntax.Expression, what string) (string, bool) {
	if s, ok := constantText(e); ok {
		return s, true
	}
	hint := "write it in quotes"
	if _, isTemplate := e.(*hclsyntax.TemplateExpr); isTemplate {
		hint = "a ${…} has no place here"
	}
	b.fail(e.Range(), "type", fmt.Sprintf("%s must be a text", what), hint)
	return "", false
}

// constantText is the value of a quoted text or heredoc without ${…}.
func constantText(e hclsyntax.Expression) (string, bool) {
	t, ok := e.(*hclsyntax.TemplateExpr)
	if !ok {
		return "", false
	}
	var s strings.Builder
	for _, part := range t.Parts {
		lit, ok := part.(*hclsyntax.LiteralValueExpr)
		if !ok || lit.Val.IsNull() || lit.Val.Type().FriendlyName() != "string" {
			return "", false
		}
		s.WriteString(lit.Val.AsString())
	}
	return s.String(), true
}

// word returns a bare keyword, which must be one of the allowed.
func (b *block) word(name string, allowed ...string) (string, bool) {
	e := b.attr(name)
	if e == nil {
		return "", false
	}
	w := hcl.ExprAsKeyword(e)
	if w == "" {
		if s, ok := constantText(e); ok {
			b.fail(e.Range(), "quoted", fmt.Sprintf("%s is written without quotes", name), "write "+s)
			return "", false
		}
	}
	if !slices.Contains(allowed, w) {
		b.fail(e.Range(), "word", fmt.Sprintf("%s cannot be %s", name, b.l.source(e.Range())), suggest(b.l.source(e.Range()), allowed))
		return "", false
	}
	return w, true
}

func (b *block) boolean(name string, otherwise bool) bool {
	e := b.attr(name)
	if e == nil {
		return otherwise
	}
	switch b.l.source(e.Range()) {
	case "true":
		return true
	case "false":
		return false
	}
	b.fail(e.Range(), "type", fmt.Sprintf("%s must be true or false", name), "")
	return otherwise
}

// whole returns a whole number of at least low.
func (b *block) whole(name string, otherwise, low int) int {
	e := b.attr(name)
	if e == nil {
		return otherwise
	}
	text, hint := b.l.source(e.Range()), ""
	if strings.HasPrefix(text, `"`) {
		hint = "write it without quotes"
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low {
		b.fail(e.Range(), "type", fmt.Sprintf("%s must be a whole number of at least %d", name, low), hint)
		return otherwise
	}
	return n
}

// number returns an exact number, from its own text.
func (b *block) number(name string) *record.Number {
	e := b.attr(name)
	if e == nil {
		return nil
	}
	n, err := record.ParseNumber(b.l.source(e.Range()), false)
	if err != nil {
		b.fail(e.Range(), "type", fmt.Sprintf("%s must be a number", name), "")
		return nil
	}
	return &n
}

// duration returns a text such as "30s", "15m", "24h" or "2d".
func (b *block) duration(name string, otherwise time.Duration) time.Duration {
	s, r, ok := b.text(name)
	if !ok {
		return otherwise
	}
	d, err := parseDuration(s)
	if err != nil {
		b.fail(r, "duration", fmt.Sprintf("%s: %q is not a duration", name, s), `write a number and a unit: "30s", "15m", "24h", "2d"`)
		return otherwise
	}
	return d
}

// size reads an amount of bytes.
func (b *block) size(name string, otherwise int64) int64 {
	s, r, ok := b.text(name)
	if !ok {
		return otherwise
	}
	for unit, bytes := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30} {
		if count, ok := strings.CutSuffix(s, unit); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 32); err == nil && n >= 0 {
				return n * bytes
			}
		}
	}
	b.fail(r, "size", fmt.Sprintf("%s: %q is not an amount of bytes", name, s), `write a number and a unit: "16MiB", "1GiB"`)
	return otherwise
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, strconv.ErrRange
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = strconv.ErrRange
	}
	return d, err
}

// path returns a bare reference as its names: connector.erp.orders.
func (b *block) path(e hclsyntax.Expression, what, example string) ([]string, bool) {
	traversal, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() {
		hint := "write it bare, as " + example
		if s, ok := constantText(e); ok && isName(strings.ReplaceAll(s, ".", "_")) {
			hint = "names of this ruleset are written without quotes, as " + example
		}
		b.fail(e.Range(), "reference", fmt.Sprintf("%s must name %s", what, example), hint)
		return nil, false
	}
	var names []string
	for _, step := range traversal {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, s.Name)
		case hcl.TraverseAttr:
			names = append(names, s.Name)
		default:
			b.fail(e.Range(), "reference", fmt.Sprintf("%s must name %s", what, example), "")
			return nil, false
		}
	}
	return names, true
}

// items returns the elements of a list.
func (b *block) items(name string) []hclsyntax.Expression {
	e := b.attr(name)
	if e == nil {
		return nil
	}
	t, ok := e.(*hclsyntax.TupleConsExpr)
	if !ok {
		b.fail(e.Range(), "type", fmt.Sprintf("%s must be a list", name), "write [a, b], and [a] where there is one")
		return nil
	}
	return t.Exprs
}

// texts returns a list of quoted texts.
func (b *block) texts(name string) []string {
	var all []string
	for _, e := range b.items(name) {
		if s, ok := b.textOf(e, "each of "+name); ok {
			all = append(all, s)
		}
	}
	return all
}

// pair is one entry of an argument map.
type pair struct {
	key   string
	at    hcl.Range
	value hclsyntax.Expression
}

// pairs returns the entries of an argument map, in file order.
func (b *block) pairs(name string) []pair {
	e := b.attr(name)
	if e == nil {
		return nil
	}
	return b.pairsOf(e, name)
}

func (b *block) pairsOf(e hclsyntax.Expression, what string) []pair {
	o, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		b.fail(e.Range(), "type", fmt.Sprintf("%s must be a map", what), "write { name = … }")
		return nil
	}
	var all []pair
	seen := make(map[string]bool)
	for _, item := range o.Items {
		key, ok := keyText(item.KeyExpr)
		if !ok {
			b.fail(item.KeyExpr.Range(), "type", "this is not a name", "")
			continue
		}
		if seen[key] {
			b.fail(item.KeyExpr.Range(), "twice", fmt.Sprintf("%q stands twice in %s", key, what), "keep one")
			continue
		}
		seen[key] = true
		all = append(all, pair{key, item.KeyExpr.Range(), item.ValueExpr})
	}
	return all
}

func keyText(e hclsyntax.Expression) (string, bool) {
	k, ok := e.(*hclsyntax.ObjectConsKeyExpr)
	if !ok {
		return "", false
	}
	if w := hcl.ExprAsKeyword(k.Wrapped); w != "" {
		return w, true
	}
	return constantText(k.Wrapped)
}

// literal returns a literal as a value of kind.
func (b *block) literal(e hclsyntax.Expression, kind record.Kind, what string) (record.Value, bool) {
	source := b.l.source(e.Range())
	if source == "null" {
		return record.NullValue(), true
	}
	v := record.StringValue(source)
	if s, ok := constantText(e); ok {
		v = record.StringValue(s)
	} else if _, err := record.ParseNumber(source, false); err != nil && source != "true" && source != "false" {
		b.fail(e.Range(), "type", fmt.Sprintf("%s must be a literal", what), "write a text in quotes, a number, true, false or null")
		return v, false
	} else if kind == record.Unknown {
		return plainLiteral(source), true
	}
	converted, err := record.Convert(v, kind, record.Locale{})
	if err != nil {
		b.fail(e.Range(), "type", fmt.Sprintf("%s is not a %s: %v", what, kind, err), "")
		return v, false
	}
	return converted, true
}

func plainLiteral(source string) record.Value {
	if source == "true" || source == "false" {
		return record.BoolValue(source == "true")
	}
	n, _ := record.ParseNumber(source, false)
	return record.DecimalValue(n)
}
