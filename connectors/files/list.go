package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// list returns the files that match and have settled, by name. It fails where a
// directory cannot be read: files nobody can see are not files that are not there.
func (s *source) list() ([]string, error) {
	root, err := s.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	names, err := match(root.FS(), ".", strings.Split(path.Clean(s.settings.Glob), "/"))
	if err != nil {
		return nil, classify("list "+s.dir, err)
	}
	slices.Sort(names)
	kept := names[:0]
	for _, name := range names {
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil, classify("look at "+name, err)
		case err != nil: // it vanished, or is a link that leaves the directory
			continue
		case info.Mode().IsRegular() && s.settled(info):
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// match returns the paths below dir that match the pattern, one element a level.
func match(fsys fs.FS, dir string, pattern []string) (names []string, err error) {
	element, rest := pattern[0], pattern[1:]
	if len(rest) > 0 && !strings.ContainsAny(element, `*?[\`) {
		return match(fsys, path.Join(dir, element), rest)
	}
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ok, err := path.Match(element, e.Name()); err != nil || !ok || unfinished(e.Name()) {
			if err != nil {
				return nil, err
			}
			continue
		}
		name := path.Join(dir, e.Name())
		if len(rest) == 0 {
			names = append(names, name)
			continue
		}
		if !e.IsDir() {
			continue
		}
		below, err := match(fsys, name, rest)
		if err != nil {
			return nil, err
		}
		names = append(names, below...)
	}
	return names, nil
}

// settled reports whether a file has been left alone long enough to be whole. A
// time of writing that is yet to come tells nothing (clocks differ, tools set it):
// then the file system's own time of change decides.
func (s *source) settled(info os.FileInfo) bool {
	if s.settings.Settle <= 0 {
		return true
	}
	now := time.Now
	if s.tools.Now != nil {
		now = s.tools.Now
	}
	at, written := now(), info.ModTime()
	if written.After(at) {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			written = time.Unix(stat.Ctim.Unix())
		}
	}
	return at.Sub(written) >= s.settings.Settle
}
