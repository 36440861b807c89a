package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// initial is the small ruleset that init writes.
//
//go:embed initial
var initial embed.FS

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "write a small working ruleset to start from", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return a.init(dir)
		},
	}
}

func (a *app) init(dir string) error {
	if found, err := filepath.Glob(filepath.Join(dir, "*.hcl")); err != nil || len(found) > 0 {
		return errors.Join(err, fmt.Errorf("%s holds a ruleset already: give another directory", dir))
	}
	var written []string
	err := fs.WalkDir(initial, "initial", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel("initial", path)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := initial.ReadFile(path)
		if err != nil {
			return err
		}
		written = append(written, target)
		return writeNew(target, content)
	})
	if err != nil {
		return fmt.Errorf("write the ruleset: %w", err)
	}
	if err := a.printFiles(written); err != nil || !a.table() {
		return err
	}
	a.printf("\nnext: headgate --config %s check, then test, then plan contacts, then run --once\n", dir)
	return nil
}

// initialAge is how long ago init says its files were written: a sample that is read
// at once, and not after it has settled, shows at once what a plan is.
const initialAge = time.Minute

// writeNew writes a file that must not be there yet.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	then := time.Now().Add(-initialAge)
	return os.Chtimes(path, then, then)
}
