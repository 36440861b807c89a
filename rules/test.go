package rules

import (
	"time"

	"headgate/engine/record"
)

// Test is one of the ruleset's own tests: a record, and what must become of it.
type Test struct {
	Name    string
	Flow    *Flow
	Row     record.Row    // through read, by the columns of Flow.From; nil: Record
	Record  record.Record // what it leaves out is absent and not judged
	Current record.Record // as the destination has it; nil: it has none
	Lookups map[string][]record.Record
	Now     time.Time
	Expect  Expect
	Place   string // file:line
}

// Expect is what must become of a test's record.
type Expect struct {
	Outcome string
	Rule    string                  // "" is not asked
	Code    string                  // "" is not asked
	Write   map[string]record.Value // by column, nil: not asked
	Kept    []string                // columns the destination keeps, nil: not asked
}
