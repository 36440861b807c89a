package files

import (
	"context"
	"encoding/csv"
	"io"
	"strings"
	"testing"

	"headgate/connectors"
	"headgate/engine/record"
)

// TestTraps are the ways in which encoding/csv loses or damages rows without a
// word. Each says what that package makes of the text, as far as it goes, so that
// the trap is known to be one.
func TestTraps(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		trap    func(*csv.Reader)
		theirs  int // records encoding/csv gives behind the header, without an error
		want    []string
	}{
		"an unclosed quote swallows what follows": {
			"a,b\n1,\"2\n3,4\n5,6\n", func(r *csv.Reader) { r.LazyQuotes = true }, 1,
			[]string{"absent|absent !csv_quote", "3|4", "5|6"},
		},
		"a comment drops rows": {
			"a,b\n#1,2\n3,4\n", func(r *csv.Reader) { r.Comment = '#' }, 1,
			[]string{"#1|2", "3|4"},
		},
		"a carriage return alone is data": {"a,b\n1\r2,3\n", nil, 1, []string{"1\r2|3"}},
		"a line break in a cell is kept as it is": {
			"a,b\n\"1\r\n2\",3\n", nil, 1,
			[]string{"1\r\n2|3"}, // they give 1\n2
		},
		"a bare quote is data": {"a,b\n36'37.8\"N,2\n", func(r *csv.Reader) { r.LazyQuotes = true }, 1, []string{"36'37.8\"N|2"}},
		"a mark is no text":    {"\ufeffa,b\n1,2\n", nil, 1, []string{"1|2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs := csv.NewReader(strings.NewReader(test.content))
			if test.trap != nil {
				test.trap(theirs)
			}
			if rows, err := theirs.ReadAll(); err != nil || len(rows)-1 != test.theirs {
				t.Errorf("encoding/csv gives %q, %v: is this still a trap?", rows, err)
			}
			dir := t.TempDir()
			write(t, dir, "x", test.content)
			for limit := 1; limit < 4; limit++ {
				_, got := read(t, newSource(t, dir, &Resource{CSV: csvSettings()}, "a", "b"), "x", "", limit)
				if strings.Join(got, ";") != strings.Join(test.want, ";") {
					t.Errorf("%q, want %q", got, test.want)
				}
			}
		})
	}
}

// TestOpenedQuotes: each line opens a quote that the next one closes in its middle.
// Each is broken alone.
func TestOpenedQuotes(t *testing.T) {
	t.Parallel()
	const lines = 500
	dir := t.TempDir()
	write(t, dir, "x", "a,b\n"+strings.Repeat("x\",\"y\n", lines)+"1,2\n")
	_, got := read(t, newSource(t, dir, &Resource{CSV: csvSettings()}, "a", "b"), "x", "", 100)
	if len(got) != lines+1 || got[lines] != "1|2" {
		t.Fatalf("%d rows, the last %q", len(got), got[len(got)-1])
	}
	for i, row := range got[:lines] {
		if !strings.HasSuffix(row, "!csv_quote") {
			t.Fatalf("row %d: %s", i, row)
		}
	}
}

// TestBadPositions: a position that is none is told, and not guessed at.
func TestBadPositions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "x", "a\n1\n")
	for _, bad := range []record.Position{"offset=-1", "offset=x", "line=", "sum=zz", "offset=99999999999999999999"} {
		_, err := newSource(t, dir, &Resource{CSV: csvSettings()}, "a").Read(context.Background(), connectors.Part{Name: "x"}, bad, 1)
		if connectors.ClassOf(err) != connectors.Broken || connectors.HintOf(err) == "" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// benchRows is a file like the one the floors are measured with: ten columns, 97 bytes.
func benchRows(n int) string {
	const row = "10000001,2026-11-02,2026-11-02T09:00:00Z,C-70012,1234.50,open,a@shop.example,12,102.875,Main St 1\n"
	return "no,day,at,customer,total,status,email,qty,price,street\n" + strings.Repeat(row, n)
}

const benchSize = 20_000

// BenchmarkBareCSV is the floor: encoding/csv alone, reusing its record.
func BenchmarkBareCSV(b *testing.B) {
	text := benchRows(benchSize)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := csv.NewReader(strings.NewReader(text))
		r.ReuseRecord = true
		for {
			if _, err := r.Read(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSize, "ns/row")
}

// BenchmarkCSV reads the same rows from a file, with values, positions and lines.
func BenchmarkCSV(b *testing.B) {
	text, dir := benchRows(benchSize), b.TempDir()
	write(b, dir, "x", text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	columns := strings.Split(text[:strings.IndexByte(text, '\n')], ",")
	for b.Loop() {
		s := newSource(b, dir, &Resource{CSV: csvSettings()}, columns...)
		rows := 0
		for from := record.Position(""); ; {
			page, err := s.Read(context.Background(), connectors.Part{Name: "x"}, from, 1000)
			if err != nil {
				b.Fatal(err)
			}
			rows += page.Len()
			if from = page.EndPosition(); page.End() {
				break
			}
		}
		if rows != benchSize {
			b.Fatalf("%d rows", rows)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSize, "ns/row")
}
