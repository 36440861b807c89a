package document_test

import (
	"slices"
	"testing"

	"headgate/connectors/document"
	"headgate/engine/record"
)

func TestAt(t *testing.T) {
	t.Parallel()
	const text = ` {"data": {"items" : [ {"id":1}, "}" , [2] ], "no": null}, "a\u002eb": 1.50} `
	for _, test := range []struct {
		path, want string
		ok         bool
	}{
		{"", text[1 : len(text)-1], true},
		{"data.items", `[ {"id":1}, "}" , [2] ]`, true},
		{"data.no", "null", true},
		{"data.no.more", "", false},
		{"data.items.id", "", false},
		{"other", "", false},
	} {
		got, ok, err := document.At(text, test.path)
		if got != test.want || ok != test.ok || err != nil {
			t.Errorf("at %q: %q %v %v, want %q", test.path, got, ok, err, test.want)
		}
	}
	for _, broken := range []string{"", "<html>", `{"a":1`, `{"a":1} {}`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}"} {
		if got, ok, err := document.At(broken, "a"); err == nil || ok {
			t.Errorf("%q gives %q %v", broken, got, ok)
		}
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	got, err := document.Elements(`[ {"id":1}, "]" , [2],null ]`)
	if want := []string{`{"id":1}`, `"]"`, `[2]`, "null"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	if none, err := document.Elements("[]"); err != nil || len(none) != 0 {
		t.Errorf("%q %v", none, err)
	}
	if _, err := document.Elements(`{"a":[]}`); err == nil {
		t.Error("an object has elements")
	}
}

// TestThereAndBack: what is written is read again, and what is absent stays absent.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	columns := []record.Column{
		{Name: "no", Kind: record.String},
		{Name: "meta.total", Kind: record.Decimal},
		{Name: "meta.note", Kind: record.String},
		{Name: "none.here", Kind: record.String},
		{Name: "lines", Kind: record.List, Lines: []record.Column{{Name: "pos", Kind: record.Int}, {Name: "a.b", Kind: record.String}}},
	}
	total, err := record.ParseNumber("10.50", false)
	if err != nil {
		t.Fatal(err)
	}
	row := record.Row{
		record.StringValue("A\"1"), record.DecimalValue(total), record.NullValue(), {},
		record.ListValue(&record.Lines{Rows: [][]record.Value{{record.IntValue(1), record.StringValue("x")}, {record.IntValue(2), {}}}}),
	}
	w, err := document.NewWriter(columns)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := w.Append(nil, row)
	want := `{"no":"A\"1","meta":{"total":10.50,"note":null},"lines":[{"pos":1,"a":{"b":"x"}},{"pos":2}]}`
	if string(text) != want || !ok {
		t.Fatalf("wrote %s, want %s", text, want)
	}
	back := make(record.Row, len(columns))
	if err := document.NewReader(columns).Read(string(text), back); err != nil {
		t.Fatal(err)
	}
	for i := range row {
		if !row[i].Equal(back[i]) {
			t.Errorf("column %s: %v, want %v", columns[i].Name, back[i], row[i])
		}
	}
	row[0] = record.StringValue("\xff")
	if _, ok := w.Append(nil, row); ok {
		t.Error("what is not UTF-8 was written")
	}
}
