package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"headgate/engine/durable"
)

const (
	markName    = "unclean" // is there from opening to a clean close
	installName = "install" // what the state beside it is known by
)

// Unclean reports whether the state in dir has to be checked before it is opened: the
// process that had it did not close it, or it is gone.
func Unclean(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, markName))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	return gone(dir)
}

// gone reports whether there was a state in dir, and is none now.
func gone(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, FileName))
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	_, err = os.Stat(filepath.Join(dir, installName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// install is what is known beside a state: whose it is, and a transaction that is in it.
type install struct {
	ID          string
	Transaction int
}

func readInstall(dir string) (i install, err error) {
	text, err := os.ReadFile(filepath.Join(dir, installName))
	if errors.Is(err, fs.ErrNotExist) {
		return i, nil
	}
	if err != nil {
		return i, err
	}
	if json.Unmarshal(text, &i) != nil || i.ID == "" {
		return i, fmt.Errorf("%s cannot be read: move it away, if the state beside it is the right one", filepath.Join(dir, installName))
	}
	return i, nil
}

func writeInstall(dir string, i install) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(dir, installName), append(text, '\n'))
}

// unmark notes that the state was closed as it should be.
func unmark(dir string) error {
	if err := os.Remove(filepath.Join(dir, markName)); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}
