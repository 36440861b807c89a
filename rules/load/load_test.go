package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"headgate/connectors/builtin"
	"headgate/rules/load"
)

// TestBadRulesets: each file of testdata/bad is a ruleset and what must be said of
// it. UPDATE=1 writes the expected texts anew: read them before committing.
func TestBadRulesets(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(names) < 80 {
		t.Fatalf("%d bad rulesets, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			checkBad(t, name)
		})
	}
}

func checkBad(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var files []load.File
	want, at := "", -1
	for i, f := range archive.Files {
		if f.Name == "expected" {
			want, at = string(f.Data), i
			continue
		}
		files = append(files, load.File{Name: f.Name, Bytes: f.Data})
	}
	_, diags := load.Load("rules", files, builtin.Kinds())
	got := diags.String()
	if len(diags) == 0 {
		t.Fatal("nothing is said of it")
	}
	for _, d := range diags {
		if d.Summary == "" || d.Code == "" || d.File == "" || d.Line < 1 || d.Column < 1 {
			t.Errorf("incomplete: %+v", d)
		}
	}
	if os.Getenv("UPDATE") != "" {
		if at < 0 {
			archive.Files = append(archive.Files, txtar.File{Name: "expected"})
			at = len(archive.Files) - 1
		}
		archive.Files[at].Data = []byte(got)
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	_, diags := load.Load("rules", []load.File{{Name: "x.hcl", Bytes: []byte("flwo \"x\" {\n}\n")}}, builtin.Kinds())
	var back []load.Diagnostic
	text, err := json.Marshal(diags)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil || len(back) != 1 || back[0].Line != 1 || back[0].Length != 4 || back[0].Hint != "did you mean `flow`?" {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestHostileFiles: what could make a parser overflow its stack is refused before it,
// and people are told what and where.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, want string }{
		"brackets":   {"a = " + strings.Repeat("[", 100_000), "x.hcl:1: nested deeper than 64"},
		"in quotes":  {"a = \"" + strings.Repeat("${", 100_000), "x.hcl:1: nested deeper than 64"},
		"blocks":     {strings.Repeat("a {\n", 10_000), "x.hcl:65: nested deeper than 64"},
		"nots":       {"a = " + strings.Repeat("!", 100_000) + "true", "x.hcl:1: nested deeper than 64"},
		"minuses":    {"a = " + strings.Repeat("- ", 100_000) + "1", "x.hcl:1: nested deeper than 64"},
		"large":      {strings.Repeat("# x\n", 100_000), "x.hcl:1: the file is larger than 256 KiB"},
		"as large":   {strings.Repeat("#\n", 128<<10), ""},
		"zero":       {"a = \"\x00\"", "x.hcl:1: the file holds a zero byte"},
		"encoding":   {"# \n a = \"\xff\"", "x.hcl:2: the file is not UTF-8"},
		"mark":       {"\xef\xbb\xbfa = 1", "x.hcl:1: the file begins with a byte order mark"},
		"empty":      {"", ""},
		"expression": {"entity \"e\" {\n  key = [a]\n  field \"a\" {\n    type = string\n  }\n  rule \"r\" {\n    check = \"" + strings.Repeat("(", 60) + "\"\n  }\n}\n", "x.hcl:7: nested deeper than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, diags := load.Load("rules", []load.File{{Name: "x.hcl", Bytes: []byte(test.content)}}, builtin.Kinds())
			if set == nil {
				t.Fatal("no ruleset")
			}
			if diags.HasErrors() != (test.want != "") || !strings.HasPrefix(diags.Error(), test.want) {
				t.Errorf("says %s, want %q", diags.Error(), test.want)
			}
			if text := diags.String(); len(text) > 10_000 {
				t.Errorf("a text of %d bytes", len(text))
			}
		})
	}
}

// TestTornRulesets: a ruleset that lacks a line, or ends early, is told what
// is wrong with it, or is right; it never ends the process that reads it.
func TestTornRulesets(t *testing.T) {
	t.Parallel()
	files, err := load.Read("../../examples/shop-to-erp/rules")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		lines := bytes.SplitAfter(f.Bytes, []byte("\n"))
		for k := 0; k < len(lines); k += 3 {
			for _, torn := range [][][]byte{append(slices.Clone(lines[:k]), lines[k+1:]...), lines[:k]} {
				changed := slices.Clone(files)
				changed[i].Bytes = bytes.Join(torn, nil)
				set, diags := load.Load("rules", changed, builtin.Kinds())
				if set == nil {
					t.Fatalf("%s without line %d: no ruleset", f.Name, k+1)
				}
				for _, d := range diags {
					if d.Code == "" || d.Line < 1 {
						t.Errorf("%s without line %d: %+v", f.Name, k+1, d)
					}
				}
			}
		}
	}
}

// TestExamples: the rulesets of the examples load without a word.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../../examples/shop-to-erp/rules", "../../cmd/headgate/initial"} {
		files, err := load.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, diags := load.Load(dir, files, builtin.Kinds()); len(diags) > 0 {
			t.Errorf("%s:\n%s", dir, diags)
		}
	}
}

// TestDigest: layout and comments do not change what decides over records; rules do.
func TestDigest(t *testing.T) {
	t.Parallel()
	files, err := load.Read("../../examples/shop-to-erp/rules")
	if err != nil {
		t.Fatal(err)
	}
	digest := func(change func([]byte) []byte) string {
		var changed []load.File
		for _, f := range files {
			changed = append(changed, load.File{Name: f.Name, Bytes: change(f.Bytes)})
		}
		set, diags := load.Load("rules", changed, builtin.Kinds())
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return set.Flows[0].Digest
	}
	same := digest(bytes.Clone)
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
	}
	for _, harmless := range []func([]byte) []byte{replace("  key = ", "  # a comment\n  key   = "), replace("size = 10", "size = 20"), replace("70%", "60%")} {
		if digest(harmless) != same {
			t.Error("a harmless change changed the digest")
		}
	}
	for _, change := range []func([]byte) []byte{replace("qty * price, 2", "qty * price, 1"), replace("min  = 1", "min  = 2"), replace("%d.%m.%Y", "%d.%m.%y")} {
		if digest(change) == same {
			t.Error("a change of meaning kept the digest")
		}
	}
}

func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(_ *testing.T, content []byte) {
		_, diags := load.Load("rules", []load.File{{Name: "x.hcl", Bytes: content}}, builtin.Kinds())
		_ = diags.String()
	})
}

func BenchmarkThousandRules(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("entity \"order\" {\n  key = [no]\n  field \"no\" {\n    type = string\n  }\n  field \"total\" {\n    type = decimal\n  }\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  rule \"r%d\" {\n    check = \"total > %d and no != 'x%d'\"\n  }\n", i, i, i)
	}
	text.WriteString("}\n")
	files := []load.File{{Name: "x.hcl", Bytes: text.Bytes()}}
	for b.Loop() {
		if _, diags := load.Load("rules", files, builtin.Kinds()); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

// TestStateDir: the state is found without the rest of the ruleset, whatever is wrong with it.
func TestStateDir(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"headgate {\n  state = \"/var/lib/x\"\n}\n":                          "/var/lib/x",
		"headgate {\n  state = \"/var/lib/x\"\n}\nflow \"a\" {\n  from = \n": "/var/lib/x",
		"connector \"headgate\" {\n}\n":                                      "",
		"headgate {\n  state = 7 +\n":                                        "",
		"":                                                                   "",
	} {
		if got := load.StateDir([]load.File{{Name: "a.hcl", Bytes: []byte(text)}, {Name: "b.hcl", Bytes: []byte("nonsense {")}}); got != want {
			t.Errorf("%q names the state %q, want %q", text, got, want)
		}
	}
}
