package exceptions

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headgate/engine"
)

// Prune removes rotated files whose last line was written before the time. What
// still waits in them is written once more first: an open exception is never forgotten.
func (l *Log) Prune(before time.Time) error {
	old, err := l.oldFiles(before)
	if err != nil || len(old) == 0 {
		return err
	}
	open, _, err := Current(l.dir)
	if err != nil {
		return fmt.Errorf("prune the exception log: %w", err)
	}
	if err := l.carry(open, old); err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("prune the exception log: %w", err)
		}
	}
	return syncDir(l.dir)
}

func (l *Log) oldFiles(before time.Time) (old []string, err error) {
	names, err := numbered(l.dir, rotatedForm)
	if err != nil {
		return nil, fmt.Errorf("prune the exception log: %w", err)
	}
	for _, name := range names {
		path := filepath.Join(l.dir, name)
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("prune the exception log: %w", err)
		}
		if !info.ModTime().Before(before) {
			break // the newer ones are newer
		}
		old = append(old, path)
	}
	return old, nil
}

// carry writes the open exceptions that have a line in the old files once more, with
// the time since when they wait.
func (l *Log) carry(open []State, old []string) error {
	inOld := make(map[string]bool)
	for _, name := range old {
		readFile(name, func(x engine.Exception, err error) bool {
			if err == nil {
				inOld[x.ID] = true
			}
			return true
		})
	}
	var carried []engine.Exception
	for i := range open {
		if inOld[open[i].ID] {
			carried = append(carried, open[i].Exception)
		}
	}
	if len(carried) == 0 {
		return nil
	}
	return l.Append(carried)
}
