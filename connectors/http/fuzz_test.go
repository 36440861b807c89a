package http

import (
	"testing"
	"unicode/utf8"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// FuzzAnswer: whatever a body is, it gives records or an error. What is given is JSON
// on which the next reader and the positions can rely.
func FuzzAnswer(f *testing.F) {
	for format := range 3 {
		for _, body := range []string{`{"a": {"b": [{"no": 1, "l": [{"x": 1}]}]}}`, `[{"no": "1"}]`, "{\"no\": 1}\n{\"no\"", `<a><b no="1"><no>2</no></b><b/></a>`, `<a xmlns:i="x" i:nil="true">t<b/>t</a>`, `null`, ``, "\ufeff{}", `{"error": "x"}`} {
			f.Add(uint8(format), "a.b", body)
			f.Add(uint8(format), "", body)
		}
	}
	columns := []record.Column{{Name: "no", Kind: record.Unknown}, {Name: "l", Kind: record.List, Lines: []record.Column{{Name: "x"}}}}
	c, err := open(&Settings{URL: "http://a.example", MaxBody: 1}, connectors.Tools{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, format uint8, place, body string) {
		settings := &Resource{Format: []string{formatJSON, formatJSONL, formatXML}[format%3]}
		p := newParser(&connectors.Resource{Settings: settings, Read: columns, Cursor: "at"}, place)
		records, err := p.records(c, "read", &answer{status: 200, body: body}, connectors.Logic{})
		if err != nil {
			if len(records) > 0 {
				t.Fatal("records, and an error")
			}
			return
		}
		for _, text := range records {
			_, _, bad := document.At(text, "")
			if settings.Format != formatJSONL && bad != nil {
				t.Fatalf("%q is no JSON: %v", text, bad)
			}
			row, err := p.row(text)
			if len(row) != len(columns) {
				t.Fatalf("a row of %d values", len(row))
			}
			if err == nil && (bad != nil || !utf8.ValidString(text)) {
				t.Fatalf("%q was read as a row", text)
			}
			p.cursor(text)
		}
	})
}
