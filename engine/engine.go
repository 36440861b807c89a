package engine

import (
	"context"
	"log/slog"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// Clock is the time the engine lives in.
type Clock interface {
	Now() time.Time
	// Sleep waits for d, or until the context ends, whose error it then returns.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config is what an engine is made of.
type Config struct {
	Ruleset    *rules.Ruleset
	Open       func(*rules.Connector) (connectors.Connector, error)
	State      State
	Exceptions ExceptionLog
	Clock      Clock
	Jitter     func(time.Duration) time.Duration // a random wait of at least nothing and less than the given one; nil: that one
	Log        *slog.Logger
	Notes      Notes          // of what is handled, for the process that comes after this one; nil: none
	Room       func() error   // checked before each run and batch: an error says that the disk of the state has too little room; nil: not checked
	Progress   func(Progress) // told after each batch, from the flow's own goroutine; nil: nobody
	Notify     func(Event)    // told what people may want to know, from many goroutines; it must not wait. nil: nobody
	Beat       func()         // called each time the scheduler looks what is due; nil: nobody
	BeatEvery  time.Duration  // at least so often; 0: every 10 s
	// Watch calls changed whenever something in dir may have changed, until ctx
	// ends. nil: nothing is watched, and files are seen when their flow is due.
	Watch func(ctx context.Context, dir string, changed func())
}

// Progress is how far a run of a flow is.
type Progress struct {
	Flow string
	Part string
	Read int64
	Done bool
}

// RunOptions say what one run does.
type RunOptions struct {
	Flows []string // names; empty: all
	Limit int      // records read a flow; 0: no limit

	waiting bool // only what waits and is due is judged again
}

// Summary is what one run of a flow did.
type Summary struct {
	Flow   string
	Entity string
	From   string // connector.resource
	To     string
	Mode   rules.Mode
	Read   int64
	Counts Counts
	Asked  int64 // of Unchanged: found equal in the destination; the others were settled before
	Stops  []StopCount
	// Tripped is what the batch would have stopped that the guard stopped: nothing of it
	// is settled, and it is in no count.
	Tripped []StopCount
	// Conflicts are records of which another system had changed what it does not own.
	Conflicts int64
	Warned    int64 // records that passed with a warning
	Batches   int64
	Elapsed   time.Duration
	Paused    string // why the flow is paused
	Pause     Pause  // and who paused it
	Limited   bool   // the run ended at its limit, not at the end of the source
	Err       error  // why the run of this flow ended early: a system, never a record
	Open      int64  // exceptions that wait now
	Late      int64  // of them, and of records whose end is not known: longer than the flow's due

	Again   Counts       // what became of records that waited and were judged again; not all of them were settled anew
	AgainBy []AgainCount // the same, by why they had waited
	Waited  []Waited     // the first of them, where a person asked for it
	Held    int64        // of Open
	Until   time.Time    // when the first of those becomes a reject; zero: none does
	Resend  time.Time    // when the first of what the destination refused is sent again; zero: nothing is
}

// StopCount is how many records one reason stopped.
type StopCount struct {
	Outcome Outcome
	Code    string
	Rule    string
	Field   string // of a field check
	Count   int64
	Sample  string // the message of the first
}

// PlanOptions limit a plan.
type PlanOptions struct {
	Limit int      // records read; 0: all
	Keys  []string // only these, as people write them: parts joined by "/"
	Only  Outcome  // show only records with this outcome; NoOutcome: all
	// FromStart reads every part from its beginning, whatever was settled, and tells
	// what was stopped before as if it were new: what a changed rule would change.
	FromStart bool
}

// Plan is what a flow would do to some real records.
type Plan struct {
	Flow    string
	Entity  string
	From    string
	To      string
	Mode    rules.Mode
	Items   []PlanItem // in the order read
	Omitted int64      // records that would be shown, and are too many
	Read    int64
	Counts  Counts
	Limited bool   // there is more to read
	Paused  string // a guard would pause the flow: what it saw
}

// PlanItem is what would become of one record.
type PlanItem struct {
	Key      string // as people write it
	Outcome  Outcome
	Where    string // part and place in it
	Changes  []PlanChange
	Failures []record.Reason
	Note     string     // what another system changed of it, or ""
	Row      []PlanCell // the row as read, for records that are stopped
}

// PlanChange is one column that would be written, or is kept.
type PlanChange struct {
	Column    string
	Field     string       // the fields it comes from, joined by ", "; "" for a constant
	Old, New  record.Value // Old is absent on create
	Kept      bool         // the destination owns it: Old stays, New is what the source has
	Sensitive bool         // shown as [redacted]
}

// PlanCell is one column of a row.
type PlanCell struct {
	Column    string
	Value     record.Value
	Sensitive bool
}
