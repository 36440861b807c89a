package load

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// expression compiles the text of an argument, and shows a mistake at the exact
// characters inside the quotes or the heredoc.
func (b *block) expression(e hclsyntax.Expression, what string, scope *expression.Scope, want expression.Want) *expression.Program {
	text, ok := constantText(e)
	if !ok {
		hint := "write the expression in quotes"
		if _, template := e.(*hclsyntax.TemplateExpr); template {
			hint = "in an expression names stand bare: write total, not ${total}"
		}
		b.fail(e.Range(), "expression", what+" must be an expression in quotes", hint)
		return nil
	}
	p, mistake := expression.Compile(text, scope, want)
	if mistake == nil {
		return p
	}
	if b.l.declared("lookup", mistake.Function) && b.l.lookups[mistake.Function] == nil || namesUntyped(text, scope.Fields) {
		return nil // the lookup's or the field's own mistake is told
	}
	b.within(Error, e, mistake.From, mistake.To, "expression", mistake.Message, mistake.Hint)
	return nil
}

// within says something of the runes from..to of an expression's text.
func (b *block) within(severity Severity, e hclsyntax.Expression, from, to int, code, summary, hint string) {
	text, _ := constantText(e)
	r := e.Range()
	from, to = b.l.place(r, text, from, to)
	b.l.at(severity, code, r.Filename, from, to, b.name, summary, hint)
}

// namesUntyped reports whether a text names a field whose type is a mistake.
func namesUntyped(text string, fields *record.Schema) bool {
	if fields == nil {
		return false
	}
	names := strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.ContainsFunc(names, func(name string) bool {
		i, ok := fields.Index(name)
		return ok && fields.Fields[i].Kind == record.Unknown
	})
}

// place maps rune offsets in the value of a quoted text or heredoc to byte offsets
// in its file.
func (l *loader) place(r hcl.Range, value string, from, to int) (start, end int) {
	src := l.sources[r.Filename]
	offsets := quotedOffsets(src, r.Start.Byte, r.End.Byte, value)
	if offsets == nil {
		offsets = heredocOffsets(src, r.Start.Byte, r.End.Byte, value)
	}
	if offsets == nil || from >= len(offsets) {
		return r.Start.Byte, firstLineEnd(src, r.Start.Byte, r.End.Byte)
	}
	return offsets[from], max(offsets[min(to, len(offsets)-1)], offsets[from]+1)
}

func firstLineEnd(src []byte, from, to int) int {
	for i := from; i < to && i < len(src); i++ {
		if src[i] == '\n' {
			return i
		}
	}
	return to
}

// quotedOffsets returns where each rune of value stands in the quoted text at
// from..to, and where the text ends; nil when it is not that text.
func quotedOffsets(src []byte, from, to int, value string) []int {
	if from >= len(src) || src[from] != '"' {
		return nil
	}
	var offsets []int
	i := from + 1
	for _, want := range value {
		offsets = append(offsets, i)
		r, size := quotedRune(src[i:min(to, len(src))])
		if r != want {
			return nil
		}
		i += size
	}
	return append(offsets, i)
}

// quotedRune decodes one rune of a quoted text of HCL, escapes included.
func quotedRune(src []byte) (r rune, size int) {
	if len(src) >= 3 && (string(src[:3]) == "$${" || string(src[:3]) == "%%{") {
		return rune(src[0]), 2
	}
	if len(src) < 2 || src[0] != '\\' {
		return utf8.DecodeRune(src)
	}
	switch src[1] {
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case '"', '\\':
		return rune(src[1]), 2
	case 'u', 'U':
		length := 6
		if src[1] == 'U' {
			length = 10
		}
		if len(src) >= length {
			if n, err := strconv.ParseUint(string(src[2:length]), 16, 32); err == nil {
				return rune(n), length
			}
		}
	}
	return utf8.RuneError, 1
}

// heredocOffsets does the same for a heredoc, whose lines may have lost their indent.
func heredocOffsets(src []byte, from, to int, value string) []int {
	if from+2 > len(src) || string(src[from:from+2]) != "<<" {
		return nil
	}
	line := from
	next := func() (start, end int, ok bool) {
		start = line
		for line < len(src) && src[line] != '\n' {
			line++
		}
		end = line
		line++
		return start, end, start < len(src) && start <= to
	}
	next() // the line of the marker
	var offsets []int
	for _, text := range strings.SplitAfter(value, "\n") {
		start, end, ok := next()
		if !ok {
			break
		}
		offsets = append(offsets, lineOffsets(src[start:end], start, text)...)
	}
	if len(offsets) < utf8.RuneCountInString(value) {
		return nil
	}
	return append(offsets, offsets[len(offsets)-1]+1)
}

// lineOffsets aligns one line of a heredoc's value with its source line from the right.
func lineOffsets(source []byte, at int, text string) []int {
	plain := strings.TrimRight(text, "\r\n")
	escaped := strings.NewReplacer("${", "$${", "%{", "%%{").Replace(plain)
	body := strings.TrimRight(string(source), "\r")
	indent := max(len(body)-len(escaped), 0)
	i := at + indent
	var offsets []int
	for k, r := range plain {
		offsets = append(offsets, i)
		i += utf8.RuneLen(r)
		if strings.HasPrefix(plain[k:], "${") || strings.HasPrefix(plain[k:], "%{") {
			i++
		}
	}
	for range text[len(plain):] {
		offsets = append(offsets, i)
	}
	return offsets
}

// source is the text of a range.
func (l *loader) source(r hcl.Range) string {
	src := l.sources[r.Filename]
	return string(src[min(r.Start.Byte, len(src)):min(r.End.Byte, len(src))])
}
