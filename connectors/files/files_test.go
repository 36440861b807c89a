package files

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"headgate/connectors"
	"headgate/engine/record"
)

func csvSettings() *CSV {
	c := &CSV{}
	c.Defaults()
	return c
}

// newSource opens a source over dir that reads the named columns.
func newSource(t testing.TB, dir string, settings *Resource, columns ...string) connectors.Source {
	t.Helper()
	c, err := Kind().Open(&Settings{Dir: dir}, connectors.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r := connectors.Resource{Name: "x", Settings: settings, Zone: time.UTC}
	for _, name := range columns {
		r.Read = append(r.Read, record.Column{Name: name, Kind: record.Unknown})
	}
	settings.Glob = "*"
	s, err := c.Source(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// read reads a part from a position in pages of limit, as lines of cells.
func read(t testing.TB, s connectors.Source, part string, from record.Position, limit int) (record.Position, []string) {
	t.Helper()
	var rows []string
	for {
		page, err := s.Read(context.Background(), connectors.Part{Name: part}, from, limit)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Len() {
			rows = append(rows, rowText(page, i))
		}
		if from = page.EndPosition(); page.End() {
			return from, rows
		}
	}
}

func rowText(page connectors.Page, i int) string {
	row, err := page.Row(i)
	var cells []string
	for _, v := range row {
		text := v.Text()
		if v.Missing() {
			text = v.Kind().String()
		}
		cells = append(cells, text)
	}
	text := strings.Join(cells, "|")
	if e, ok := errors.AsType[*connectors.RowError](err); ok {
		text += " !" + e.Code
	}
	return text
}

func TestCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		change        func(*CSV)
		want          []string
	}{
		{"plain", "a,b\n1,2\n3,4\n", nil, []string{"1|2", "3|4"}},
		{"no last line break", "a,b\n1,2", nil, []string{"1|2"}},
		{"crlf", "a,b\r\n1,2\r\n\r\n3,4\r\n", nil, []string{"1|2", "3|4"}},
		{"quotes", "a,b\n\"x, \"\"y\"\"\",\"line\nbreak\"\n", nil, []string{"x, \"y\"|line\nbreak"}},
		{"quotes crlf", "a,b\r\n\"1\",\"2\"\r\n\"3\",\"\"\r\n", nil, []string{"1|2", "3|null"}},
		{"quote inside", "a,b\n5\" nail,2\n", nil, []string{"5\" nail|2"}},
		{"json", "a,b\n1,\"{\"\"type\"\": \"\"Point\"\"}\"\n", nil, []string{`1|{"type": "Point"}`}},
		{"empty cells", "a,b\n,\n", nil, []string{"null|null"}},
		{"mark", "\xef\xbb\xbfa,b\n1,2\n", nil, []string{"1|2"}},
		{"cells", "a,b\n1\n1,2,3\n1,2\n", nil, []string{"1|absent !csv_columns", "1|2 !csv_columns", "1|2"}},
		{"unclosed quote", "a,b\n1,\"2\n3,4\n5,6\n", nil, []string{"absent|absent !csv_quote", "3|4", "5|6"}},
		{"behind quote", "a,b\n\"1\"x,2\n3,4\n", nil, []string{"absent|absent !csv_quote", "3|4"}},
		{"too long", "a,b\n" + strings.Repeat("x", 100) + ",2\n3,4\n", func(c *CSV) { c.MaxRecord = 64 }, []string{"absent|absent !too_long", "3|4"}},
		{"not utf-8", "a,b\n\xfc,2\n3,4\n", nil, []string{"\xfc|2 !encoding", "3|4"}},
		{"tail", "a,b\n1,2\nT,1\n", func(c *CSV) { c.Tail = []string{"k", "n"} }, []string{"1|2"}},
		{"head", "H\na,b\n1,2\n", func(c *CSV) { c.Head = []string{"k"} }, []string{"1|2"}},
		{"columns", "1,2\n", func(c *CSV) { c.Header, c.Columns = false, []string{"a", "b"} }, []string{"1|2"}},
		{"null", "a,b\nNULL,x\n", func(c *CSV) { c.Null = "NULL" }, []string{"null|x"}},
		{"empty file", "", nil, nil},
		{"only a header", "a,b\n", nil, nil},
		{"bare return", "a,b\n1\r2,3\n", nil, []string{"1\r2|3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			settings := &Resource{CSV: csvSettings()}
			if test.change != nil {
				test.change(settings.CSV)
			}
			dir := t.TempDir()
			write(t, dir, "x.csv", test.content)
			for _, limit := range []int{1, 2, 100} {
				_, got := read(t, newSource(t, dir, settings, "a", "b"), "x.csv", "", limit)
				if strings.Join(got, "\x00") != strings.Join(test.want, "\x00") {
					t.Errorf("in pages of %d: %q, want %q", limit, got, test.want)
				}
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const text = "a,b\nMüller,5 €\n"
	latin, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ encoding, content string }{{"windows-1252", latin}, {"utf-16", wide}, {"utf-8", wide}, {"utf-8", text}} {
		settings := &Resource{CSV: csvSettings()}
		settings.CSV.Encoding = test.encoding
		dir := t.TempDir()
		write(t, dir, "x.csv", test.content)
		if _, got := read(t, newSource(t, dir, settings, "a", "b"), "x.csv", "", 10); len(got) != 1 || got[0] != "Müller|5 €" {
			t.Errorf("%s: %q", test.encoding, got)
		}
	}
}

// TestResume: from the position behind any row, exactly the rows behind it come.
func TestResume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x.csv", "a,b\n1,\"x\ny\"\n\n2,\"bro\"ken\n3,z\n4,z\n")
	settings := &Resource{CSV: csvSettings()}
	page, err := newSource(t, dir, settings, "a").Read(context.Background(), connectors.Part{Name: "x.csv"}, "", 100)
	if err != nil || page.Len() != 4 {
		t.Fatal(page, err)
	}
	for i := range page.Len() {
		_, got := read(t, newSource(t, dir, settings, "a"), "x.csv", page.After(i), 2)
		if len(got) != page.Len()-1-i {
			t.Errorf("behind row %d (%s): %q", i, page.Where(i), got)
		}
	}
	if where := page.Where(2); where != "line 6" {
		t.Errorf("the third row stands at %s", where)
	}
}

// TestChangedFiles: a file that grew goes on, one that was replaced begins anew, and
// one that is as it was is not read again.
func TestChangedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := &Resource{CSV: csvSettings()}
	write(t, dir, "x.csv", "a\n1\n2\n")
	end, got := read(t, newSource(t, dir, settings, "a"), "x.csv", "", 10)
	if len(got) != 2 {
		t.Fatal(got)
	}
	if _, got = read(t, newSource(t, dir, settings, "a"), "x.csv", end, 10); len(got) != 0 {
		t.Errorf("unchanged: %q", got)
	}
	write(t, dir, "x.csv", "a\n1\n2\n3\n")
	if _, got = read(t, newSource(t, dir, settings, "a"), "x.csv", end, 10); len(got) != 1 || got[0] != "3" {
		t.Errorf("grown: %q", got)
	}
	write(t, dir, "x.csv", "a\n7\n8\n9\n")
	if _, got = read(t, newSource(t, dir, settings, "a"), "x.csv", end, 10); len(got) != 3 {
		t.Errorf("replaced: %q", got)
	}
	write(t, dir, "x.csv", "a\n")
	if _, got = read(t, newSource(t, dir, settings, "a"), "x.csv", end, 10); len(got) != 0 {
		t.Errorf("shorter: %q", got)
	}
}

// TestParts: files come by name; what is hidden, unfinished, too fresh or reached
// through a link out of the directory is left alone.
func TestParts(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret.csv", "a\n1\n")
	for _, name := range []string{"b.csv", "a.csv", ".hidden.csv", "c.csv.part", "d.tmp", "fresh.csv"} {
		write(t, dir, name, "a\n")
		then := time.Now().Add(-time.Hour)
		if name == "fresh.csv" {
			continue
		}
		if err := os.Chtimes(filepath.Join(dir, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "secret.csv"), filepath.Join(dir, "e.csv")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for part, err := range newSource(t, dir, &Resource{CSV: csvSettings(), Settle: time.Minute}, "a").Parts(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, part.Name)
	}
	if got := strings.Join(names, " "); got != "a.csv b.csv" {
		t.Errorf("parts: %s", got)
	}
}

func TestMissingColumn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x.csv", "a,b\n1,2\n")
	write(t, dir, "twice.csv", "a,a\n1,2\n")
	s := newSource(t, dir, &Resource{CSV: csvSettings()}, "a", "c")
	for part, want := range map[string]string{"x.csv": `no column "c"`, "twice.csv": "stands twice", "gone.csv": "no such file"} {
		class := connectors.Broken
		if part == "gone.csv" { // the list of files was right a moment ago
			class = connectors.Down
		}
		_, err := s.Read(context.Background(), connectors.Part{Name: part}, "", 1)
		if connectors.ClassOf(err) != class || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", part, err)
		}
	}
}

func TestJSONL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x.jsonl", strings.Join([]string{
		`{"a": 0.10, "meta": {"n": "x"}, "other": [1, {"a": 2}]}`, ``, `{"a": null, "meta": {}}`, `{"a": "ü\u0041\n"}`, `{"a": 1} x`, `[1]`,
		`{"a": 1, "a": 2}`, `{"a": {"b": [1]}}`, `{"a": true, "meta": {"n": 12345678901234567890.5}}`, "{\"a\": \"\xff\"}", `{"a":`,
	}, "\n"))
	_, got := read(t, newSource(t, dir, &Resource{JSONL: &JSONL{MaxRecord: defaultMaxRecord}}, "a", "meta.n"), "x.jsonl", "", 3)
	want := []string{"0.10|x", "null|absent", "üA\n|absent", "1|absent !json", "absent|absent !json", "1|absent !json", `{"b": [1]}|absent`, "true|12345678901234567890.5", "absent|absent !encoding", "absent|absent !json"}
	if strings.Join(got, "\x00") != strings.Join(want, "\x00") {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// TestDestination: rows are settled by marks; what was not is cut off; a file appears
// whole, with its sum beside it, and never in place of another.
func TestDestination(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), context.Background()
	write(t, dir, "out.jsonl", "mine\n")
	open := func() (connectors.Destination, connectors.Appender) {
		c, err := Kind().Open(&Settings{Dir: dir}, connectors.Tools{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		d, err := c.Destination(connectors.Resource{Settings: &Resource{File: "out.jsonl", JSONL: &JSONL{}}, Write: []record.Column{{Name: "a.b"}, {Name: "c"}}})
		if err != nil {
			t.Fatal(err)
		}
		return d, d.(connectors.Appender)
	}
	apply := func(d connectors.Destination, text string) {
		lot := connectors.Lot{Changes: []connectors.Change{{Op: connectors.Create, Values: []record.Value{record.StringValue(text), {}}}}}
		if receipts, err := d.Apply(ctx, lot); err != nil || receipts[0].Status != connectors.Applied {
			t.Fatal(receipts, err)
		}
	}
	d, a := open()
	apply(d, "one \"\n\x01")
	mark, err := a.Mark(ctx)
	if err != nil {
		t.Fatal(err)
	}
	apply(d, "never settled")
	if _, err := a.Mark(ctx); err != nil {
		t.Fatal(err)
	}
	d, a = open()
	if err := a.Restore(ctx, mark); err != nil {
		t.Fatal(err)
	}
	apply(d, "two")
	if mark, err = a.Mark(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Finish(ctx); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "out-2.jsonl"))
	if want := `{"a":{"b":"one \"\n\u0001"}}` + "\n" + `{"a":{"b":"two"}}` + "\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	var sum struct{ Rows, Bytes int }
	note, err := os.ReadFile(filepath.Join(dir, "out-2.jsonl.sum.json"))
	if err != nil || json.Unmarshal(note, &sum) != nil || sum.Rows != 2 || sum.Bytes != len(got) {
		t.Errorf("%s, %v", note, err)
	}
	if _, a = open(); a.Restore(ctx, mark) != nil {
		t.Error("a mark that was published before the state knew is not accepted")
	}
	write(t, dir, "out-2.jsonl", "changed")
	if _, a = open(); connectors.ClassOf(a.Restore(ctx, mark)) != connectors.Broken {
		t.Error("a published file that was changed is accepted")
	}
	if mine, err := os.ReadFile(filepath.Join(dir, "out.jsonl")); err != nil || string(mine) != "mine\n" {
		t.Errorf("%q, %v", mine, err)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2\n3,4\r\n\"x\"\"y\",\n"), uint8(1))
	f.Add([]byte("\xef\xbb\xbfa,b\n\n\"\n"), uint8(2))
	f.Add([]byte("a,b\n\""+strings.Repeat("x\",\"y\n", 30)+"\"\nT,1\n\n"), uint8(128+3))
	f.Fuzz(func(t *testing.T, content []byte, limit uint8) {
		settings := csvSettings()
		if limit >= 64 { // a record is soon too long
			settings.MaxRecord = leastMaxRecord
		}
		if limit >= 128 {
			settings.Tail = []string{"k"}
		}
		fuzzRead(t, content, int(limit%5)+1, &Resource{CSV: settings})
	})
}

func FuzzJSONL(f *testing.F) {
	f.Add([]byte("{\"a\": [1, {\"b\": \"\\u00e4\"}], \"b\": 1e5}\n{}\n{"), uint8(1))
	f.Fuzz(func(t *testing.T, content []byte, limit uint8) {
		most := defaultMaxRecord
		if limit >= 64 {
			most = leastMaxRecord
		}
		fuzzRead(t, content, int(limit%5)+1, &Resource{JSONL: &JSONL{MaxRecord: most}})
	})
}

// fuzzRead holds that pages of any size give the same rows, and that reading ends.
func fuzzRead(t *testing.T, content []byte, limit int, settings *Resource) {
	dir := t.TempDir()
	write(t, dir, "x", string(content))
	all := func(limit int) (rows []string) {
		s := newSource(t, dir, settings, "a", "b")
		for from, n := record.Position(""), 0; n <= len(content)+2; n++ {
			page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, from, limit)
			if err != nil {
				return []string{"error"}
			}
			for i := range page.Len() {
				rows = append(rows, rowText(page, i)+page.Where(i))
			}
			if from = page.EndPosition(); page.End() {
				return rows
			}
		}
		t.Fatal("reading does not end")
		return nil
	}
	if whole, paged := all(1000), all(limit); strings.Join(whole, "\n") != strings.Join(paged, "\n") {
		t.Errorf("whole %q\nin pages of %d %q", whole, limit, paged)
	}
}
