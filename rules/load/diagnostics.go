package load

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"headgate/engine/record"
)

// Severity says whether a diagnostic keeps a ruleset from being used.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one mistake, and its place.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Summary  string   `json:"summary"`
	Hint     string   `json:"hint,omitempty"`
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1
	Column   int      `json:"column"` // from 1, in characters
	Length   int      `json:"length"` // in characters, within the line
	Block    string   `json:"block,omitempty"`
	Source   string   `json:"source,omitempty"` // the line, or what stands around the place in a long one
	Offset   int      `json:"offset,omitempty"` // characters of the line before Source
}

// Diagnostics are all mistakes of a ruleset, by file and place.
type Diagnostics []Diagnostic

// HasErrors reports whether the ruleset cannot be used.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(x Diagnostic) bool { return x.Severity == Error })
}

// Error returns the first error and how many there are.
func (d Diagnostics) Error() string {
	for _, x := range d {
		if x.Severity == Error {
			return fmt.Sprintf("%s:%d: %s (%d in all)", x.File, x.Line, x.Summary, len(d))
		}
	}
	return "no errors"
}

// String renders all of them as text, each with its line and carets under the place.
func (d Diagnostics) String() string {
	var b strings.Builder
	for i, x := range d {
		if i > 0 {
			b.WriteByte('\n')
		}
		x.render(&b)
	}
	return b.String()
}

func (d Diagnostic) render(b *strings.Builder) {
	fmt.Fprintf(b, "%s: %s\n", d.Severity, d.Summary)
	number := fmt.Sprint(d.Line)
	gutter := strings.Repeat(" ", len(number))
	fmt.Fprintf(b, "%s--> %s:%d:%d", gutter, d.File, d.Line, d.Column)
	if d.Block != "" {
		fmt.Fprintf(b, ", in %s", d.Block)
	}
	b.WriteByte('\n')
	if d.Source != "" {
		fmt.Fprintf(b, "%s |\n%s | %s\n%s | %s\n", gutter, number, d.Source, gutter, d.carets())
	}
	if d.Hint != "" {
		fmt.Fprintf(b, "%s = %s\n", gutter, d.Hint)
	}
}

// carets stand under the place; tabs of the line stay tabs, wide characters take two columns.
func (d Diagnostic) carets() string {
	var b strings.Builder
	for i, r := range []rune(d.Source) {
		switch {
		case i >= d.Column-1-d.Offset:
		case r == '\t':
			b.WriteByte('\t')
		case wide(r):
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String() + strings.Repeat("^", min(max(d.Length, 1), maxShown))
}

func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300 && r <= 0x1faff)
}

// LogValue is one diagnostic as a log attribute group.
func (d Diagnostic) LogValue() slog.Value {
	return slog.GroupValue(slog.String("code", d.Code), slog.String("summary", d.Summary), slog.String("hint", d.Hint),
		slog.String("file", d.File), slog.Int("line", d.Line), slog.Int("column", d.Column), slog.String("block", d.Block))
}

// LogValue is how many there are, and the first.
func (d Diagnostics) LogValue() slog.Value {
	if len(d) == 0 {
		return slog.GroupValue(slog.Int("count", 0))
	}
	return slog.GroupValue(slog.Int("count", len(d)), slog.Any("first", d[0]))
}

// at makes a diagnostic whose place is the bytes from..to of a file.
func (l *loader) at(severity Severity, code, file string, from, to int, block, summary, hint string) {
	src := l.sources[file]
	from = min(from, len(src))
	to = min(max(to, from), len(src))
	start := strings.LastIndexByte(string(src[:from]), '\n') + 1
	end := len(src)
	if i := strings.IndexByte(string(src[start:]), '\n'); i >= 0 {
		end = start + i
	}
	column := utf8.RuneCount(src[start:from]) + 1
	line, offset := around([]rune(strings.TrimRight(string(src[start:end]), "\r")), column-1)
	l.diagnostics = append(l.diagnostics, Diagnostic{
		Severity: severity, Code: code, Summary: summary, Hint: hint, File: file, Block: block,
		Line: strings.Count(string(src[:from]), "\n") + 1, Column: column, Offset: offset,
		Length: utf8.RuneCount(src[from:min(to, max(end, from))]), Source: record.Visible(line, "\t"),
	})
}

// maxShown is how many characters of a line are shown.
const maxShown = 200

// around returns a line, or what stands around a place of a long one, and how many
// characters of it are left out before.
func around(line []rune, at int) (shown string, offset int) {
	if len(line) <= maxShown {
		return string(line), 0
	}
	from := min(max(at-maxShown/2, 0), len(line)-maxShown)
	shown = string(line[from : from+maxShown])
	if from+maxShown < len(line) {
		shown += "…"
	}
	if from > 0 {
		return "…" + shown, from - 1
	}
	return shown, 0
}

// sorted orders what was found. In a file that could not be parsed whole, and of
// names that may stand in one, only mistakes of syntax are certain.
func (l *loader) sorted() Diagnostics {
	broken := make(map[string]bool)
	for _, d := range l.diagnostics {
		if d.Severity == Error && (d.Code == "syntax" || d.Code == "file") {
			broken[d.File] = true
		}
	}
	l.diagnostics = slices.DeleteFunc(l.diagnostics, func(d Diagnostic) bool {
		certain := d.Code == "syntax" || d.Code == "file"
		return !certain && (broken[d.File] || len(broken) > 0 && slices.Contains(follows, d.Code))
	})
	slices.SortStableFunc(l.diagnostics, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(l.diagnostics, func(a, b Diagnostic) bool { return a == b })
}

// follows are the codes of what may be right once another file is.
var follows = []string{"reference", "expression", "missing", "read", "write", "twice"}

// syntax takes over what the parser says, in our words where they help more.
func (l *loader) syntax(diags hcl.Diagnostics) {
	for _, d := range diags {
		severity := Error
		if d.Severity == hcl.DiagWarning {
			severity = Warning
		}
		summary, hint := d.Summary, d.Detail
		if strings.Contains(d.Summary, "Invalid escape sequence") || strings.Contains(d.Detail, "escape") {
			hint = "in a quoted text a backslash must be doubled; a heredoc (<<-EXPR … EXPR) takes it as it is"
		}
		if strings.Contains(d.Detail, "single-line block") || strings.Contains(d.Summary, "single-argument block") {
			hint = "put each argument on a line of its own"
		}
		if d.Subject != nil {
			l.at(severity, "syntax", d.Subject.Filename, d.Subject.Start.Byte, d.Subject.End.Byte, "", lowerFirst(summary), hint)
		}
	}
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
