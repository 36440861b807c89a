// Package keyset is what connectors to tables share: positions in the order of some
// columns, kept in the table's own literals, and pages of rows with them.
package keyset

import (
	"encoding/json"
	"fmt"

	"headgate/connectors"
	"headgate/engine/record"
)

// Position is where a table was read to: the order columns of the last row, and
// whether the table ended there. One that ended starts a new pass.
type Position struct {
	At  []Literal `json:"at,omitempty"`
	End bool      `json:"end,omitempty"`
}

// Literal is a value as the table has it: text, or a number or null told apart from it.
type Literal struct {
	Text   *string `json:"t,omitempty"`
	Number *string `json:"n,omitempty"`
}

// LiteralOf returns v as a literal.
func LiteralOf(v record.Value) Literal {
	text := v.Text()
	switch v.Kind() {
	case record.Null:
		return Literal{}
	case record.Int, record.Decimal:
		return Literal{Number: &text}
	}
	return Literal{Text: &text}
}

// Value returns the literal as a value: null, a decimal, or a text.
func (l Literal) Value() record.Value {
	switch {
	case l.Text != nil:
		return record.StringValue(*l.Text)
	case l.Number != nil:
		if n, err := record.ParseNumber(*l.Number, false); err == nil {
			return record.DecimalValue(n)
		}
	}
	return record.NullValue()
}

// Text returns the position as it is kept.
func (p Position) Text() record.Position {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain strings always have a JSON form
	}
	return record.Position(b)
}

// Parse reads a position that Text made; "" is the beginning.
func Parse(text record.Position) (p Position, err error) {
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, &connectors.Error{Class: connectors.Broken, Op: "go on reading", Hint: "`headgate checkpoint rewind` reads it from the beginning", Err: fmt.Errorf("%q is not a position in a table", text)}
	}
	return p, nil
}

// Page implements connectors.Page.
type Page struct {
	Rows  []record.Row
	At    [][]Literal // the order columns, one set a row
	From  Position    // behind which it was read
	Ended bool
	Whole bool // the table has no cursor: it is read from its beginning each time
}

// Len, Row, Raw, Where, After and End implement connectors.Page.
func (p *Page) Len() int                      { return len(p.Rows) }
func (p *Page) Row(i int) (record.Row, error) { return p.Rows[i], nil }
func (p *Page) Raw(int) string                { return "" }
func (p *Page) Where(int) string              { return "" }
func (p *Page) After(i int) record.Position   { return Position{At: p.At[i]}.Text() }
func (p *Page) End() bool                     { return p.Ended }

// EndPosition is marked as ended on the last page: the next read starts before it. The
// end of a whole table is its beginning, so that who reads on knows to read all of it.
func (p *Page) EndPosition() record.Position {
	if p.Ended && p.Whole {
		return ""
	}
	last := Position{At: p.From.At, End: p.Ended}
	if len(p.Rows) > 0 {
		last.At = p.At[len(p.Rows)-1]
	}
	return last.Text()
}

var _ connectors.Page = (*Page)(nil)
