package lines

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headgate/engine/durable"
)

// Old returns the rotated files whose last line was written before the time.
func (l *Log) Old(before time.Time) (old []string, err error) {
	all, err := numbered(l.names.dir, l.names.rotated())
	if err != nil {
		return nil, fmt.Errorf("list the log of %s: %w", l.names.log, err)
	}
	for _, name := range all {
		path := filepath.Join(l.names.dir, name)
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("list the log of %s: %w", l.names.log, err)
		}
		if !info.ModTime().Before(before) {
			break // the newer ones are newer
		}
		old = append(old, path)
	}
	return old, nil
}

// Remove removes files that Old returned.
func (l *Log) Remove(old []string) error {
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("prune the log of %s: %w", l.names.log, err)
		}
	}
	return durable.SyncDir(l.names.dir)
}

// ReadFile returns the lines of one file of a log, as Read does.
func ReadFile(path string, yield func(Line, error) bool) { readFile(path, yield) }
