// Package expression is the only door to expr-lang: it compiles an expression of
// the language against the declared types, says where a mistake stands, and runs
// what was compiled on exact values.
//
// In an expression every number is a record.Number: ints and decimals mix, number
// literals are exact, and nothing overflows silently or becomes a float.
package expression

import (
	"time"

	"headgate/engine/record"
)

// Scope is what an expression may name, and how its texts are read.
type Scope struct {
	Fields  *record.Schema // the entity's fields, by name; nil: none
	Row     *Columns       // the names of `row`; nil: no row here
	Parent  *Columns       // the names of `parent`; nil: no parent here
	Current *record.Schema // the record as the destination has it, which may be nil at run time; nil: no current here
	Names   []Name         // further names: id, reference, rows, …
	Groups  []Group        // further names with members: head, tail, totals
	Lookups []Lookup       // functions
	Locale  record.Locale  // how `decimal(row.x)`, `time(row.x)`, `date(row.x)` read text
	Read    bool           // a `read` expression: row values have no known type, so arithmetic and order on them are mistakes
}

// Name is one further name of a scope.
type Name struct {
	Name string
	Kind record.Kind // Unknown: any
	Null bool        // may be nil
}

// Group is a name with members: tail.count.
type Group struct {
	Name    string
	Members []Name
	Open    bool // any path is a member, of any kind: Compile adds those it finds to Members
}

// Lookup is a function of a scope: its key in, a record or nil out.
type Lookup struct {
	Name   string
	Key    []record.Field // its arguments
	Schema *record.Schema // what it gives, beside `.id`
	NoID   bool           // its records have no `.id`
}

// Columns are the columns that expressions read of a row: each compiled
// expression adds those it uses, and reads them by position.
type Columns struct {
	Names []string
	// Known, when not nil, are the only names there are; another is a mistake.
	Known []string
	index map[string]int
}

// Index returns the position of the column called name, adding it if it is new.
func (c *Columns) Index(name string) int {
	if i, ok := c.index[name]; ok {
		return i
	}
	if c.index == nil {
		c.index = make(map[string]int)
	}
	c.Names = append(c.Names, name)
	c.index[name] = len(c.Names) - 1
	return len(c.Names) - 1
}

// Want is the result an expression must have.
type Want struct {
	Kind record.Kind // Bool for a check; Unknown: any scalar
	Null bool        // may be nil
}

// Mistake is why a text is no expression here. From and To are rune offsets in the text.
type Mistake struct {
	From, To int
	Message  string
	Hint     string // what would be right: "did you mean `customer`?", or ""
	Whole    bool   // its place is only known as the whole text
	Function string // the function that is not known, or ""
}

// Error returns the message and the hint.
func (m *Mistake) Error() string {
	if m.Hint == "" {
		return m.Message
	}
	return m.Message + ": " + m.Hint
}

// Facts answers what lookups ask.
type Facts interface {
	// Lookup returns what lookup has for the key (its arguments): the record and
	// its id, and found. An error that is ErrLacking says that the answer is not
	// known yet: the caller notes the key, asks for it, and judges again.
	Lookup(lookup string, key []record.Value) (r record.Record, id record.Value, found bool, err error)
}

// Input is what one run of a program reads.
type Input struct {
	Record  record.Record
	Row     record.Row // by the positions of Scope.Row
	Parent  record.Row
	Current record.Record    // nil: the destination has none
	Names   []record.Value   // by the positions of Scope.Names
	Groups  [][]record.Value // by the positions of Scope.Groups and their Members
	Now     time.Time
	Facts   Facts
}
