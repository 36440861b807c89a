package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"headgate/connectors/builtin"
	"headgate/engine/control"
	"headgate/rules"
	"headgate/rules/load"
)

// dirOf is the directory an optional argument names, or the one of --config.
func (a *app) dirOf(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return a.config
}

func (a *app) checkCommand() *cobra.Command {
	var connect bool
	c := &cobra.Command{
		Use: "check [DIR]", Short: "everything wrong with a ruleset, and where", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), a.dirOf(args), connect) },
	}
	c.Flags().BoolVar(&connect, "connect", false, "also ask every system whether it can be reached and has the columns; nothing is written")
	return c
}

func (a *app) check(ctx context.Context, dir string, connect bool) error {
	files, err := load.Read(dir)
	if err != nil {
		return err
	}
	set, diags := load.Load(dir, files, builtin.Kinds())
	var reached control.Doctor
	if connect && !diags.HasErrors() {
		reached.Checks = a.connect(ctx, set)
	}
	if a.table() {
		_, _ = io.WriteString(a.out, safe(diags.String()))
		a.printChecked(dir, set, diags)
		err = a.printChecks(reached.Checks)
	} else {
		err = a.printJSON(len(diags)+len(reached.Checks), func(i int) any {
			if i < len(diags) {
				return &diags[i]
			}
			return &reached.Checks[i-len(diags)]
		})
	}
	if err != nil {
		return err
	}
	return found(len(diags) > 0 || !reached.Well())
}

// found gives findings their exit code.
func found(any bool) error {
	if any {
		return &exit{code: exitFindings}
	}
	return nil
}

func (a *app) printChecked(dir string, set *rules.Ruleset, diags load.Diagnostics) {
	errors := 0
	for _, d := range diags {
		if d.Severity == load.Error {
			errors++
		}
	}
	if len(diags) > 0 {
		a.printf("\n%s: %s, %s\n", dir, counted(errors, "error"), counted(len(diags)-errors, "warning"))
		if errors > 0 {
			return
		}
	}
	a.printf("ruleset %s is good: %s, %s, %s\n", set.Digest, counted(len(set.Connectors), "connector"), counted(len(set.Flows), "flow"), counted(len(set.Tests), "test"))
	for _, f := range set.Flows {
		var names []string
		for _, r := range append(f.Judged(), f.Rules...) {
			names = append(names, r.Name)
		}
		a.printf("  flow %s (%s): %s.%s → %s.%s, judges %s\n", f.Name, f.Mode, f.From.Connector.Name, f.From.Name, f.To.Connector.Name, f.To.Name, orNone(names))
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no rules"
	}
	return strings.Join(names, ", ")
}

func (a *app) fmtCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use: "fmt [DIR]", Short: "write the files of a ruleset in canonical form", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.format(a.dirOf(args), check) },
	}
	c.Flags().BoolVar(&check, "check", false, "only name the files that are not, and leave with 3")
	return c
}

func (a *app) format(dir string, check bool) error {
	files, err := load.Read(dir)
	if err != nil {
		return err
	}
	var changed []string
	for _, f := range files {
		formatted := load.Format(f.Bytes)
		if bytes.Equal(formatted, f.Bytes) {
			continue
		}
		path := filepath.Join(dir, f.Name)
		if !check {
			if err := replaceFile(path, formatted); err != nil {
				return err
			}
		}
		changed = append(changed, path)
	}
	if err := a.printFiles(changed); err != nil {
		return err
	}
	return found(check && len(changed) > 0)
}

// replaceFile replaces a file as a whole: nobody ever reads half of it.
func replaceFile(path string, content []byte) error {
	path, err := filepath.EvalSymlinks(path) // a link stays one
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".fmt-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}

func (a *app) testCommand() *cobra.Command {
	var pattern string
	c := &cobra.Command{
		Use: "test [DIR]", Short: "run the ruleset's own tests", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.test(a.dirOf(args), pattern) },
	}
	c.Flags().StringVar(&pattern, "run", "", "only tests whose name matches this regular expression")
	return c
}

func (a *app) test(dir, pattern string) error {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return usage("--run: %v", err)
	}
	set, err := a.load(dir, exitFindings)
	if err != nil {
		return err
	}
	results := []testResult{}
	for _, t := range set.Tests {
		if match.MatchString(t.Name) {
			differences := t.Run().Differences
			results = append(results, testResult{t.Name, t.Place, len(differences) == 0, differences})
		}
	}
	return a.printTested(results)
}

// testResult is what became of one test block.
type testResult struct {
	Name        string   `json:"name"`
	Place       string   `json:"place"`
	Passed      bool     `json:"passed"`
	Differences []string `json:"differences,omitempty"`
}

func (a *app) printTested(results []testResult) error {
	p, passed := a.painter(), 0
	for _, r := range results {
		if r.Passed {
			passed++
		}
		switch {
		case !a.table():
		case r.Passed:
			a.printf("%s %s\n", p.green("ok  "), oneLine(r.Name))
		default:
			a.printf("%s %s  (%s)\n", p.red("FAIL"), oneLine(r.Name), r.Place)
		}
		for _, d := range r.Differences {
			if a.table() {
				a.printf("       %s\n", oneLine(d))
			}
		}
	}
	failed := len(results) - passed
	if a.table() {
		a.printf("%d passed, %d failed\n", passed, failed)
	} else if err := a.printJSON(len(results), func(i int) any { return &results[i] }); err != nil {
		return err
	}
	return found(failed > 0)
}
