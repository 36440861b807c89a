package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine"
)

// exportFormats are the forms in which exceptions leave headgate: for programs, and
// for people with a spreadsheet. Neither holds a sensitive value: exceptions have none.
var exportFormats = map[string]func(*app, []engine.Exception) error{
	"jsonl": (*app).exportLines,
	"csv":   (*app).exportSheet,
}

func (a *app) exportCommand(f *exceptionFlags) *cobra.Command {
	format := "jsonl"
	c := &cobra.Command{
		Use: "export", Short: "every open exception, for a program or a spreadsheet", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			export := exportFormats[format]
			if export == nil {
				return usage("--format %s: there are jsonl and csv", format)
			}
			open, err := a.openExceptions(cmd.Context(), f)
			if err != nil {
				return err
			}
			return export(a, open)
		},
	}
	c.Flags().StringVar(&format, "format", format, "jsonl, or csv for a spreadsheet: what looks like a formula is made text")
	return c
}

func (a *app) exportLines(open []engine.Exception) error {
	if a.table() {
		a.output = outputLines
	}
	return a.printJSON(len(open), func(i int) any { return &open[i] })
}

// sheetColumn is one column of the spreadsheet.
type sheetColumn struct {
	name string
	cell func(*engine.Exception) string
}

var sheetColumns = []sheetColumn{
	{"id", func(x *engine.Exception) string { return x.ID }},
	{"since", func(x *engine.Exception) string { return x.Time.UTC().Format(time.DateTime) }},
	{"flow", func(x *engine.Exception) string { return x.Flow }},
	{"entity", func(x *engine.Exception) string { return x.Entity }},
	{"key", func(x *engine.Exception) string { return x.Key }},
	{"outcome", func(x *engine.Exception) string { return x.Outcome.String() }},
	{"rule", func(x *engine.Exception) string { return x.Reason.Rule }},
	{"code", func(x *engine.Exception) string { return x.Reason.Code }},
	{"field", func(x *engine.Exception) string { return x.Reason.Field }},
	{"message", func(x *engine.Exception) string { return x.Reason.Message }},
	{"answer", func(x *engine.Exception) string { return x.Answer }},
	{"attempts", func(x *engine.Exception) string { return strconv.Itoa(x.Attempts) }},
	{"file", func(x *engine.Exception) string { return x.Part }},
	{"place", func(x *engine.Exception) string { return x.Where }},
}

// exportSheet writes a spreadsheet: a line an exception, and behind what is known of
// it the columns of its row, in the order in which they are first met.
func (a *app) exportSheet(open []engine.Exception) error {
	rows := make([]map[string]string, len(open))
	var names []string
	known := make(map[string]bool)
	for i := range open {
		rows[i] = make(map[string]string)
		for name, text := range members(open[i].Row) {
			rows[i][name] = text
			if !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
	}
	var sheet bytes.Buffer
	sheet.WriteString("\ufeff") // so that spreadsheets take it for UTF-8
	var line []string
	for _, c := range sheetColumns {
		line = append(line, c.name)
	}
	for _, name := range names {
		line = append(line, "row "+name)
	}
	appendLine(&sheet, line)
	for i := range open {
		line = line[:0]
		for _, c := range sheetColumns {
			line = append(line, c.cell(&open[i]))
		}
		for _, name := range names {
			line = append(line, rows[i][name])
		}
		appendLine(&sheet, line)
	}
	_, err := sheet.WriteTo(a.out)
	return err
}

// appendLine quotes every cell: a program that separates cells by something else
// than a comma must not find more cells than there are.
func appendLine(sheet *bytes.Buffer, cells []string) {
	for i, text := range cells {
		if i > 0 {
			sheet.WriteByte(',')
		}
		sheet.WriteString(`"` + strings.ReplaceAll(safe(defused(text)), `"`, `""`) + `"`)
	}
	sheet.WriteByte('\n')
}

// plainNumber is what a spreadsheet computes nothing of.
var plainNumber = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]+)?$`)

// startsFormula is where a spreadsheet begins to compute; startsCell is where one begins
// a cell that separates them by semicolons or tabs, whatever the quotes say: there a
// formula may stand in the middle of a text.
var (
	startsFormula = regexp.MustCompile(`^[ \x{a0}]*[=+@＝＋－＠\t\r\n-]`)
	startsCell    = regexp.MustCompile(`([;\t\r\n][ \x{a0}"]*)([=+@＝＋－＠-])`)
)

// defused keeps a spreadsheet from taking text of somebody else for a formula, which
// could send what else the sheet holds to him.
func defused(text string) string {
	if plainNumber.MatchString(text) {
		return text
	}
	marked := startsCell.ReplaceAllString(text, "$1'$2")
	if startsFormula.MatchString(text) {
		return "'" + marked
	}
	return marked
}

// members returns the members of a JSON object in their order, as text.
func members(object json.RawMessage) func(yield func(name, text string) bool) {
	return func(yield func(name, text string) bool) {
		decoder := json.NewDecoder(bytes.NewReader(object))
		if _, err := decoder.Token(); err != nil {
			return // there is none
		}
		for decoder.More() {
			name, err := decoder.Token()
			var value json.RawMessage
			if err == nil {
				err = decoder.Decode(&value)
			}
			if err != nil || !yield(name.(string), textOf(value)) {
				return
			}
		}
	}
}

// textOf is a JSON value as a cell shows it.
func textOf(value json.RawMessage) string {
	var text *string
	if err := json.Unmarshal(value, &text); err != nil {
		return string(value) // a number, or lines
	}
	if text == nil {
		return "" // null
	}
	return *text
}
