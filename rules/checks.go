package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"headgate/engine/record"
)

// checkField judges presence and the checks of one field of the entity.
func (w *Worker) checkField(v *Verdict, f int, value record.Value) {
	entity := w.flow.From.Entity
	field, checks := &entity.Schema.Fields[f], &entity.Fields[f]
	if value.Missing() {
		if code := w.missing(field, checks, value); code != "" {
			v.fail(Reject, fieldReason(field, code, missingText(code)), nil)
		}
		return
	}
	if field.Kind == record.List {
		checkLines(v, field, checks, value.Lines())
		return
	}
	checkValue(v, field, checks, value, "")
}

// missing returns the code of a presence failure, or "". A field that is not
// optional must be present from its owner's connector, and may be absent from
// others; null in it is rejected from anywhere.
func (w *Worker) missing(field *record.Field, checks *Field, value record.Value) string {
	switch {
	case field.Optional:
		return ""
	case value.IsNull():
		return "null"
	case checks.Owner == w.flow.From.Connector:
		return "missing"
	}
	return ""
}

func missingText(code string) string {
	if code == "null" {
		return "is empty and must not be"
	}
	return "is missing"
}

func fieldReason(field *record.Field, code, text string) record.Reason {
	return record.Reason{Stage: record.StageRule, Code: code, Field: field.Name, Message: field.Name + " " + text}
}

// checkValue judges one present value; where is "line 3: " inside a list.
func checkValue(v *Verdict, field *record.Field, checks *Field, value record.Value, where string) {
	fail := func(code, hidden, shown string) {
		if field.Sensitive {
			shown = hidden
		}
		reason := fieldReason(field, code, shown)
		reason.Message = where + reason.Message
		v.fail(Reject, reason, nil)
	}
	if len(checks.OneOf) > 0 && !slices.ContainsFunc(checks.OneOf, value.Equal) {
		fail("one_of", "is none of the values allowed", fmt.Sprintf("is %q, which is none of %s", value.Text(), listText(checks.OneOf)))
	}
	switch value.Kind() {
	case record.Int, record.Decimal:
		checkNumber(fail, checks, value.Number())
	case record.String:
		checkText(fail, checks, value.Str())
	}
}

// bare reports whether a present value passes, whatever it is.
func (c *Field) bare() bool {
	return len(c.OneOf) == 0 && c.Min == nil && c.Max == nil && c.Scale < 0 && c.MaxLength == 0 && c.Pattern == nil
}

func checkNumber(fail func(code, hidden, shown string), checks *Field, n record.Number) {
	if checks.Min != nil && n.Cmp(*checks.Min) < 0 {
		fail("min", fmt.Sprintf("is less than %s", checks.Min), fmt.Sprintf("is %s, less than %s", n, checks.Min))
	}
	if checks.Max != nil && n.Cmp(*checks.Max) > 0 {
		fail("max", fmt.Sprintf("is more than %s", checks.Max), fmt.Sprintf("is %s, more than %s", n, checks.Max))
	}
	// The value counts, not how it was written: 1.50 has one digit after the point.
	if checks.Scale >= 0 && n.Scale() > int32(checks.Scale) && n.Reduce().Scale() > int32(checks.Scale) {
		fail("scale", "has too many digits after the point", fmt.Sprintf("is %s, with more than %d digits after the point", n, checks.Scale))
	}
}

func checkText(fail func(code, hidden, shown string), checks *Field, s string) {
	if checks.MaxLength > 0 && len(s) > checks.MaxLength && utf8.RuneCountInString(s) > checks.MaxLength {
		length := fmt.Sprintf("is %d characters long, more than %d", utf8.RuneCountInString(s), checks.MaxLength)
		fail("max_length", length, length)
	}
	if checks.Pattern != nil && !checks.Pattern.MatchString(s) {
		fail("pattern", "does not match its pattern", fmt.Sprintf("is %q, which does not match %s", clip(s), checks.Pattern))
	}
}

// clip keeps what a message shows of a text short, in whole characters.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func listText(values []record.Value) string {
	text := ""
	for i, v := range values {
		if i > 0 {
			text += ", "
		}
		text += v.Text()
	}
	return text
}

// checkLines judges the fields of each line, and that line keys are there and unique.
func checkLines(v *Verdict, list *record.Field, checks *Field, lines *record.Lines) {
	seen := make(map[record.Key]int, len(lines.Rows))
	for i, line := range lines.Rows {
		where := fmt.Sprintf("%s line %d: ", list.Name, i+1)
		for j := range list.Lines.Fields {
			field := &list.Lines.Fields[j]
			switch {
			case !line[j].Missing():
				checkValue(v, field, &checks.Lines[j], line[j], where)
			case !field.Optional:
				reason := fieldReason(field, "null", missingText("null"))
				reason.Message = where + reason.Message
				v.fail(Reject, reason, nil)
			}
		}
		checkLineKey(v, list, line, seen, i)
	}
}

func checkLineKey(v *Verdict, list *record.Field, line []record.Value, seen map[record.Key]int, i int) {
	if len(list.Lines.Key) == 0 {
		return
	}
	key, err := record.EncodeKey(line, list.Lines.Key)
	if err != nil {
		v.fail(Reject, fieldReason(list, "line_key", fmt.Sprintf("line %d has no usable key", i+1)), nil)
		return
	}
	if first, twice := seen[key]; twice {
		v.fail(Reject, fieldReason(list, "line_key", fmt.Sprintf("line %d has the key of line %d", i+1, first+1)), nil)
		return
	}
	seen[key] = i
}
