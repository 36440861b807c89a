package exceptions

import (
	"fmt"
	"time"

	"headgate/engine"
	"headgate/engine/lines"
)

// Prune removes rotated files whose last line was written before the time. What
// still waits in them is written once more first: an open exception is never forgotten.
func (l *Log) Prune(before time.Time) error {
	old, err := l.Old(before)
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
	return l.Remove(old)
}

// carry writes the open exceptions that have a line in the old files once more, with
// the time since when they wait.
func (l *Log) carry(open []State, old []string) error {
	inOld := make(map[string]bool)
	for _, name := range old {
		lines.ReadFile(name, func(line lines.Line, err error) bool {
			if x, wrong := parse(&line); err == nil && wrong == nil {
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
