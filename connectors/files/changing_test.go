package files

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/connectors"
)

// TestLateLineBreak: a file may be read before the line break of its last line is
// there. When it comes, the record does not come again, and what follows does.
func TestLateLineBreak(t *testing.T) {
	t.Parallel()
	csv := func() *Resource { return &Resource{CSV: csvSettings()} }
	jsonl := func() *Resource { return &Resource{JSONL: &JSONL{MaxRecord: defaultMaxRecord}} }
	for name, test := range map[string]struct {
		settings     func() *Resource
		before, more string
		first, then  string
	}{
		"csv":           {csv, "a,b\n1,2\n3,4", "\n6,7\n", "1|2;3|4", "6|7"},
		"csv, crlf":     {csv, "a,b\r\n3,4", "\r\n6,7\r\n", "3|4", "6|7"},
		"csv, nothing":  {csv, "a,b\n3,4", "", "3|4", ""},
		"csv, it was":   {csv, "a,b\n1,2\n", "3,4\n", "1|2", "3|4"},
		"jsonl":         {jsonl, "{\"a\":1}", "\n{\"a\":2}", "1|absent", "2|absent"},
		"jsonl, it was": {jsonl, "{\"a\":1}\n", "{\"a\":2}\n", "1|absent", "2|absent"},
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
				_, got = read(t, newSource(t, dir, test.settings(), "a", "b"), "x", end, limit)
				if strings.Join(got, ";") != test.then {
					t.Errorf("then %q, want %q", got, test.then)
				}
			}
		})
	}
}

// TestReplacedWhileRead: a file that is put in place of the one being read is for
// the next pass, from its beginning.
func TestReplacedWhileRead(t *testing.T) {
	t.Parallel()
	const rows = readSize / 4 // the file is longer than what is read at a time
	dir := t.TempDir()
	write(t, dir, "x", "a\n"+strings.Repeat("0123456789\n", rows))
	s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a")
	page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "new", "a\n7\n8\n9\n")
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	end, got := read(t, s, "x", page.EndPosition(), 10_000)
	if len(got) != rows-10 {
		t.Errorf("%d rows of the file as it was, want %d", len(got), rows-10)
	}
	if _, got = read(t, s, "x", end, 10_000); strings.Join(got, ";") != "7;8;9" {
		t.Errorf("the next pass reads %q", got)
	}
}

// TestTail: the last line is no row in pages of any size, and the envelope has it.
func TestTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x", "H,2026\na,b\n1,2\n\n3,4\n5,6\nT,3\n\n")
	settings := &Resource{CSV: csvSettings()}
	settings.CSV.Head, settings.CSV.Tail = []string{"mark", "year"}, []string{"mark", "count", "total"}
	for limit := 1; limit < 6; limit++ {
		s := newSource(t, dir, settings, "a", "b")
		if _, got := read(t, s, "x", "", limit); strings.Join(got, ";") != "1|2;3|4;5|6" {
			t.Errorf("pages of %d: %q", limit, got)
		}
		head, tail, err := s.(connectors.Enveloped).Envelope(context.Background(), connectors.Part{Name: "x"})
		if err != nil || head[1].Text() != "2026" || tail[1].Text() != "3" || !tail[2].IsNull() {
			t.Errorf("head %v, tail %v, %v", head, tail, err)
		}
	}
}
