package http

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"unicode/utf8"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// parser takes records out of answers, and rows out of records.
type parser struct {
	format string
	place  string // of the records in an answer
	arrays map[string]bool
	width  int // of a row
	at     int // of the cursor in what is read
	reader *document.Reader
}

// newParser arranges what is read of a record: the columns, and the cursor, which
// need not be one of them.
func newParser(r *connectors.Resource, place string) *parser {
	d := &parser{format: r.Settings.(*Resource).Format, place: place, width: len(r.Read), at: -1}
	columns := r.Read
	for i, c := range r.Read {
		if c.Name == r.Cursor {
			d.at = i
		}
	}
	if d.at < 0 && r.Cursor != "" {
		d.at = len(columns)
		columns = append(columns[:d.at:d.at], record.Column{Name: r.Cursor, Kind: record.String})
	}
	d.reader = document.NewReader(columns)
	if d.format == formatXML {
		d.arrays = map[string]bool{place: true}
		for _, c := range columns {
			if c.Kind == record.List {
				d.arrays[joined(place, c.Name)] = true
			}
		}
	}
	return d
}

func joined(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

// records are the texts of the records of an answer, each a JSON document, once the
// answer is the success that was declared.
func (d *parser) records(c *connector, op string, a *answer, ok connectors.Logic) ([]string, error) {
	if err := d.success(c, op, a, ok); err != nil {
		return nil, err
	}
	if strings.TrimSpace(a.body) == "" {
		if a.status == nethttp.StatusNoContent || d.format == formatJSONL {
			return nil, nil
		}
		return nil, shape(op, "the answer %d is empty", a.status)
	}
	if d.format == formatJSONL {
		return lines(op, a.body)
	}
	return d.found(op, a)
}

// success says why an answer is none: its status, a page for people, or its shape. A
// format that is none of JSON is made JSON first.
func (d *parser) success(c *connector, op string, a *answer, ok connectors.Logic) error {
	if a.status < 200 || a.status > 299 {
		return c.answered(op, a)
	}
	if a.isPage() {
		e := shape(op, "%s", a.words())
		e.Class, e.Code, e.Hint = connectors.Down, "format", "a login or a notice stands where the data should be"
		return e
	}
	a.body = strings.TrimPrefix(a.body, "\ufeff")
	if d.format == formatXML && strings.TrimSpace(a.body) != "" {
		text, err := jsonOf(a.body, d.arrays)
		if err != nil {
			return shape(op, "the answer is no XML: %w", err)
		}
		a.body = text
	}
	if ok.Eval == nil && d.format == formatJSONL {
		return nil
	}
	done, err := a.done(ok)
	if err != nil {
		return shape(op, "%w", err)
	}
	if !done {
		e := shape(op, "the answer is not what the ruleset takes for a success: %s", a.words())
		e.Class = connectors.Down
		return e
	}
	return nil
}

// some are the records of an answer that is one, or an array of them.
func (d *parser) some(c *connector, op string, a *answer, ok connectors.Logic) ([]string, error) {
	if err := d.success(c, op, a, ok); err != nil {
		return nil, err
	}
	if a.status == nethttp.StatusNoContent {
		return nil, nil
	}
	if d.format == formatJSONL {
		return lines(op, a.body)
	}
	text, is, err := document.At(a.body, d.place)
	if err == nil && is && text[0] == '{' {
		return []string{text}, nil
	}
	return d.found(op, a)
}

// found are the elements of the array where records stand.
func (d *parser) found(op string, a *answer) ([]string, error) {
	text, is, err := document.At(a.body, d.place)
	switch {
	case err != nil:
		return nil, shape(op, "the answer is no JSON: %w", err)
	case !is && d.format == formatXML && d.emptied(a):
		return nil, nil
	case !is:
		return nil, shape(op, "the answer has nothing at %q, where its records should be", d.place)
	case text == "null":
		return nil, nil
	case text[0] != '[':
		return nil, shape(op, "what the answer has at %q is no array of records", d.place)
	}
	return document.Elements(text)
}

// emptied reports whether the element that holds the records is there: without any,
// XML does not show that they would be many.
func (d *parser) emptied(a *answer) bool {
	i := strings.LastIndexByte(d.place, '.')
	if i < 0 {
		return false
	}
	_, is, err := document.At(a.body, d.place[:i])
	return is && err == nil
}

// lines are the lines of JSON Lines. A last one that was cut makes the whole answer
// one that was not read to its end.
func lines(op, body string) ([]string, error) {
	var all []string
	last := ""
	for line := range strings.Lines(body) {
		last = line
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	if !strings.HasSuffix(last, "\n") && strings.TrimSpace(last) != "" {
		if _, _, err := document.At(strings.TrimSpace(last), ""); err != nil {
			return nil, shape(op, "the answer ends within a line: %w", err)
		}
	}
	return all, nil
}

// row reads one record.
func (d *parser) row(text string) (record.Row, error) {
	row := make(record.Row, max(d.width, d.at+1))
	if !utf8.ValidString(text) {
		return row[:d.width], &connectors.RowError{Code: "encoding", Message: "the record is not valid UTF-8"}
	}
	if err := d.reader.Read(text, row); err != nil {
		return row[:d.width], &connectors.RowError{Code: "json", Message: fmt.Sprintf("the record is not as it should be: %v", err)}
	}
	return row[:d.width], nil
}

// cursor is the cursor of a record, missing where it has none.
func (d *parser) cursor(text string) record.Value {
	row := make(record.Row, max(d.width, d.at+1))
	if d.at < 0 || d.reader.Read(text, row) != nil {
		return record.NullValue()
	}
	return row[d.at]
}
