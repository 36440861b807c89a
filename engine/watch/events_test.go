package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

const patience = 20 * time.Second // of a test, before it fails

// looking runs a watcher that never polls over dir and returns what each look finds:
// the content of all files, joined.
func looking(t *testing.T, dir string) <-chan string {
	t.Helper()
	seen := make(chan string)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := &Watcher{Dir: dir, Links: true, Quiet: 5 * time.Millisecond, Poll: -1, Blind: func(err error) { t.Error(err) }}
		w.Run(ctx, func() {
			select {
			case seen <- content(dir):
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return seen
}

func content(dir string) string {
	names, _ := filepath.Glob(filepath.Join(dir, "*.hcl"))
	var all strings.Builder
	for _, name := range names {
		text, _ := os.ReadFile(name)
		all.Write(text)
	}
	return all.String()
}

func until(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	late := time.After(patience)
	for last := ""; ; {
		select {
		case last = <-seen:
			if last == want {
				return
			}
		case <-late:
			t.Fatalf("saw %q last, want %q", last, want)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	ok(t, os.WriteFile(file, []byte(text), 0o644))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder makes a directory with one file in it.
func folder(t *testing.T, dir, text string) {
	t.Helper()
	ok(t, os.MkdirAll(dir, 0o755))
	write(t, filepath.Join(dir, "a.hcl"), text)
}

// link points a symlink elsewhere, in one step.
func link(t *testing.T, to, name string) {
	t.Helper()
	ok(t, os.Symlink(to, name+".new"))
	ok(t, os.Rename(name+".new", name))
}

func TestSaves(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin func(t *testing.T, root string) // dir is root/rules
		save  func(t *testing.T, root string)
	}{
		"in place": {begin: plain, save: func(t *testing.T, root string) {
			write(t, root+"/rules/a.hcl", "new")
		}},
		"atomic rename": {begin: plain, save: func(t *testing.T, root string) {
			write(t, root+"/rules/.a.hcl.swp", "new")
			ok(t, os.Rename(root+"/rules/.a.hcl.swp", root+"/rules/a.hcl"))
		}},
		"a file goes, another comes": {begin: plain, save: func(t *testing.T, root string) {
			ok(t, os.Remove(root+"/rules/a.hcl"))
			write(t, root+"/rules/b.hcl", "new")
		}},
		"as a ConfigMap": {begin: func(t *testing.T, root string) {
			folder(t, root+"/rules/..1", "old")
			link(t, "..1", root+"/rules/..data")
			link(t, "..data/a.hcl", root+"/rules/a.hcl")
		}, save: func(t *testing.T, root string) {
			folder(t, root+"/rules/..2", "new")
			link(t, "..2", root+"/rules/..data")
			ok(t, os.RemoveAll(root+"/rules/..1"))
		}},
		"a re-pointed directory": {begin: linked, save: func(t *testing.T, root string) {
			folder(t, root+"/2", "new")
			link(t, "2", root+"/rules")
		}},
		"behind a link": {begin: linked, save: func(t *testing.T, root string) {
			write(t, root+"/1/a.hcl", "new")
		}},
		"a re-pointed link in the middle": {begin: func(t *testing.T, root string) {
			folder(t, root+"/releases/1/rules", "old")
			folder(t, root+"/releases/2/rules", "new")
			link(t, "releases/1", root+"/current")
			link(t, root+"/current/rules", root+"/rules")
		}, save: func(t *testing.T, root string) {
			link(t, "releases/2", root+"/current")
		}},
		"removed and made again": {begin: plain, save: func(t *testing.T, root string) {
			ok(t, os.RemoveAll(root+"/rules"))
			folder(t, root+"/rules", "new")
		}},
		"moved away and replaced": {begin: plain, save: func(t *testing.T, root string) {
			folder(t, root+"/other", "new")
			ok(t, os.Rename(root+"/rules", root+"/gone"))
			ok(t, os.Rename(root+"/other", root+"/rules"))
		}},
		"in place, behind a link of a file": {begin: linkedFile, save: func(t *testing.T, root string) {
			write(t, root+"/store/a.hcl", "new")
		}},
		"atomic, behind a link of a file": {begin: linkedFile, save: func(t *testing.T, root string) {
			write(t, root+"/store/tmp", "new")
			ok(t, os.Rename(root+"/store/tmp", root+"/store/a.hcl"))
		}},
		"a re-pointed store of files": {begin: func(t *testing.T, root string) {
			folder(t, root+"/1", "old")
			folder(t, root+"/2", "new")
			link(t, "1", root+"/store")
			ok(t, os.Mkdir(root+"/rules", 0o755))
			link(t, "../store/a.hcl", root+"/rules/a.hcl")
		}, save: func(t *testing.T, root string) {
			link(t, "2", root+"/store")
		}},
		"a directory that was not there": {begin: func(*testing.T, string) {}, save: func(t *testing.T, root string) {
			folder(t, root+"/rules", "new")
		}},
		"a link that led nowhere": {begin: func(t *testing.T, root string) {
			link(t, "later/rules", root+"/rules")
		}, save: func(t *testing.T, root string) {
			folder(t, root+"/later/rules", "new")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			test.begin(t, root)
			seen := looking(t, root+"/rules")
			until(t, seen, content(root+"/rules"))
			test.save(t, root)
			until(t, seen, "new")
			// The watches are those of what is there now.
			write(t, root+"/rules/c.hcl", ", and more")
			until(t, seen, "new, and more")
		})
	}
}

func plain(t *testing.T, root string) { folder(t, root+"/rules", "old") }

func linkedFile(t *testing.T, root string) {
	folder(t, root+"/store", "old")
	ok(t, os.Mkdir(root+"/rules", 0o755))
	link(t, root+"/store/a.hcl", root+"/rules/a.hcl")
}

func linked(t *testing.T, root string) {
	folder(t, root+"/1", "old")
	link(t, "1", root+"/rules")
}

// TestRemovedAndSeen: a directory that goes is seen to go, and seen to come back.
func TestRemovedAndSeen(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	plain(t, root)
	seen := looking(t, root+"/rules")
	until(t, seen, "old")
	for i := range 3 {
		ok(t, os.RemoveAll(root+"/rules"))
		until(t, seen, "")
		text := fmt.Sprint("again ", i)
		folder(t, root+"/rules", text)
		until(t, seen, text)
	}
}

// TestFlood: 40 000 events are a few looks, and the last state is seen.
func TestFlood(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	plain(t, root)
	looks := 0
	last := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(last)
		for i := range 20_000 {
			name := fmt.Sprintf("%s/rules/%d.tmp", root, i)
			ok := os.WriteFile(name, nil, 0o644) == nil && os.Remove(name) == nil
			if !ok {
				t.Error("cannot make a flood")
			}
		}
		if err := os.WriteFile(root+"/rules/a.hcl", []byte("new"), 0o644); err != nil {
			t.Error(err)
		}
	}()
	late := time.AfterFunc(patience, cancel)
	w := &Watcher{Dir: root + "/rules", Poll: -1}
	w.Run(ctx, func() {
		if looks++; content(root+"/rules") == "new" {
			cancel()
		}
	})
	<-last
	if !late.Stop() {
		t.Fatal("the last state was never seen")
	}
	if looks > 40 {
		t.Errorf("%d looks", looks)
	}
}

// TestOverflow: events that were lost are a reason to look.
func TestOverflow(t *testing.T) {
	t.Parallel()
	h, err := openEvents()
	ok(t, err)
	defer h.close()
	h.(*events).fs.Errors <- fsnotify.ErrEventOverflow
	select {
	case <-h.woken():
	case <-time.After(patience):
		t.Fatal("nobody was woken")
	}
}

// TestRenewed: the watches are those of the path as it is now, and no others.
func TestRenewed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	linked(t, root)
	folder(t, root+"/2", "new")
	h, err := openEvents()
	ok(t, err)
	defer h.close()
	for _, target := range []string{"1", "2", "1"} {
		link(t, target, root+"/rules")
		ok(t, h.renew(root+"/rules", false))
		watches := h.(*events).fs.WatchList()
		slices.Sort(watches)
		if want := []string{root, root + "/" + target}; !slices.Equal(watches, want) {
			t.Errorf("watched are %v, want %v", watches, want)
		}
	}
}

// TestChangedMeanwhile: a path that changes while it is followed is followed again.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	h, err := openEvents()
	ok(t, err)
	defer h.close()
	h.(*events).follow = func(path string, links bool) (*route, error) {
		r, err := followAll(path, links)
		if r.target == "" {
			plain(t, root) // behind its back, before it is watched
		}
		return r, err
	}
	ok(t, h.renew(root+"/rules", false))
	select {
	case <-h.woken():
	case <-time.After(patience):
		t.Fatal("nobody was woken")
	}
}

// TestUnconcerned: what happens beside the directory wakes nobody.
func TestUnconcerned(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	linked(t, root)
	r, err := follow(root + "/rules")
	ok(t, err)
	for name, want := range map[string]bool{
		"/rules": true, "/1": true, "/1/a.hcl": true, "/1/new.hcl": true, "": true,
		"/other": false, "/rules.new": false, "/1/deep/a.hcl": false,
	} {
		if got := r.concerns(root + name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder(t, root+"/a/b", "")
	link(t, root+"/a/b", root+"/link")
	link(t, "loop", root+"/loop")
	for name, test := range map[string]struct{ path, target string }{
		"plain":             {"/a/b", "/a/b"},
		"unclean":           {"//a/./b/", "/a/b"},
		"behind a link, ..": {"/link/../b", "/a/b"},
		"a file":            {"/a/b/a.hcl", ""},
		"missing":           {"/a/c/d", ""},
	} {
		r, err := follow(root + test.path)
		if err != nil || strings.TrimPrefix(r.target, root) != test.target {
			t.Errorf("%s: %q, %v", name, r.target, err)
		}
	}
	if _, err := follow(root + "/loop"); err == nil {
		t.Error("a loop has an end")
	}
}

// TestSideBySide: many watchers do not disturb each other.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var all []<-chan string
	for i := range 20 {
		dir := fmt.Sprint(root, "/", i)
		folder(t, dir, "old")
		seen := looking(t, dir)
		until(t, seen, "old")
		all = append(all, seen)
	}
	for i, seen := range all {
		text := fmt.Sprint("new ", i)
		folder(t, fmt.Sprint(root, "/", i), text)
		until(t, seen, text)
	}
}
