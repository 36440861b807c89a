// Command shop-to-erp shows headgate at work: a web shop's CSV drops go into a
// SQLite ERP, and the ERP's numbers go back. It builds headgate, makes the two
// systems in a temporary directory, and runs the commands an operator would.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

//go:embed rules mended shop erp.sql
var systems embed.FS

// step is one command of the demo, and what it shows.
type step struct {
	why  string
	args []string
}

// steps are what an operator does on a first day.
var steps = []step{
	{"Is the ruleset right, and does it do what its own tests say?", []string{"test", "rules"}},
	{"What would happen to the first records? A plan writes nothing.", []string{"plan", "orders", "--limit", "8"}},
	{"Run it: every record read has an outcome.", []string{"run", "--once", "orders"}},
	{"And back: the ERP's numbers and status go to the shop.", []string{"run", "--once", "feedback"}},
	{"What waits for a person, by reason.", []string{"exceptions", "list"}},
	{"A total that is off by a cent, in full.", []string{"exceptions", "show", "@A-1003"}},
	{"An article the ERP refuses, in its own words.", []string{"exceptions", "show", "@A-1016"}},
	{"A customer the ERP does not have yet.", []string{"exceptions", "show", "@A-1010"}},
	{"Mend the rule in a copy, and see what that changes, on the same records.", []string{"plan", "orders", "--limit", "0", "--against", "mended"}},
	{"Nothing is lost: what was read is what was settled.", []string{"verify"}},
	{"What became of one order, in all flows.", []string{"trace", "order", "A-1001"}},
}

func main() {
	dir, err := os.MkdirTemp("", "shop-to-erp")
	if err == nil {
		err = errors.Join(demo(context.Background(), dir, os.Stdout), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// demo runs all steps in dir.
func demo(ctx context.Context, dir string, out io.Writer) error {
	if err := setUp(dir); err != nil {
		return err
	}
	binary := filepath.Join(dir, "headgate")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "headgate/cmd/headgate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build headgate: %w", err)
	}
	for _, s := range steps {
		if err := s.run(ctx, dir, binary, out); err != nil {
			return err
		}
	}
	return nil
}

// setUp writes the two systems and the rulesets.
func setUp(dir string) error {
	err := fs.WalkDir(systems, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, path)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := systems.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		return fmt.Errorf("set up the systems: %w", err)
	}
	script, err := systems.ReadFile("erp.sql")
	if err != nil {
		return err
	}
	db, err := sqlitedb.OpenConn(filepath.Join(dir, "erp.db"))
	if err != nil {
		return fmt.Errorf("make the ERP: %w", err)
	}
	return errors.Join(sqlitex.ExecuteScript(db, string(script), nil), db.Close())
}

// run shows a command and what it prints. Exit codes that tell of findings and of
// exceptions that wait are part of the show.
func (s step) run(ctx context.Context, dir, binary string, out io.Writer) error {
	args := []string{"--config", "rules"}
	for _, arg := range s.args {
		if arg[0] == '@' {
			id, err := exceptionOf(ctx, dir, binary, arg[1:])
			if err != nil {
				return err
			}
			arg = id
		}
		args = append(args, arg)
	}
	_, _ = fmt.Fprintf(out, "\n# %s\n$ headgate", s.why)
	for _, arg := range args {
		_, _ = fmt.Fprintf(out, " %s", arg)
	}
	_, _ = fmt.Fprintln(out)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, os.Stderr
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && (e.ExitCode() == 3 || e.ExitCode() == 5) {
		_, _ = fmt.Fprintf(out, "(exit %d)\n", e.ExitCode())
		return nil
	}
	return err
}
