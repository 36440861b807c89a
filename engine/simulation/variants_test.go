package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// variantsEnv lets broken variants be built and run: those whose names it matches, as a
// whole.
const variantsEnv = "HEADGATE_TEST_VARIANTS"

// TestVariants builds the engine with one of its rules broken, and holds that the
// simulation, the loop of faults or a seed that failed once then fails. A variant is a
// file of testdata/variants: what is broken, and for each change of a file the text
// that stands there and the text that stands there instead. The product knows nothing
// of them.
//
// Each is a build of its own: without the variable only that their texts stand in the
// code is held.
func TestVariants(t *testing.T) {
	chosen, err := regexp.Compile("^(?:" + os.Getenv(variantsEnv) + ")$")
	if err != nil {
		t.Fatalf("%s: %v", variantsEnv, err)
	}
	paths, err := filepath.Glob("testdata/variants/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no variants", err)
	}
	named := func(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txtar") }
	if os.Getenv(variantsEnv) != "" && !slices.ContainsFunc(paths, func(path string) bool { return chosen.MatchString(named(path)) }) {
		t.Fatalf("%s=%s is none of %v", variantsEnv, os.Getenv(variantsEnv), paths)
	}
	for _, path := range paths {
		name := named(path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !chosen.MatchString(name) {
				writeOverlay(t, archive, t.TempDir())
				return
			}
			rule := strings.TrimSpace(string(archive.Comment))
			if how := caught(t, archive); how != "" {
				t.Logf("%s: %s", rule, how)
			} else {
				t.Errorf("%s: not caught", rule)
			}
		})
	}
}

// caught builds and runs a variant, and says how it was caught, "" when it was not.
func caught(t *testing.T, archive *txtar.Archive) string {
	dir := t.TempDir()
	overlay, binary := writeOverlay(t, archive, dir), filepath.Join(dir, "variant.test")
	build := exec.Command("go", "test", "-c", "-pgo=off", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, proof := range []string{"TestRegressions", "TestSimulate", "TestFaults"} {
		run := exec.Command(binary, "-test.run=^"+proof+"$", "-test.failfast", "-test.timeout=10m")
		run.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprintf("%s=%d", runsEnv, numberOf(runsEnv, 5000)), seedEnv+"=")
		if out, err := run.CombinedOutput(); err != nil {
			return proof + ": " + firstProblem(string(out))
		}
	}
	return ""
}

// firstProblem is the first line that says what was wrong.
func firstProblem(out string) string {
	seed := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if _, at, ok := strings.Cut(line, "seed "); ok && seed == "" {
			seed, _, _ = strings.Cut(at, ",")
			seed = "seed " + seed + ": "
		}
		if problem, ok := strings.CutPrefix(line, "- "); ok {
			return seed + problem
		}
	}
	if _, failure, ok := strings.Cut(out, "--- FAIL: TestFaults/"); ok { // a failure of the loop of faults
		out = failure
	}
	lines := strings.SplitN(out, "\n", 4)
	return strings.Join(lines[:min(3, len(lines))], " / ")
}

// writeOverlay writes the changed files, and the list of them that the compiler takes.
func writeOverlay(t *testing.T, archive *txtar.Archive, dir string) string {
	changed := make(map[string]string)
	for i := 0; i+1 < len(archive.Files); i += 2 {
		before, after := archive.Files[i], archive.Files[i+1]
		if !strings.HasSuffix(before.Name, " before") || !strings.HasSuffix(after.Name, " after") {
			t.Fatalf("files %q and %q are no pair of before and after", before.Name, after.Name)
		}
		path := strings.TrimSuffix(before.Name, " before")
		text, ok := changed[path]
		if !ok {
			content, err := os.ReadFile(filepath.Join("../..", path))
			if err != nil {
				t.Fatal(err)
			}
			text = string(content)
		}
		if n := strings.Count(text, string(before.Data)); n != 1 {
			t.Fatalf("the text to change stands %d times in %s: say it anew\n%s", n, path, before.Data)
		}
		changed[path] = strings.Replace(text, string(before.Data), string(after.Data), 1)
	}
	replace := make(map[string]string)
	for path, text := range changed {
		original, err := filepath.Abs(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[original], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
