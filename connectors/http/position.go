package http

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/engine/record"
)

// position is where a resource was read to. It says all that a new process needs to
// go on in the middle of a pass.
type position struct {
	Since  string `json:"since,omitempty"`  // what ${cursor} is in this pass
	High   string `json:"high,omitempty"`   // the greatest cursor seen so far
	Page   int    `json:"page,omitempty"`   // how many answers stand before
	Before int    `json:"before,omitempty"` // how many records stand before this answer
	Token  string `json:"token,omitempty"`  // what the answer before it named as the next
	Row    int    `json:"row,omitempty"`    // how many of its records were read
	Last   string `json:"last,omitempty"`   // the digest of the last of them
	Seen   string `json:"seen,omitempty"`   // an answer before, to find a loop by
	End    bool   `json:"end,omitempty"`
}

// answerAt tells answers of one pass apart.
type answerAt struct {
	since, token string
	page         int
}

func (p *position) answer() answerAt { return answerAt{p.Since, p.Token, p.Page} }

// text returns the position as it is kept.
func (p position) text() record.Position {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain strings always have a JSON form
	}
	return record.Position(b)
}

// parsePosition reads a position that text made; "" is the beginning.
func parsePosition(text record.Position) (p position, err error) {
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Page < 0 || p.Row < 0 || p.Before < 0 {
		e := broken("go on reading", fmt.Errorf("%q is not a position in a resource", text))
		e.Hint = "`headgate checkpoint rewind` reads it from the beginning"
		return p, e
	}
	return p, nil
}

func digest(text string) string { return fmt.Sprintf("%016x", xxh3.HashString(text)) }

// moments are the layouts a cursor may have, which it is sent back in. A fraction of
// a second is read by all of them and written by none: the next pass starts earlier.
var moments = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly}

func (s *source) moment(text string) (t time.Time, layout string, ok bool) {
	switch s.resource.CursorKind {
	case record.Time, record.Date, record.Unknown:
	default:
		return t, "", false
	}
	for _, layout := range moments {
		if t, err := time.ParseInLocation(layout, text, s.resource.Zone); err == nil {
			return t, layout, true
		}
	}
	return t, "", false
}

// since is what ${cursor} is when the greatest one seen was high.
func (s *source) since(high string) string {
	if high == "" {
		return s.fetch.Start
	}
	t, layout, ok := s.moment(high)
	if !ok {
		return high
	}
	t = t.Add(-s.resource.Overlap)
	if layout == time.RFC3339 {
		t = t.UTC()
	}
	return t.Format(layout)
}

// later returns the greater of two cursors.
func (s *source) later(a, b string) string {
	if a == "" {
		return b
	}
	if t, _, ok := s.moment(a); ok {
		if u, _, ok := s.moment(b); ok {
			if u.After(t) {
				return b
			}
			return a
		}
	}
	n, err := record.ParseNumber(a, false)
	if m, other := record.ParseNumber(b, false); err == nil && other == nil && s.resource.CursorKind != record.String {
		if m.Cmp(n) > 0 {
			return b
		}
		return a
	}
	return max(a, b)
}

// page is some records, of one answer or of several.
type page struct {
	source *source
	from   position // before the first of them
	texts  []string
	at     []position // behind each
	ended  bool
}

// maxRaw is how much of a record people are shown.
const maxRaw = 64<<10 - len("…")

// Len, Row, Raw, After and End implement connectors.Page.
func (p *page) Len() int                      { return len(p.texts) }
func (p *page) Row(i int) (record.Row, error) { return p.source.parser.row(p.texts[i]) }
func (p *page) Raw(i int) string              { return cut(p.texts[i], maxRaw) }
func (p *page) After(i int) record.Position   { return p.at[i].text() }
func (p *page) End() bool                     { return p.ended }

// Where says in which answer a record stands.
func (p *page) Where(i int) string {
	return fmt.Sprintf("page %d, record %d", p.at[i].Page+1, p.at[i].Row)
}

// EndPosition is marked as ended on the last page: the next read starts again, and of
// a whole resource it is the beginning.
func (p *page) EndPosition() record.Position {
	at := p.from
	if len(p.at) > 0 {
		at = p.at[len(p.at)-1]
	}
	switch {
	case p.ended && p.source.resource.Cursor == "":
		return ""
	case p.ended:
		return position{High: at.High, End: true}.text()
	}
	return at.text()
}

var _ connectors.Page = (*page)(nil)
