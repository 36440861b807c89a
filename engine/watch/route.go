package watch

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symlinks a path may go through, as in the kernel.
const maxLinks = 40

// route is what the meaning of a path depends on.
type route struct {
	target string                 // the directory it leads to; "" when there is none
	points map[string]bool        // the entries on the way whose change leads elsewhere
	dirs   map[string]fs.FileInfo // the directories to watch
}

// follow goes along path, one name after the other as the kernel does, and notes
// the parent of every symlink. Where the path breaks off, it notes the last
// directory that is there, so that what is missing can be seen to come.
func follow(path string) (*route, error) {
	abs, err := absolute(path)
	if err != nil {
		return nil, err
	}
	r := &route{points: make(map[string]bool), dirs: make(map[string]fs.FileInfo)}
	at, rest, links := "/", names(abs), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name) // at has no symlink in it, so ".." is its parent
		info, err := os.Lstat(next)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 && !info.IsDir() {
			return r, r.note(at, next)
		}
		if info.IsDir() {
			at = next
			continue
		}
		if err := r.note(at, next); err != nil {
			return r, err
		}
		if links++; links > maxLinks {
			return r, &fs.PathError{Op: "follow", Path: path, Err: syscall.ELOOP}
		}
		to, err := os.Readlink(next)
		if err != nil {
			return r, nil // it changed under our eyes, and its parent is watched
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(names(to), rest...)
	}
	r.target = at
	return r, r.note(at, at)
}

// maxEntries is how many symlinks in a directory are followed. The poll sees the rest.
const maxEntries = 100

// followAll goes along path, and with links also where the symlinks lead that it
// finds at the end.
func followAll(path string, links bool) (*route, error) {
	r, err := follow(path)
	if err != nil || !links || r.target == "" {
		return r, err
	}
	entries, err := os.ReadDir(r.target)
	if err != nil {
		return r, nil // what cannot be read has no links; whoever looks tells
	}
	followed := 0
	for _, entry := range entries {
		if entry.Type()&fs.ModeSymlink == 0 {
			continue
		}
		if followed++; followed > maxEntries {
			break
		}
		if further, err := follow(filepath.Join(r.target, entry.Name())); err == nil {
			maps.Copy(r.points, further.points)
			maps.Copy(r.dirs, further.dirs)
		}
	}
	return r, nil
}

// absolute is filepath.Abs without its cleaning: behind a symlink, ".." leads
// elsewhere.
func absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	dir, err := os.Getwd()
	return dir + "/" + path, err
}

// names are the steps of a path.
func names(path string) []string {
	var all []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			all = append(all, name)
		}
	}
	return all
}

// note has dir watched because of point, an entry of it or dir itself.
func (r *route) note(dir, point string) error {
	r.points[point] = true
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since: the route is followed once more and tells
	}
	r.dirs[dir] = info
	return err
}

// concerns reports whether an event about name may change what is found at the
// end of the route.
func (r *route) concerns(name string) bool {
	_, watched := r.dirs[name]
	return watched || r.points[name] || r.target != "" && filepath.Dir(name) == r.target
}

// same reports whether two routes lead through the same directories.
func (r *route) same(other *route) bool {
	if r.target != other.target || len(r.dirs) != len(other.dirs) || len(r.points) != len(other.points) {
		return false
	}
	for dir, info := range r.dirs {
		if now := other.dirs[dir]; now == nil || !os.SameFile(info, now) {
			return false
		}
	}
	for point := range r.points {
		if !other.points[point] {
			return false
		}
	}
	return true
}
