package http

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/engine/record"
)

// target is where a request goes, as templates.
type target struct {
	method  string
	path    connectors.Text
	query   map[string]connectors.Text
	headers map[string]connectors.Text
}

// uses are the names the templates use.
func (t *target) uses() []string {
	uses := slices.Clone(t.path.Uses)
	for _, texts := range []map[string]connectors.Text{t.query, t.headers} {
		for _, text := range texts {
			uses = append(uses, text.Uses...)
		}
	}
	slices.Sort(uses)
	return slices.Compact(uses)
}

// knows reports whether all names the templates use are known.
func (t *target) knows(names connectors.Names) bool {
	return !slices.ContainsFunc(t.uses(), func(name string) bool { return names[name].Missing() })
}

// render fills the templates, each value escaped for where it stands.
func (t *target) render(names connectors.Names) (*message, error) {
	for _, name := range t.uses() {
		if names[name].Missing() {
			return nil, fmt.Errorf("the %s of this record is not known", name)
		}
	}
	m := &message{method: t.method}
	segments, err := segments(names, t.path.Uses)
	if err != nil {
		return nil, err
	}
	if m.path, err = rendered(t.path, segments); err != nil {
		return nil, err
	}
	query := make(url.Values, len(t.query))
	for name, text := range t.query {
		value, err := rendered(text, names)
		if err != nil {
			return nil, err
		}
		query.Set(name, value)
	}
	m.query = query.Encode()
	for _, name := range slices.Sorted(maps.Keys(t.headers)) {
		value, err := rendered(t.headers[name], names)
		if err != nil {
			return nil, err
		}
		if strings.ContainsFunc(value, isControl) {
			return nil, fmt.Errorf("the header %s cannot hold a line break or another control character", name)
		}
		m.headers = append(m.headers, [2]string{name, value})
	}
	return m, nil
}

func rendered(text connectors.Text, names connectors.Names) (string, error) {
	if text.Render == nil {
		return text.Source, nil
	}
	return text.Render(names)
}

// segments escapes values as parts of a path. One that would be another path, or
// none, is refused: whatever there is at "/orders/" or "/orders/.." is not the record.
func segments(names connectors.Names, uses []string) (connectors.Names, error) {
	escaped := make(connectors.Names, len(uses))
	for _, name := range uses {
		text := names[name].Text()
		if text == "" || text == "." || text == ".." {
			return nil, fmt.Errorf("the %s %q cannot be a part of a path", name, text)
		}
		escaped[name] = record.StringValue(url.PathEscape(text))
	}
	return escaped, nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
