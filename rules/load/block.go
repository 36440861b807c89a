package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// block is one block while it is read: it notes what was asked for, so that what
// nobody asked for can be told as unknown.
type block struct {
	l     *loader
	name  string // for people: `entity "order"`
	label string
	file  string
	body  *hclsyntax.Body
	head  hcl.Range
	known map[string]bool
}

func (l *loader) block(b *hclsyntax.Block, labels int) *block {
	x := &block{l: l, name: b.Type, file: b.TypeRange.Filename, body: b.Body, head: b.TypeRange, known: make(map[string]bool)}
	if len(b.Labels) > 0 {
		x.label = b.Labels[0]
		x.name = fmt.Sprintf("%s %q", b.Type, x.label)
	}
	switch {
	case len(b.Labels) < labels:
		x.fail(b.TypeRange, "label", fmt.Sprintf("%s needs a name", b.Type), fmt.Sprintf(`write %s "name" { … }`, b.Type))
	case len(b.Labels) > labels:
		takes := "no name"
		if labels == 1 {
			takes = "one name"
		}
		x.fail(b.LabelRanges[labels], "label", fmt.Sprintf("%s takes %s", b.Type, takes), "take this one away")
	case labels == 1 && b.Type != "test" && !isName(x.label):
		x.fail(b.LabelRanges[0], "name", fmt.Sprintf("%q is not a name", x.label), "names are lower case letters, digits and _, and begin with a letter")
	}
	return x
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (b *block) fail(r hcl.Range, code, summary, hint string) {
	b.l.at(Error, code, r.Filename, r.Start.Byte, r.End.Byte, b.name, summary, hint)
}

func (b *block) warn(r hcl.Range, code, summary, hint string) {
	b.l.at(Warning, code, r.Filename, r.Start.Byte, r.End.Byte, b.name, summary, hint)
}

// attr returns the expression of an argument, or nil.
func (b *block) attr(name string) hclsyntax.Expression {
	b.known[name] = true
	if a, ok := b.body.Attributes[name]; ok {
		return a.Expr
	}
	return nil
}

// has reports whether a block of a type and name stands in this one, right or wrong.
func (b *block) has(kind, label string) bool {
	return slices.ContainsFunc(b.body.Blocks, func(x *hclsyntax.Block) bool {
		return x.Type == kind && len(x.Labels) > 0 && x.Labels[0] == label
	})
}

// labels returns the names of the blocks of a type, right or wrong.
func (b *block) labels(kind string) (names []string) {
	for _, x := range b.body.Blocks {
		if x.Type == kind && len(x.Labels) > 0 {
			names = append(names, x.Labels[0])
		}
	}
	return names
}

// declared reports whether a block stands at the top, right or wrong: that what it
// declares is missing then only follows from a mistake of its own.
func (l *loader) declared(kind, label string) bool {
	return slices.ContainsFunc(l.top[kind], func(x *block) bool { return x.label == label })
}

// required returns the expression of an argument that must be there, or nil.
func (b *block) required(name, hint string) hclsyntax.Expression {
	e := b.attr(name)
	if e == nil {
		b.fail(b.head, "missing", fmt.Sprintf("%s needs %s", b.name, name), hint)
	}
	return e
}

// blocks returns the blocks of a type.
func (b *block) blocks(kind string, labels int) []*block {
	b.known[kind] = true
	var found []*block
	for _, inner := range b.body.Blocks {
		if inner.Type == kind {
			x := b.l.block(inner, labels)
			x.name += " of " + b.name
			found = append(found, x)
		}
	}
	return found
}

// one returns the only block of a type, or nil.
func (b *block) one(kind string) *block {
	found := b.blocks(kind, 0)
	if len(found) == 0 {
		return nil
	}
	for _, more := range found[1:] {
		more.fail(more.head, "twice", fmt.Sprintf("%s has more than one %s block", b.name, kind), "keep one")
	}
	return found[0]
}

// done tells what nobody asked for.
func (b *block) done() {
	var names []string
	for name := range b.known {
		names = append(names, name)
	}
	slices.Sort(names)
	for name, a := range b.body.Attributes {
		if !b.known[name] {
			b.fail(a.NameRange, "unknown_argument", fmt.Sprintf("%s has no argument %q", b.name, name), suggest(name, names))
		}
	}
	for _, inner := range b.body.Blocks {
		if !b.known[inner.Type] {
			b.fail(inner.TypeRange, "unknown_block", fmt.Sprintf("%s has no block %q", b.name, inner.Type), suggest(inner.Type, names))
		}
	}
}

// suggest says which name was meant, or which there are.
func suggest(wrong string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if d := levenshtein.Distance(strings.ToLower(wrong), strings.ToLower(name), nil); d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean `%s`?", best)
	}
	if len(names) == 0 {
		return "there is none"
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	if len(sorted) > 20 {
		sorted = append(sorted[:20], "…")
	}
	return "there are " + strings.Join(sorted, ", ")
}
