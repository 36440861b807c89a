package engine

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/rules"
)

// hidden are a destination's words without the sensitive values it was sent: it may
// show them in what it says (promise 10).
func (r *run) hidden(it *item, words string) string {
	for c, sensitive := range r.own.Sensitive {
		if !sensitive || it.values[c].Missing() {
			continue
		}
		if text := it.values[c].Text(); text != "" {
			for _, form := range forms(text) {
				words = strings.ReplaceAll(words, form, connectors.Redacted)
			}
		}
	}
	return words
}

// forms are those in which a text comes back: as it is, in JSON, and in an address.
func forms(text string) []string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return []string{text}
	}
	return []string{text, string(quoted[1 : len(quoted)-1]), url.QueryEscape(text), url.PathEscape(text)}
}

// hiddenError is an error of a system that was sent changes, without their sensitive
// values: what stops a system may well name the row it fell over.
func (r *run) hiddenError(changes []*item, err error) error {
	if err == nil || !slices.Contains(r.own.Sensitive, true) {
		return err
	}
	hide := func(text string) string {
		for _, it := range changes {
			text = r.hidden(it, text)
		}
		return text
	}
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		told := *e
		told.Op, told.Hint, told.Err = hide(e.Op), hide(e.Hint), errors.New(hide(e.Err.Error()))
		return &told
	}
	if text := hide(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// ShowsPosition reports whether a position in a resource may be shown: a table's is
// made of its cursor, and of its key or id (promise 10).
func ShowsPosition(r *rules.Resource) bool {
	for i, field := range r.Entity.Schema.Fields {
		ordered := slices.Contains(r.Entity.Schema.Key, i) || slices.ContainsFunc(columnsOf(r.Read[i]), func(c int) bool { return r.Columns.Names[c] == r.Cursor })
		if field.Sensitive && ordered {
			return false
		}
	}
	return ShowsID(r)
}
