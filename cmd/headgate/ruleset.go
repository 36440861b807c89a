package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"headgate/connectors"
	"headgate/connectors/builtin"
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
	var asJSON bool
	c := &cobra.Command{
		Use: "check [DIR]", Short: "everything wrong with a ruleset, and where", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.check(a.dirOf(args), asJSON || a.output == "json")
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) check(dir string, asJSON bool) error {
	files, err := load.Read(dir)
	if err != nil {
		return err
	}
	set, diags := load.Load(dir, files, builtin.Kinds())
	findings := &exit{code: exitFindings}
	if asJSON {
		_, _ = a.out.Write(diags.JSON())
	} else {
		_, _ = io.WriteString(a.out, safe(diags.String()))
		a.printChecked(dir, set, diags)
	}
	if len(diags) > 0 {
		return findings
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
	found := false
	for _, f := range files {
		formatted := load.Format(f.Bytes)
		if bytes.Equal(formatted, f.Bytes) {
			continue
		}
		found = true
		a.printf("%s\n", filepath.Join(dir, f.Name))
		if !check {
			if err := replaceFile(filepath.Join(dir, f.Name), formatted); err != nil {
				return err
			}
		}
	}
	if check && found {
		return &exit{code: exitFindings}
	}
	return nil
}

// replaceFile replaces a file as a whole: nobody ever reads half of it.
func replaceFile(path string, content []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temp := path + ".tmp"
	if err := os.WriteFile(temp, content, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(temp, path)
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
	p := a.painter()
	passed, failed := 0, 0
	for _, t := range set.Tests {
		if !match.MatchString(t.Name) {
			continue
		}
		result := t.Run()
		if len(result.Differences) == 0 {
			passed++
			a.printf("%s %s\n", p.green("ok  "), t.Name)
			continue
		}
		failed++
		a.printf("%s %s  (%s)\n", p.red("FAIL"), t.Name, t.Place)
		for _, d := range result.Differences {
			a.printf("       %s\n", oneLine(d))
		}
	}
	a.printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return &exit{code: exitFindings}
	}
	return nil
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "what this build is", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		a.printf("headgate %s %s\n", version(), runtime.Version())
		return nil
	}}
}

// version names this build: its version, and the commit where that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(no build information)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value
		}
	}
	return info.Main.Version
}

func (a *app) connectorsCommand() *cobra.Command {
	list := &cobra.Command{Use: "connectors", Short: "the types of connectors, and their arguments", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		for _, k := range builtin.Kinds() {
			a.printf("%s  %s\n", pad(k.Name, 10), k.Summary)
		}
		return nil
	}}
	list.AddCommand(&cobra.Command{Use: "show TYPE", Short: "the arguments of one type", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		var names []string
		for _, k := range builtin.Kinds() {
			names = append(names, k.Name)
			if k.Name == args[0] {
				a.showKind(k)
				return nil
			}
		}
		return fmt.Errorf("no connector type is called %q: there are %s", args[0], strings.Join(names, ", "))
	}})
	return list
}

func (a *app) showKind(k connectors.Kind) {
	a.printf("%s: %s\n\nconnector\n", k.Name, k.Summary)
	a.showFields(reflect.TypeOf(k.Settings()).Elem(), "  ")
	a.printf("\nresource\n")
	a.showFields(reflect.TypeOf(k.Resource()).Elem(), "  ")
}

func (a *app) showFields(t reflect.Type, indent string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("hcl"), ",")
		if name == "" {
			continue
		}
		note := f.Tag.Get("doc")
		if option == "" {
			note += " (required)"
		}
		if option == "block" {
			a.printf("%s%s { }  %s\n", indent, name, note)
			a.showFields(f.Type.Elem(), indent+"  ")
			continue
		}
		a.printf("%s%s  %s\n", indent, pad(name, 14), note)
	}
}
