package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"headgate/engine/record"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// painter colours text where a terminal shows it.
type painter bool

func (a *app) painter() painter {
	return painter(isTerminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (p painter) paint(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) red(s string) string    { return p.paint("31", s) }
func (p painter) green(s string) string  { return p.paint("32", s) }
func (p painter) yellow(s string) string { return p.paint("33", s) }
func (p painter) bold(s string) string   { return p.paint("1", s) }
func (p painter) dim(s string) string    { return p.paint("2", s) }

// safe makes visible what a terminal would act on: control characters, and those
// that turn the direction of writing. Line breaks and tabs stay.
func safe(text string) string { return record.Visible(text, "\n\t") }

// oneLine is safe text without line breaks.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(safe(text), "\n", "⏎"), "\t", " ")
}

// safeWriter makes everything written to it safe.
type safeWriter struct{ w io.Writer }

func (s safeWriter) Write(b []byte) (int, error) {
	_, err := io.WriteString(s.w, safe(string(b)))
	return len(b), err
}

// jsonWriter escapes in JSON written to it what a terminal would act on.
type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(b []byte) (int, error) {
	_, err := j.w.Write(record.AppendVisibleJSON(nil, b))
	return len(b), err
}

// pad fills text with blanks to a width in characters.
func pad(text string, width int) string {
	if n := utf8.RuneCountInString(text); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return text
}

func counted[N int | int64](n N, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "ch"):
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (a *app) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.out, format, args...)
}
