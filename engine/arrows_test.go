package engine

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrows says what each package may import of headgate, tests aside, and which
// libraries have their only door in it.
var arrows = map[string][]string{
	"engine/record":                 {},
	"connectors":                    {"engine/record"},
	"connectors/keyset":             {"connectors", "engine/record"},
	"connectors/builtin":            {"connectors", "connectors/*"},
	"connectors/*":                  {"connectors", "connectors/keyset", "connectors/postgres/pgtest", "engine/record"},
	"rules":                         {"engine/record", "rules/expression"},
	"rules/expression":              {"engine/record"},
	"rules/load":                    {"rules", "rules/expression", "connectors", "engine/record"},
	"engine":                        {"rules", "rules/expression", "connectors", "engine/record"},
	"engine/state":                  {"engine", "engine/record"},
	"engine/lines":                  {"engine/record"},
	"engine/exceptions":             {"engine", "engine/lines", "engine/record"},
	"engine/audit":                  {"engine", "engine/lines"},
	"engine/watch":                  {},
	"engine/control":                {"engine", "engine/audit", "engine/exceptions", "engine/record", "connectors", "rules"},
	"engine/alerts":                 {"engine", "engine/record", "rules", "connectors"},
	"engine/*":                      {"engine", "engine/*", "rules", "engine/record", "connectors", "connectors/*", "rules/load"},
	"cmd/headgate":                  {"*"},
	"cmd/headgate/internal/systemd": {},
	"examples/*":                    {},
}

// doors are the libraries that only one package may import.
var doors = map[string]string{
	"github.com/expr-lang/expr":        "rules/expression",
	"github.com/hashicorp/hcl/v2":      "rules/load",
	"go.etcd.io/bbolt":                 "engine/state",
	"github.com/spf13/cobra":           "cmd/headgate",
	"github.com/fsnotify/fsnotify":     "engine/watch",
	"github.com/coreos/go-systemd/v22": "cmd/headgate/internal/systemd",
	"github.com/robfig/cron/v3":        "rules/load",
}

func TestArrows(t *testing.T) {
	t.Parallel()
	root := ".."
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			checkImport(t, dir, strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImport(t *testing.T, dir, imported string) {
	for library, door := range doors {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && dir != door {
			t.Errorf("%s imports %s, whose only door is %s", dir, imported, door)
		}
	}
	ours, ok := strings.CutPrefix(imported, "headgate/")
	if !ok {
		return
	}
	allowed, known := arrowsOf(dir)
	if !known {
		t.Errorf("%s is not in the table of arrows", dir)
	}
	if !slices.ContainsFunc(allowed, func(pattern string) bool { return pattern == "*" || matches(pattern, ours) }) {
		t.Errorf("%s imports %s, and may import only %v", dir, ours, allowed)
	}
}

// arrowsOf finds the line of a package: its own, or that of its folder.
func arrowsOf(dir string) ([]string, bool) {
	if allowed, ok := arrows[dir]; ok {
		return allowed, true
	}
	for pattern, allowed := range arrows {
		if matches(pattern, dir) {
			return allowed, true
		}
	}
	return nil, false
}

func matches(pattern, dir string) bool {
	ok, err := path.Match(pattern, dir)
	return err == nil && ok || pattern == dir || strings.HasSuffix(pattern, "/*") && strings.HasPrefix(dir, strings.TrimSuffix(pattern, "*"))
}

// TestDocuments holds that every package says what it is for.
func TestDocuments(t *testing.T) {
	t.Parallel()
	documented := make(map[string]bool)
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		documented[filepath.Dir(file)] = documented[filepath.Dir(file)] || parsed.Doc != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package document", dir)
		}
	}
}
