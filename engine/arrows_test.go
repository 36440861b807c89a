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

// arrows says what each package may import of headgate, tests aside. Each has a line
// of its own, except the kinds of connectors, which are told nothing of each other.
var arrows = map[string][]string{
	"engine/record":                 {},
	"engine/durable":                {},
	"engine/lines":                  {"engine/durable", "engine/record"},
	"connectors":                    {"engine/record"},
	"connectors/keyset":             {"connectors", "engine/record"},
	"connectors/document":           {"engine/record"},
	"connectors/connectortest":      {"connectors", "engine/record"},
	"connectors/connectortest/wire": {},
	"connectors/http/shopapi":       {},
	"connectors/postgres/pgtest":    {},
	kinds:                           {"connectors", "connectors/document", "connectors/keyset", "engine/durable", "engine/record"},
	"connectors/builtin":            {"connectors", kinds},
	"rules":                         {"engine/record", "rules/expression"},
	"rules/expression":              {"engine/record"},
	"rules/load":                    {"connectors", "engine/record", "rules", "rules/expression"},
	"engine":                        {"connectors", "engine/record", "rules", "rules/expression"},
	"engine/state":                  {"connectors", "engine", "engine/durable", "engine/record"},
	"engine/notes":                  {"engine", "engine/durable"},
	"engine/exceptions":             {"engine", "engine/lines", "engine/record"},
	"engine/audit":                  {"engine", "engine/lines"},
	"engine/alerts":                 {"connectors", "engine", "engine/durable", "engine/record", "rules"},
	"engine/control":                {"connectors", "engine", "engine/audit", "engine/exceptions", "engine/record", "engine/state", "rules"},
	"engine/watch":                  {},
	"engine/bench":                  {},
	"engine/simulation":             {},
	"cmd/headgate":                  {"*"},
	"cmd/headgate/internal/systemd": {},
	"examples/orders-to-api":        {"connectors/http/shopapi"},
	"examples/shop-to-erp":          {},
}

// kinds are the packages of the kinds of connectors: those that have no line.
const kinds = "connectors/*"

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

// TestArrows holds the table, and that no line of it is about a package that is gone.
func TestArrows(t *testing.T) {
	t.Parallel()
	root, met := "..", make(map[string]bool)
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
		line := lineOf(dir)
		if met[line] = true; line == "" {
			t.Errorf("%s is not in the table of arrows", dir)
		}
		for _, spec := range parsed.Imports {
			checkImport(t, dir, arrows[line], strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range arrows {
		if !met[line] {
			t.Errorf("the table of arrows has a line for %s, and there is no such package", line)
		}
	}
}

func checkImport(t *testing.T, dir string, allowed []string, imported string) {
	for library, door := range doors {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && dir != door {
			t.Errorf("%s imports %s, whose only door is %s", dir, imported, door)
		}
	}
	ours, ok := strings.CutPrefix(imported, "headgate/")
	if !ok || slices.Contains(allowed, "*") || slices.Contains(allowed, ours) {
		return
	}
	if lineOf(ours) != kinds || !slices.Contains(allowed, kinds) {
		t.Errorf("%s imports %s, and may import only %v", dir, ours, allowed)
	}
}

// lineOf names the line of a package: its own, or that of the kinds; "": none.
func lineOf(dir string) string {
	if _, ok := arrows[dir]; ok {
		return dir
	}
	if path.Dir(dir) == path.Dir(kinds) {
		return kinds
	}
	return ""
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
