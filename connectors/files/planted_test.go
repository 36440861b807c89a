package files

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"headgate/connectors"
	"headgate/engine/record"
)

// Whoever may put files into a directory that headgate writes must not be able to let
// it write, cut or read anything else.

// TestPlantedLinks: links under the names headgate is going to use lead nowhere.
func TestPlantedLinks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, planted := range map[string]string{
		"the file":         "out.jsonl",
		"its part":         ".out.jsonl.part",
		"its sum":          "out.jsonl.sum.json",
		"its sum, in part": ".out.jsonl.sum.json.part",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, outside := t.TempDir(), t.TempDir()
			write(t, outside, "audit.jsonl", "kept\n")
			if err := os.Symlink(filepath.Join(outside, "audit.jsonl"), filepath.Join(dir, planted)); err != nil {
				t.Fatal(err)
			}
			d := openDestination(t, dir)
			lot := connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Values: []record.Value{record.StringValue("x")}}}}
			if receipts, err := d.Apply(ctx, lot); err != nil || receipts[0].Status != connectors.Applied {
				t.Fatal(receipts, err)
			}
			if _, err := d.Mark(ctx); err != nil {
				t.Fatal(err)
			}
			if err := d.Finish(ctx); err != nil {
				t.Fatal(err)
			}
			if kept, err := os.ReadFile(filepath.Join(outside, "audit.jsonl")); err != nil || string(kept) != "kept\n" {
				t.Errorf("what the link leads to is %q now, %v", kept, err)
			}
			published, err := filepath.Glob(filepath.Join(dir, "out*.jsonl"))
			if err != nil || len(published) == 0 {
				t.Fatal("nothing was published")
			}
			for _, file := range published {
				info, err := os.Lstat(file + sumSuffix)
				if filepath.Base(file) != planted && (err != nil || !info.Mode().IsRegular()) {
					t.Errorf("%s has no sum of its own: %v, %v", file, info, err)
				}
			}
		})
	}
}

// TestPlantedPart: a link in the place of what was settled is not gone on with: what it
// leads to would be cut. A mark names nothing outside.
func TestPlantedPart(t *testing.T) {
	t.Parallel()
	dir, outside, ctx := t.TempDir(), t.TempDir(), context.Background()
	d := openDestination(t, dir)
	lot := connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Values: []record.Value{record.StringValue("x")}}}}
	if _, err := d.Apply(ctx, lot); err != nil {
		t.Fatal(err)
	}
	settled, err := d.Mark(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, ".out.jsonl.part")
	begins, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	kept := string(begins) + "and more\n"
	write(t, outside, "audit.jsonl", kept)
	if err := os.Remove(part); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "audit.jsonl"), part); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{settled, strings.Replace(settled, "out.jsonl", "../"+filepath.Base(outside)+"/out.jsonl", 1)} {
		if err := d.Restore(ctx, mark); err == nil {
			t.Errorf("%s is gone on with", mark)
		}
		if text, err := os.ReadFile(filepath.Join(outside, "audit.jsonl")); err != nil || string(text) != kept {
			t.Errorf("what the link leads to is %q now, %v", text, err)
		}
	}
	write(t, outside, "out.jsonl", string(begins))
	if err := d.Restore(ctx, strings.Replace(settled, "out.jsonl", "../"+filepath.Base(outside)+"/out.jsonl", 1)); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("a mark that leads out: %v", err)
	}
}

// TestRenameReplacesNothing: a name that is taken stays whose it is.
func TestRenameReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "ours", "ours")
	write(t, dir, "theirs", "theirs")
	if err := rename(filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")); !os.IsExist(err) {
		t.Errorf("got %v, want that it is there", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "theirs")); err != nil || string(text) != "theirs" {
		t.Errorf("it holds %q now, %v", text, err)
	}
}

// TestPlantedPipes: what is no file is neither read nor waited for, also where it took
// the place of a file since that was listed, or of what was settled.
func TestPlantedPipes(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), context.Background()
	for _, name := range []string{"1.csv", "out.jsonl"} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "2.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a")
	for part, err := range s.Parts(ctx) {
		t.Errorf("%v is listed, %v", part, err)
	}
	for _, name := range []string{"1.csv", "2.csv"} {
		ended := make(chan error, 1)
		go func() {
			_, err := s.Read(ctx, connectors.Part{Name: name}, "", 10)
			ended <- err
		}()
		select {
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), "no file") {
				t.Errorf("%s is read: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s holds the flow for ever", name)
		}
	}
	d := openDestination(t, dir)
	if err := d.Restore(ctx, `{"name":"out.jsonl","length":3,"rows":1,"sum":"0000000000000000"}`); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("a pipe is taken for what was settled: %v", err)
	}
}

// TestOutside: no name leads out of the connector's directory, whatever it goes through.
func TestOutside(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret.csv", "a\n1\n")
	if err := os.Symlink(outside, filepath.Join(dir, "drop")); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a").(*source)
	for _, glob := range []string{"drop/*.csv", "*/*.csv", "drop/secret.csv"} {
		s.settings.Glob = glob
		if names, err := s.list(); len(names) > 0 {
			t.Errorf("%s: %q, %v", glob, names, err)
		}
	}
	for _, name := range []string{"drop/secret.csv", "../" + filepath.Base(outside) + "/secret.csv", filepath.Join(outside, "secret.csv")} {
		if page, err := s.Read(context.Background(), connectors.Part{Name: name}, "", 10); err == nil {
			t.Errorf("%s is read: %d rows", name, page.Len())
		}
	}
	for _, bad := range []Resource{{Glob: "../*.csv"}, {Glob: "/etc/*"}, {Glob: "a/../../x"}, {File: "../x.csv"}, {File: "sub/x.csv"}, {File: "%D.csv"}, {File: ".."}} {
		bad.CSV = csvSettings()
		if err := bad.Validate(); err == nil {
			t.Errorf("%q %q is taken", bad.Glob, bad.File)
		}
	}
}

func openDestination(t *testing.T, dir string) *destination {
	t.Helper()
	c, err := Kind().Open(&Settings{Dir: dir}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	d, err := c.Destination(connectors.Resource{Settings: &Resource{File: "out.jsonl", JSONL: &JSONL{}}, Write: []record.Column{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	return d.(*destination)
}
