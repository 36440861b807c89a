package engine

import (
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// maxShown is how much of one value an exception shows, in bytes.
const maxShown = 4 << 10

// idText writes exception ids: lower case, without padding, safe in a shell.
var idText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// exceptionID names the exception of one content of one record: the same on every
// try, so that a line written again after a crash is shown once.
func exceptionID(flow string, key record.Key, content record.Fingerprint) string {
	text := make([]byte, 0, len(flow)+len(key)+len(content)+1)
	text = append(append(append(append(text, flow...), 0), key...), content[:]...)
	sum := xxh3.Hash128(text).Bytes()
	return idText.EncodeToString(sum[:10])
}

// exception is the evidence of an item that was stopped.
func (r *run) exception(b *batch, it *item, attempts int) Exception {
	x := Exception{
		ID: exceptionID(r.first, it.key, it.rowDigest()), Time: r.now(),
		Flow: r.flow.Name, Entity: r.summary.Entity, Key: r.keyText(it),
		Outcome: it.stoppedAs(), Reason: it.reason(),
		Row: r.shownRow(it), Record: r.shownRecord(it),
		Part: b.part.Name, Where: it.where, Batch: r.header.Journal + 1,
		Ruleset: r.of.set.Digest, Attempts: attempts, Answer: it.answer,
	}
	if it.sent != nil && x.Outcome == InDoubt {
		x.Sent, x.Reference = clipText(it.sent.Text), r.shownReference(&it.sent.Changes[it.sentAs])
	}
	if len(it.verdict.Failures) > 1 {
		x.Failures = it.verdict.Failures
	}
	if b.again && it.open != nil {
		x.Part = it.open.Part
	}
	if b.page != nil && !b.again {
		x.Where = b.page.Where(it.at)
		if ShowsPosition(r.flow.From) {
			x.Position = b.page.After(it.at)
		}
		if !hasSensitive(r.flow.From.Entity.Schema) {
			x.Raw = clipText(strings.ToValidUTF8(b.page.Raw(it.at), "�"))
		}
	}
	return x
}

// keyText is the key as people write it: its parts joined by "/", or "" where the
// record has none or a part of it is sensitive.
func (r *run) keyText(it *item) string {
	if it.key == "" || it.key[0] != keyedSpace {
		return ""
	}
	return KeyText(r.flow.From.Entity, it.key[1:])
}

// KeyText writes a key as people do: its parts joined by "/". Sensitive parts are hidden.
func KeyText(entity *rules.Entity, key record.Key) string {
	parts, err := record.DecodeKey(key, entity.KeyKinds())
	if err != nil {
		return ""
	}
	texts := make([]string, len(parts))
	for i := range parts {
		texts[i] = parts[i].Text()
	}
	for i, f := range entity.Schema.Key {
		if entity.Schema.Fields[f].Sensitive {
			texts[i] = connectors.Redacted
		}
	}
	return joinKey(texts)
}

// ParseKey reads a key as KeyText writes it.
func ParseKey(entity *rules.Entity, text string) (record.Key, error) {
	kinds := entity.KeyKinds()
	parts := splitKey(text, len(kinds))
	if len(parts) != len(kinds) {
		return "", &KeyError{entity, text}
	}
	var key []byte
	for i, kind := range kinds {
		v, err := record.Parse(kind, parts[i], record.Locale{})
		if err == nil {
			key, err = record.AppendKey(key, v)
		}
		if err != nil {
			return "", &KeyError{entity, text}
		}
	}
	return record.Key(key), nil
}

// KeyError says that a text is not a key of its entity.
type KeyError struct {
	Entity *rules.Entity
	Text   string
}

// Error says which parts a key has.
func (e *KeyError) Error() string {
	if e.Entity.Match != nil {
		return "key " + e.Text + " is not a key of entity " + e.Entity.Name + ": give its id in the source"
	}
	return "key " + e.Text + " is not a key of entity " + e.Entity.Name + ": give " + KeyParts(e.Entity)
}

// KeyParts says what a key of the entity is made of, for people.
func KeyParts(entity *rules.Entity) string {
	names := make([]string, 0, len(entity.Schema.Key))
	for _, f := range entity.Schema.Key {
		field := entity.Schema.Fields[f]
		names = append(names, field.Name+" ("+field.Kind.String()+")")
	}
	return strings.Join(names, " / ")
}

// ShowsID reports whether the ids of a resource may be shown: they are read from no
// column that feeds a sensitive field (promise 10).
func ShowsID(r *rules.Resource) bool {
	if r.ID == nil {
		return true
	}
	for i, reading := range r.Read {
		columns := []int{reading.Column}
		if reading.Program != nil {
			columns = reading.Program.Columns()
		}
		if r.Entity.Schema.Fields[i].Sensitive && slices.ContainsFunc(r.ID.Columns(), func(c int) bool { return slices.Contains(columns, c) }) {
			return false
		}
	}
	return true
}

// LedgerKey returns the key under which a ledger keeps the record with this key.
func LedgerKey(key record.Key) record.Key { return record.Key(keyedSpace) + key }

// RecordKey returns the key of the record that a ledger keeps under this key; false
// where it keeps what has no key.
func RecordKey(key record.Key) (record.Key, bool) {
	if key == "" || key[0] != keyedSpace {
		return "", false
	}
	return key[1:], true
}

// shownRow is the row without columns that feed a sensitive field, or feed none.
func (r *run) shownRow(it *item) json.RawMessage {
	shown := shownColumns(r.flow.From)
	out := []byte{'{'}
	for i, v := range it.row {
		if i < len(shown) && shown[i] && !v.IsAbsent() {
			out = appendMember(out, r.flow.From.Columns.Names[i], v, r.lineNames(i))
		}
	}
	return append(out, '}')
}

// lineNames are the names of a list column's own columns, nil for any other.
func (r *run) lineNames(column int) []string {
	for _, list := range r.flow.From.Lists {
		if r.flow.From.Read[list.Field].Column == column {
			return list.Columns.Names
		}
	}
	return nil
}

// shownRecord is the record as mapped, without sensitive fields.
func (r *run) shownRecord(it *item) json.RawMessage {
	out := []byte{'{'}
	for f, v := range it.record {
		field := r.flow.From.Entity.Schema.Fields[f]
		if field.Sensitive || v.IsAbsent() || field.Lines != nil && hasSensitive(field.Lines) {
			continue
		}
		var names []string
		if field.Lines != nil {
			for _, line := range field.Lines.Fields {
				names = append(names, line.Name)
			}
		}
		out = appendMember(out, field.Name, v, names)
	}
	if len(out) == 1 {
		return nil
	}
	return append(out, '}')
}

func hasSensitive(s *record.Schema) bool {
	return slices.ContainsFunc(s.Fields, func(f record.Field) bool {
		return f.Sensitive || f.Lines != nil && hasSensitive(f.Lines)
	})
}

// shownColumns says which columns of a resource may be shown: those that feed a
// field, and no sensitive one.
func shownColumns(r *rules.Resource) []bool {
	shown := make([]bool, len(r.Columns.Names))
	hidden := make([]bool, len(shown))
	for f, reading := range r.Read {
		field := r.Entity.Schema.Fields[f]
		sensitive := field.Sensitive || field.Lines != nil && hasSensitive(field.Lines)
		for _, c := range columnsOf(reading) {
			shown[c], hidden[c] = true, hidden[c] || sensitive
		}
	}
	for i := range shown {
		shown[i] = shown[i] && !hidden[i]
	}
	return shown
}

func columnsOf(r rules.Reading) []int {
	switch {
	case r.Program != nil:
		return r.Program.Columns()
	case r.Column >= 0:
		return []int{r.Column}
	}
	return nil
}

func appendMember(out []byte, name string, v record.Value, lineNames []string) []byte {
	if len(out) > 1 {
		out = append(out, ',')
	}
	out = appendJSONText(out, name)
	out = append(out, ':')
	return appendJSONValue(out, v, lineNames)
}

func appendJSONText(out []byte, text string) []byte {
	quoted, err := json.Marshal(clipText(text))
	if err != nil {
		return append(out, `""`...)
	}
	return append(out, quoted...)
}

func appendJSONValue(out []byte, v record.Value, lineNames []string) []byte {
	switch v.Kind() {
	case record.Absent, record.Null:
		return append(out, "null"...)
	case record.Int, record.Decimal, record.Bool:
		return v.Append(out)
	case record.List:
		return appendJSONLines(out, v.Lines(), lineNames)
	}
	return appendJSONText(out, v.Text())
}

func appendJSONLines(out []byte, lines *record.Lines, names []string) []byte {
	out = append(out, '[')
	for i, row := range lines.Rows {
		if i > 0 {
			out = append(out, ',')
		}
		line := []byte{'{'}
		for j, v := range row {
			if j < len(names) && !v.IsAbsent() {
				line = appendMember(line, names[j], v, nil)
			}
		}
		out = append(append(out, line...), '}')
	}
	return append(out, ']')
}

func clipText(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}
