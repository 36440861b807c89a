package rules_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"headgate/connectors/builtin"
	"headgate/rules"
	"headgate/rules/load"
)

// TestRulesets runs the test blocks of each ruleset in testdata and compares all
// that became of them with what stands below it. UPDATE=1 writes that anew.
func TestRulesets(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(err, paths)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			set, diags := load.Load(t.TempDir(), []load.File{{Name: "rules.hcl", Bytes: archive.Files[0].Data}}, builtin.Kinds())
			for _, d := range diags {
				t.Error(d)
			}
			if diags.HasErrors() {
				return
			}
			var got strings.Builder
			for _, test := range set.Tests {
				describe(&got, test)
			}
			if os.Getenv("UPDATE") != "" {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "results", Data: []byte(got.String())})
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(archive.Files[1].Data); got.String() != want {
				t.Errorf("results:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

func describe(b *strings.Builder, test *rules.Test) {
	result := test.Run()
	fmt.Fprintf(b, "%s: %s\n", test.Name, result.Outcome)
	for _, f := range result.Failures {
		fmt.Fprintf(b, "  ! %s: %s\n", strings.TrimSpace(f.Code+" "+f.Rule), f.Message)
	}
	for _, column := range slices.Sorted(maps.Keys(result.Write)) {
		v := result.Write[column]
		text := fmt.Sprintf("%q", v.Text())
		if v.Missing() {
			text = "null"
		}
		fmt.Fprintf(b, "  %s = %s\n", column, text)
	}
	for _, column := range result.Kept {
		fmt.Fprintf(b, "  %s is kept\n", column)
	}
	for _, d := range result.Differences {
		fmt.Fprintf(b, "  NOT AS EXPECTED: %s\n", d)
	}
}
