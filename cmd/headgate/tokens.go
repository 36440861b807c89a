package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"headgate/connectors"
	"headgate/engine/durable"
)

// lockLook is how often it is looked whether another process has renewed a token.
const lockLook = 50 * time.Millisecond

// renewer keeps what the system of a connector replaces at each use, in a file beside
// the state in dir. It is no part of the state: an older one that is restored must not
// bring back a token that was used up since.
func renewer(dir, connector string) connectors.Renew {
	tokens := filepath.Join(dir, "tokens")
	path := filepath.Join(tokens, url.PathEscape(connector))
	return func(ctx context.Context, renew func(kept string) (string, error)) (err error) {
		if err := ours(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(tokens, 0o700); err != nil {
			return fmt.Errorf("make the directory of tokens: %w", err)
		}
		lock, err := locked(ctx, path+".lock")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
		kept, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// What cannot be kept must not be asked for: the system would take the last away.
		if err := durable.Replace(path, kept); err != nil {
			return err
		}
		next, err := renew(string(kept))
		if err != nil {
			return err
		}
		return durable.Replace(path, []byte(next))
	}
}

// locked waits until no other process has the lock.
func locked(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(&os.PathError{Op: "lock", Path: path, Err: err}, f.Close())
		}
		if err := (clock{}).Sleep(ctx, lockLook); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}
