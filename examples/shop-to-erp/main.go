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
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

//go:embed rules shop erp.sql
var systems embed.FS

// step is one thing somebody does, and what it shows.
type step struct {
	why  string
	args []string // of headgate; "@A-1003" is the exception of that order

	// Instead of a command: what is done, as a person would write it, and how.
	line string
	do   func(context.Context, *stage) error

	until string // ask until the answer matches: the daemon works beside
}

// The rule of the demo, and what it is mended to.
const (
	exactTotal   = "total == round(qty * price, 2)"
	roundedTotal = "abs(total - round(qty * price, 2)) <= 0.01"
)

// steps are a first day: look, run, look at what was stopped, mend.
var steps = []step{
	{why: "Is the ruleset right, and does it do what its own tests say?", args: []string{"test", "rules"}},
	{why: "What would happen to the first records? A plan writes nothing.", args: []string{"plan", "orders", "--limit", "8"}},
	{why: "Run it: every record read has an outcome.", args: []string{"run", "--once", "orders"}},
	{why: "And back: the ERP's numbers and status go to the shop.", args: []string{"run", "--once", "feedback"}},
	{why: "What waits for a person, by reason.", args: []string{"exceptions", "list"}},
	{why: "A total that is off by a cent, in full.", args: []string{"exceptions", "show", "@A-1003"}},
	{why: "An article the ERP refuses, in its own words.", args: []string{"exceptions", "show", "@A-1016"}},
	{why: "A customer the ERP does not have yet.", args: []string{"exceptions", "show", "@A-1010"}},
	{
		why: "The shop rounds otherwise: a cent is right. Mend the rule in a copy,", line: "cp -r rules mended; sed -i 's/" + exactTotal + "/" + roundedTotal + "/' mended/order.hcl",
		do: func(_ context.Context, s *stage) error {
			if err := os.CopyFS(filepath.Join(s.dir, "mended"), os.DirFS(filepath.Join(s.dir, "rules"))); err != nil {
				return err
			}
			return s.edit("mended/order.hcl", exactTotal, roundedTotal)
		},
	},
	{why: "and see what that changes, on the same records.", args: []string{"plan", "orders", "--limit", "0", "--against", "mended"}},
	{why: "Nothing is lost: what was read is what was settled.", args: []string{"verify"}},
	{why: "What became of one order, in all flows.", args: []string{"trace", "order", "A-1001"}},
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

// demo plays all steps in dir.
func demo(ctx context.Context, dir string, out io.Writer) (err error) {
	if err := setUp(dir); err != nil {
		return err
	}
	s := &stage{dir: dir, binary: filepath.Join(dir, "headgate"), out: out}
	// Without the profile, as tests are compiled: it need not be fast, and all is compiled once.
	build := exec.CommandContext(ctx, "go", "build", "-pgo=off", "-o", s.binary, "headgate/cmd/headgate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build headgate: %w", err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, step := range append(steps, daemonSteps...) {
		if err := step.play(ctx, s); err != nil {
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

// play shows a step, does it, and shows what it prints. Exit codes that tell of
// findings and of exceptions that wait are part of the show.
func (step *step) play(ctx context.Context, s *stage) error {
	if step.do != nil {
		s.say(step.why, step.line)
		return step.do(ctx, s)
	}
	args := make([]string, len(step.args))
	for i, arg := range step.args {
		if args[i] = arg; arg[0] == '@' {
			id, err := s.exceptionOf(ctx, arg[1:])
			if err != nil {
				return err
			}
			args[i] = id
		}
	}
	line := "headgate --config rules"
	for _, arg := range args {
		if strings.Contains(arg, " ") {
			arg = "'" + arg + "'"
		}
		line += " " + arg
	}
	s.say(step.why, line)
	if step.until != "" {
		answer, err := s.until(ctx, step.until, args...)
		_, _ = s.out.Write(answer)
		return err
	}
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = s.out, os.Stderr
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && (e.ExitCode() == 3 || e.ExitCode() == 5) {
		_, _ = fmt.Fprintf(s.out, "(exit %d)\n", e.ExitCode())
		return nil
	}
	return err
}
