package engine

import (
	"errors"
	"slices"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// hidden are a destination's words without the sensitive values it was sent: it may
// show them in what it says (promise 10).
func (r *run) hidden(it *item, words string) string {
	return connectors.Hide(words, r.sensitive([]*item{it})...)
}

// shownReference is the reference of a change as people may see it: an expression may
// make it of a sensitive key.
func (r *run) shownReference(c *ChangeIntent) string {
	if at := r.own.Reference; at >= 0 && r.own.Sensitive[at] && c.Reference != "" {
		return connectors.Redacted
	}
	return c.Reference
}

// sensitive are the texts of items that people may not be shown.
func (r *run) sensitive(items []*item) (texts []string) {
	for _, it := range items {
		for c, v := range it.values {
			texts = r.own.AppendSensitive(texts, c, v)
		}
	}
	return texts
}

// hiddenError is an error of a system that was sent items, or asked for them, without
// their sensitive values: what stops a system may well name the row it fell over.
func (r *run) hiddenError(items []*item, err error) error {
	if err == nil || !slices.Contains(r.own.Sensitive, true) {
		return err
	}
	return hideIn(err, r.sensitive(items))
}

// hideIn is an error without what people may not be shown.
func hideIn(err error, sensitive []string) error {
	if err == nil || len(sensitive) == 0 {
		return err
	}
	hide := func(text string) string { return connectors.Hide(text, sensitive...) }
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		told := *e
		told.Op, told.Hint = hide(e.Op), hide(e.Hint)
		if text := hide(e.Err.Error()); text != e.Err.Error() {
			told.Err = errors.New(text)
		}
		return &told
	}
	if text := hide(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// sensitiveKeys are the texts in keys that people may not be shown; fields are those
// of each key.
func sensitiveKeys(schema *record.Schema, fields []int, keys [][]record.Value) (texts []string) {
	for at, field := range fields {
		if !schema.Fields[field].Sensitive {
			continue
		}
		for _, key := range keys {
			texts = append(texts, key[at].Text())
		}
	}
	return texts
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
