package sqlite

import (
	"encoding/json"
	"fmt"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
	"headgate/engine/record"
)

// position is where a table was read to: the order columns of the last row, in
// their own literals, and whether the table ended there.
type position struct {
	At  []literal `json:"at,omitempty"`
	End bool      `json:"end,omitempty"`
}

// literal is a value as SQLite has it: text, or a number or null told apart from it.
type literal struct {
	Text   *string `json:"t,omitempty"`
	Number *string `json:"n,omitempty"`
}

func literalOf(v record.Value) literal {
	text := v.Text()
	switch v.Kind() {
	case record.Null:
		return literal{}
	case record.Int, record.Decimal:
		return literal{Number: &text}
	}
	return literal{Text: &text}
}

func (l literal) value() record.Value {
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

func (p position) text() record.Position {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain strings always have a JSON form
	}
	return record.Position(b)
}

func parsePosition(text record.Position) (p position, err error) {
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, &connectors.Error{Class: connectors.Broken, Op: "go on reading", Hint: "`headgate checkpoint rewind` reads it from the beginning", Err: fmt.Errorf("%q is not a position in a table", text)}
	}
	return p, nil
}

// bindLiteral binds a literal with the type it was read with.
func bindLiteral(stmt *sqlitedb.Stmt, at int, v record.Value) {
	if n := v.Number(); v.Kind() == record.Decimal {
		if whole, ok := n.Int64(); ok {
			stmt.BindInt64(at, whole)
			return
		}
		var f float64
		if _, err := fmt.Sscan(n.String(), &f); err == nil {
			stmt.BindFloat(at, f)
			return
		}
	}
	if v.Missing() {
		stmt.BindNull(at)
		return
	}
	stmt.BindText(at, v.Text())
}
