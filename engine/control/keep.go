package control

import (
	"context"
	"path/filepath"

	"headgate/engine"
	"headgate/engine/state"
)

// Keeper copies the state while it is in use, and reads such copies.
type Keeper interface {
	// Backup takes a verified backup into a file, "" for the next one beside the others.
	Backup(ctx context.Context, file string) (*Backup, error)
	// Check reads a copy of the state as it is now.
	Check(ctx context.Context) (*state.Checked, error)
}

// Backup is a backup that was taken and found good.
type Backup struct {
	state.Checked
	Seconds float64 `json:"seconds"`
}

// BackupRequest asks for a backup.
type BackupRequest struct {
	File string `json:"file,omitempty"` // its whole path; "": beside the others
	Why  string `json:"why,omitempty"`
}

// Backup takes a backup now.
func (s *Service) Backup(ctx context.Context, _ engine.Actor, q *BackupRequest) (*Backup, error) {
	switch {
	case s.Keeper == nil:
		return nil, errReadOnly
	case q.File != "" && !filepath.IsAbs(q.File):
		return nil, usage("%q is no whole path", q.File)
	}
	began := s.Now()
	b, err := s.Keeper.Backup(ctx, q.File)
	if err != nil {
		return nil, err
	}
	b.Seconds = s.Now().Sub(began).Seconds()
	return b, nil
}

// CheckState reads all of the state as it is now.
func (s *Service) CheckState(ctx context.Context, _ engine.Actor, _ *Nothing) (*state.Checked, error) {
	if s.Keeper == nil {
		return nil, usage("no daemon runs: the state itself can be read")
	}
	return s.Keeper.Check(ctx)
}
