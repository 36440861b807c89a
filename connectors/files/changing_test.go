package files

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/connectors"
)

// TestHalfLines: a file may be read in the middle of its last line. When the rest
// of it comes, the record is read again, whole; when only its line break comes, not.
func TestHalfLines(t *testing.T) {
	t.Parallel()
	csv := func() *Resource { return &Resource{CSV: csvSettings()} }
	for name, test := range map[string]struct {
		settings           func() *Resource
		before, more       string
		first, then, where string
	}{
		"csv, the rest":         {csv, "a,b\n1,2\n3,4", "5\n6,7\n", "1|2;3|4", "3|45;6|7", "line 3"},
		"csv, the line break":   {csv, "a,b\n1,2\n3,4", "\n6,7\n", "1|2;3|4", "6|7", "line 4"},
		"csv, crlf":             {csv, "a,b\r\n3,4", "\r\n6,7\r\n", "3|4", "6|7", "line 3"},
		"csv, half a crlf":      {csv, "a,b\r\n3,4\r", "\n6,7\r\n", "3|4", "6|7", "line 3"},
		"csv, nothing more":     {csv, "a,b\n3,4", "", "3|4", "", ""},
		"csv, half a row":       {csv, "a,b\n3", ",4\n", "3|absent !csv_columns", "3|4", "line 2"},
		"csv, half a quote":     {csv, "a,b\n1,2\n3,\"x\ny", " z\"\n5,6\n", "1|2;absent|absent !csv_quote;y|absent !csv_columns", "y z\"|absent !csv_columns;5|6", "line 4"},
		"csv, whole lines":      {csv, "a,b\n1,2\n", "3,4\n", "1|2", "3|4", "line 3"},
		"jsonl, the rest":       {jsonlSettings, "{\"a\":1}\n{\"a\":2", ",\"b\":3}\n{\"a\":4}\n", "1|absent;2|absent !json", "2|3;4|absent", "line 2"},
		"jsonl, the line break": {jsonlSettings, "{\"a\":1}", "\n{\"a\":2}", "1|absent", "2|absent", "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for limit := 1; limit < 5; limit++ {
				dir := t.TempDir()
				write(t, dir, "x", test.before)
				end, got := read(t, newSource(t, dir, test.settings(), "a", "b"), "x", "", limit)
				if strings.Join(got, ";") != test.first {
					t.Fatalf("first %q, want %q", got, test.first)
				}
				write(t, dir, "x", test.before+test.more)
				s := newSource(t, dir, test.settings(), "a", "b")
				page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, end, 1)
				if err != nil {
					t.Fatal(err)
				}
				if page.Len() > 0 && page.Where(0) != test.where {
					t.Errorf("goes on at %s, want %s", page.Where(0), test.where)
				}
				if _, got = read(t, s, "x", end, limit); strings.Join(got, ";") != test.then {
					t.Errorf("then %q, want %q", got, test.then)
				}
			}
		})
	}
}

// TestTailThatWasARow: the last line of a file that was not whole yet is taken for
// the tail. When the file grows it is read: promise 2.
func TestTailThatWasARow(t *testing.T) {
	t.Parallel()
	for limit := 1; limit < 5; limit++ {
		settings := &Resource{CSV: csvSettings()}
		settings.CSV.Tail = []string{"mark", "count"}
		dir := t.TempDir()
		write(t, dir, "x", "a,b\n1,2\n\n3,4\n")
		end, got := read(t, newSource(t, dir, settings, "a", "b"), "x", "", limit)
		if strings.Join(got, ";") != "1|2" {
			t.Fatalf("pages of %d: %q", limit, got)
		}
		write(t, dir, "x", "a,b\n1,2\n\n3,4\n5,6\nT,3\n\n")
		s := newSource(t, dir, settings, "a", "b")
		end, got = read(t, s, "x", end, limit)
		if strings.Join(got, ";") != "3|4;5|6" {
			t.Errorf("pages of %d: %q", limit, got)
		}
		if _, got = read(t, s, "x", end, limit); len(got) != 0 {
			t.Errorf("pages of %d, again: %q", limit, got)
		}
		_, tail, err := s.(connectors.Enveloped).Envelope(context.Background(), connectors.Part{Name: "x"})
		if err != nil || tail[0].Text() != "T" || tail[1].Text() != "3" {
			t.Errorf("tail %v, %v", tail, err)
		}
	}
}

// longFile is longer than what is read at a time.
func jsonlSettings() *Resource { return &Resource{JSONL: &JSONL{MaxRecord: defaultMaxRecord}} }

func longFile() string { return "a\n" + strings.Repeat("0123456789\n", (256<<10)/4) }

// TestShrinking: a file that becomes shorter while it is read is no end of it.
func TestShrinking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x", longFile())
	s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a")
	page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "x"), 100); err != nil {
		t.Fatal(err)
	}
	from := page.EndPosition()
	for {
		if page, err = s.Read(context.Background(), connectors.Part{Name: "x"}, from, 10_000); err != nil {
			break
		}
		if from = page.EndPosition(); page.End() {
			t.Fatal("it ends")
		}
	}
	if connectors.ClassOf(err) != connectors.Down || connectors.HintOf(err) == "" {
		t.Errorf("%v, class %s", err, connectors.ClassOf(err))
	}
}

// TestChangingWhileRead: what is appended or put in place of a file while it is
// read is for the next pass, which misses nothing.
func TestChangingWhileRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string) (then int){
		"appended": func(t *testing.T, path string) int {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = f.WriteString("x\ny\n"); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			return 2
		},
		"replaced": func(t *testing.T, path string) int {
			if err := os.WriteFile(path+".tmp", []byte("a\n7\n8\n9\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".tmp", path); err != nil {
				t.Fatal(err)
			}
			return 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "x", longFile())
			s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a")
			page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			then := change(t, filepath.Join(dir, "x"))
			end, got := read(t, s, "x", page.EndPosition(), 10_000)
			if len(got) != (256<<10)/4-10 {
				t.Errorf("%d rows of the file as it was, want %d", len(got), (256<<10)/4-10)
			}
			if _, got = read(t, s, "x", end, 10_000); len(got) != then {
				t.Errorf("%d rows in the next pass, want %d", len(got), then)
			}
		})
	}
}
