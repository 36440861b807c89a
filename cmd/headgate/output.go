package main

import "encoding/json"

// The forms in which a command prints its data.
const (
	outputTable = "table" // for people
	outputJSON  = "json"  // one document
	outputLines = "jsonl" // one value a line
)

// chooseOutput reads --output and --json.
func (a *app) chooseOutput(given bool) error {
	if a.asJSON {
		if given && a.output != outputJSON {
			return usage("--json is short for --output json: give one of them")
		}
		a.output = outputJSON
	}
	switch a.output {
	case outputTable, outputJSON, outputLines:
		return nil
	}
	return usage("--output takes table, json or jsonl, not %q", a.output)
}

// table reports whether data is printed for people.
func (a *app) table() bool { return a.output == outputTable }

// printJSON prints values as a JSON array, or one a line.
func (a *app) printJSON(n int, at func(int) any) error {
	values := make([]any, n)
	for i := range values {
		values[i] = at(i)
	}
	encoder := a.encoder()
	if a.output == outputLines {
		for _, v := range values {
			if err := encoder.Encode(v); err != nil {
				return err
			}
		}
		return nil
	}
	return encoder.Encode(values)
}

// printOne prints one value as JSON.
func (a *app) printOne(v any) error { return a.encoder().Encode(v) }

// encoder writes JSON for people and programs: < stays <, and what a terminal would
// act on is escaped.
func (a *app) encoder() *json.Encoder {
	encoder := json.NewEncoder(jsonWriter{a.out})
	encoder.SetEscapeHTML(false)
	if a.output == outputJSON {
		encoder.SetIndent("", "  ")
	}
	return encoder
}

// printFiles names files.
func (a *app) printFiles(names []string) error {
	if !a.table() {
		return a.printJSON(len(names), func(i int) any { return map[string]string{"file": names[i]} })
	}
	for _, name := range names {
		a.printf("%s\n", name)
	}
	return nil
}
