package load_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"headgate/rules/load"
)

// TestReadsFilesOnly: a link to a file is one, as packages lay them; what is no file is
// told at once, and holds nobody.
func TestReadsFilesOnly(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(target, []byte("headgate {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		make func(path string) error
		want string // of the error
	}{
		"link":      {func(path string) error { return os.Symlink(target, path) }, ""},
		"pipe":      {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is no file"},
		"device":    {func(path string) error { return os.Symlink("/dev/zero", path) }, "is no file"},
		"directory": {func(path string) error { return os.Symlink("/", path) }, "is no file"},
		"loop":      {func(path string) error { return os.Symlink(path, path) }, "too many levels"},
	} {
		dir := t.TempDir()
		if err := test.make(filepath.Join(dir, "x.hcl")); err != nil {
			t.Fatal(err)
		}
		files, err := load.Read(dir)
		if test.want == "" && (err != nil || len(files) != 1) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %d files, %v", name, len(files), err)
		}
	}
}

// TestInvisible: what is reviewed is what runs: a file with characters that turn the
// direction of writing, or that a terminal acts on, is refused; escaped they are texts.
func TestInvisible(t *testing.T) {
	t.Parallel()
	for text, refused := range map[string]bool{
		"# \u202e } esrever\n": true, "# \u2066x\u2069\n": true, "# \x1b[2J\n": true, "# \u009b2J\n": true,
		"# héllo →\t\r\n": false, `# \u202e` + "\n": false,
	} {
		_, diags := load.Load(".", []load.File{{Name: "x.hcl", Bytes: []byte("headgate {\n}\n" + text)}}, nil)
		told := strings.Contains(diags.String(), "is not shown and changes what is")
		if told != refused {
			t.Errorf("%q: %s", text, diags)
		}
	}
}
