package files

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// readBounded reads a file of which the first part must be read without keeping it.
func readBounded(t *testing.T, content []byte, settings *Resource, most int, columns ...string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, dir, settings, columns...).(*source)
	var rows []string
	for from := record.Position(""); ; {
		page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, from, 100)
		if err != nil {
			t.Fatal(err)
		}
		if s.file != nil && cap(s.file.buf) > most {
			t.Fatalf("%d bytes are kept in memory, want at most %d", cap(s.file.buf), most)
		}
		for i := range page.Len() {
			rows = append(rows, rowText(page, i)+" "+page.Where(i))
			if len(page.Raw(i)) > 65536 {
				t.Errorf("row %d shows %d bytes", i, len(page.Raw(i)))
			}
		}
		if from = page.EndPosition(); page.End() {
			return rows
		}
	}
}

// TestEndlessLine: a line longer than a record may be is one broken row, and no
// more of it is in memory than is read at a time.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("y"), 12<<20)
	for name, test := range map[string]struct {
		before, after string
		settings      *Resource
		want          []string
	}{
		"csv":         {"a,b\n1,2\n", "\n3,4\n", &Resource{CSV: csvSettings()}, []string{"1|2 line 2", "absent|absent !too_long line 3", "3|4 line 4"}},
		"csv, quoted": {"a,b\n1,2\n\"", "\n3,4\n", &Resource{CSV: csvSettings()}, []string{"1|2 line 2", "absent|absent !too_long line 3", "3|4 line 4"}},
		"csv, last":   {"a,b\n1,2\n", "", &Resource{CSV: csvSettings()}, []string{"1|2 line 2", "absent|absent !too_long line 3"}},
		"jsonl":       {"{\"a\":1}\n{\"b\":\"", "\"}\n{\"b\":2}\n", jsonlSettings(), []string{"1|absent line 1", "absent|absent !too_long line 2", "absent|2 line 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readBounded(t, slicesConcat(test.before, long, test.after), test.settings, 6<<20, "a", "b")
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func slicesConcat(before string, long []byte, after string) []byte {
	return append(append([]byte(before), long...), after...)
}

// TestEndlessBlanks: blank lines are no rows, however many, and cost no memory.
func TestEndlessBlanks(t *testing.T) {
	t.Parallel()
	blank := bytes.Repeat([]byte("\r\n"), 4<<20)
	for name, settings := range map[string]*Resource{"csv": {CSV: csvSettings()}, "jsonl": jsonlSettings()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, last, want := "a\n1\n", "2\n", "1 line 2;2 line 4194307"
			if settings.JSONL != nil {
				first, last, want = "{\"a\":1}\n", "{\"a\":2}\n", "1 line 1;2 line 4194306"
			}
			if got := readBounded(t, slicesConcat(first, blank, last), settings, 4<<20, "a"); strings.Join(got, ";") != want {
				t.Errorf("%q, want %s", got, want)
			}
		})
	}
}

// TestUnclosedQuotes: each line opens a quote that the next one closes in its
// middle. Each is broken, none swallows what follows, and it does not take for ever.
func TestUnclosedQuotes(t *testing.T) {
	t.Parallel()
	content := "a,b\n" + strings.Repeat("x\",\"y\n", 50_000)
	got := readBounded(t, []byte(content), &Resource{CSV: csvSettings()}, 4<<20, "a", "b")
	for i, row := range got {
		if !strings.Contains(row, "csv_quote") {
			t.Fatalf("row %d: %s", i, row)
		}
	}
	if len(got) != 50_000 {
		t.Errorf("%d rows", len(got))
	}
}

// TestManyLongRecords: a page holds less rows when they are long.
func TestManyLongRecords(t *testing.T) {
	t.Parallel()
	content := "a\n" + strings.Repeat(strings.Repeat("z", 1<<20-1)+"\n", 30)
	dir := t.TempDir()
	write(t, dir, "x", content)
	page, err := newSource(t, dir, &Resource{CSV: csvSettings()}, "a").Read(context.Background(), connectors.Part{Name: "x"}, "", 1000)
	if err != nil || page.Len() < 2 || page.Len() > 10 || page.End() {
		t.Errorf("a page of %d rows, %v", page.Len(), err)
	}
}

// TestNotText: what is no text in its encoding is told, and never replaced.
func TestNotText(t *testing.T) {
	t.Parallel()
	wide := func(text string) string { return strings.Join(strings.Split(text, ""), "\x00") + "\x00" }
	for name, test := range map[string]struct{ encoding, content, want string }{
		"half a pair":          {"utf-16le", wide("a\n") + "\x00\xd8" + wide("\nok\n"), "\xed\xa0\x80 !encoding;ok"},
		"half a pair, at last": {"utf-16le", wide("a\nok\n") + "\x3d\xd8", "ok;\xed\xa0\xbd !encoding"},
		"half a unit":          {"utf-16le", wide("a\nok\nx") + "y", "ok;x\xff !encoding"},
		"a pair":               {"utf-16le", wide("a\n") + "\x3d\xd8\x00\xde" + wide("\n"), "😀"},
		"replacement is text":  {"utf-16le", wide("a\n") + "\xfd\xff" + wide("\n"), "\uFFFD"},
		"marked":               {"utf-16le", "\xff\xfe" + wide("a\nok\n"), "ok"},
		"empty":                {"utf-16", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := &Resource{CSV: csvSettings()}
			settings.CSV.Encoding = test.encoding
			dir := t.TempDir()
			write(t, dir, "x", test.content)
			if _, got := read(t, newSource(t, dir, settings, "a"), "x", "", 10); strings.Join(got, ";") != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestWrongFile: a file that cannot be one of this resource is told as that, with
// what to look at, and is not ten thousand bad rows.
func TestWrongFile(t *testing.T) {
	t.Parallel()
	wide := "a\x00,\x00b\x00\n\x001\x00,\x002\x00\n\x00"
	for name, test := range map[string]struct {
		content, hint string
		change        func(*CSV)
	}{
		"utf-16 without a mark":           {wide, "encoding", nil},
		"utf-16 without a mark, declared": {wide, "", func(c *CSV) { c.Encoding = "utf-16" }},
		"windows-1252 header":             {"a,b,gr\xf6\xdfe\n", "encoding", nil},
		"utf-8 mark under windows-1252":   {"\xEF\xBB\xBFa,b\n1,2\n", "", func(c *CSV) { c.Encoding = "windows-1252" }},
		"old line ends":                   {"a,b\r1,2\r3,4\r", "it has", nil},
		"another delimiter":               {"a;b\n1;2\n", "it has", nil},
		"unclosed quote in the header":    {"a,\"b\n1,2\n", "one of this resource", nil},
		"header too long":                 {strings.Repeat("a", 2<<20) + "\n", "one of this resource", nil},
		"no header and no columns":        {"1,2\n", "columns", func(c *CSV) { c.Header = false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := &Resource{CSV: csvSettings()}
			if test.change != nil {
				test.change(settings.CSV)
			}
			dir := t.TempDir()
			write(t, dir, "x", test.content)
			_, err := newSource(t, dir, settings, "a", "b").Read(context.Background(), connectors.Part{Name: "x"}, "", 10)
			if connectors.ClassOf(err) != connectors.Broken || !strings.Contains(connectors.HintOf(err), test.hint) {
				t.Errorf("%v (%s), hint %q", err, connectors.ClassOf(err), connectors.HintOf(err))
			}
			if err != nil && len(err.Error())+len(connectors.HintOf(err)) > 2000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

// TestSettling: a time that is yet to come does not keep a file unread for ever.
func TestSettling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x.csv", "a\n")
	ahead := time.Now().Add(1000 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "x.csv"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	for later, want := range map[time.Duration]int{0: 0, time.Hour: 1} {
		s := newSource(t, dir, &Resource{CSV: csvSettings(), Settle: time.Minute}, "a").(*source)
		s.tools.Now = func() time.Time { return time.Now().Add(later) }
		names, err := s.list()
		if err != nil || len(names) != want {
			t.Errorf("%s later: %q, %v", later, names, err)
		}
		page, err := s.Read(context.Background(), connectors.Part{Name: "x.csv"}, "", 1)
		if err != nil || !page.End() || (page.EndPosition() == "") != (want == 0) {
			t.Errorf("%s later: %v, %v", later, page, err)
		}
	}
}

// TestDirectories: a glob may go down; what cannot be listed is an error.
func TestDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b/2.csv", "a/1.csv", "a/.1.csv", "c/1.txt", ".d/1.csv", "1.csv"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, "a\n")
	}
	for glob, want := range map[string]string{
		"*/*.csv": "a/1.csv b/2.csv", "a/*": "a/1.csv", "*.csv": "1.csv", "none/*.csv": "", "[ab]/1.csv": "a/1.csv", "*": "1.csv",
	} {
		s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a").(*source)
		s.settings.Glob = glob
		if got, err := s.list(); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", glob, got, err)
		}
	}
	for bad, class := range map[string]connectors.Class{filepath.Join(dir, "gone"): connectors.Broken} {
		for _, err := range newSource(t, bad, &Resource{CSV: csvSettings()}, "a").Parts(context.Background()) {
			if connectors.ClassOf(err) != class || connectors.HintOf(err) == "" {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
}

// TestHostileJSON: documents that nest without end, and numbers that are none, are
// broken rows, and the ones around them are read.
func TestHostileJSON(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"arrays":         `{"a": ` + strings.Repeat("[", 200_000) + `}`,
		"objects":        `{"a": ` + strings.Repeat(`{"a": `, 100_000) + `1`,
		"passed over":    `{"other": ` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `, "a": 1}`,
		"not a number":   `{"a": NaN}`,
		"infinity":       `{"a": Infinity}`,
		"minus infinity": `{"a": -Infinity}`,
		"hexadecimal":    `{"a": 0x10}`,
		"half a pair":    `{"a": "\ud800"}`,
		"a name twice":   `{"a": 1, "a": 2}`,
		"control":        "{\"a\": \"\x01\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := "{\"a\": 1}\n" + document + "\n{\"a\": 2}\n"
			got := readBounded(t, []byte(content), jsonlSettings(), 4<<20, "a")
			if len(got) != 3 || got[0] != "1 line 1" || !strings.HasSuffix(got[1], "!json line 2") || got[2] != "2 line 3" {
				t.Errorf("%.300q", got)
			}
		})
	}
}
