// Package rules is the pure middle: what the operator declared, compiled. It maps
// rows to records, judges them, and decides which columns may be written.
//
// It does no I/O, reads no clock and starts no goroutine. The settings of
// connectors are opaque to it.
package rules

import (
	"regexp"
	"time"

	"headgate/engine/record"
	"headgate/rules/expression"
)

// Ruleset is one directory of HCL, compiled.
type Ruleset struct {
	Digest     string // of the content of all files, hex
	Dir        string // where it was read
	Settings   Settings
	Connectors []*Connector // each slice in the order of the names
	Entities   []*Entity
	Lookups    []*Lookup
	Flows      []*Flow
	Alerts     []*Alert
	Tests      []*Test
}

// Settings are those of the headgate block.
type Settings struct {
	State  string // directory; "" is the command's default
	Log    LogSettings
	Retain Retain
	Backup Backup
	// Ballast is how many bytes are kept on the disk of the state to be given up when it
	// is full. Four times as much has to be free before a batch.
	Ballast int64
	Zone    *time.Location // for cron
	Poll    time.Duration
}

// LogSettings say how headgate logs.
type LogSettings struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Backup says how often the state is copied, how many copies are kept, and where.
type Backup struct {
	Every time.Duration
	Keep  int
	Dir   string // "" is beside the state
}

// Retain says how long what is closed is kept; 0 is for ever.
type Retain struct{ Journal, Exceptions time.Duration }

// Connector is another system, and how to reach it.
type Connector struct {
	Name      string
	Type      string
	Settings  any // the kind's own
	Zone      *time.Location
	Rate      Rate
	Timeout   time.Duration
	Retry     Retry
	Failures  map[string]string // the class of failures with such a code, where it is another than the kind says
	Resources []*Resource
	Digest    string // of its own settings, without its resources
}

// Rate is at most Count requests each Per; 0 is without limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// Retry says how often and how long a failing system is asked again.
type Retry struct {
	Attempts int           // in all; at least 1
	Backoff  time.Duration // before the second attempt; doubled each time
	Max      time.Duration // no wait is longer
	Budget   time.Duration // all attempts and waits of one question together; 0: without end
}

// Resource is one collection of records in a system.
type Resource struct {
	Connector *Connector
	Name      string
	Settings  any // the kind's own
	Entity    *Entity
	Has       []bool // by field of the entity: this system has it
	Locale    record.Locale

	Columns *expression.Columns // all columns read: of read, id and filter, and plain fields
	Read    []Reading           // by field of the entity; for those this system has
	Write   []Writing           // the columns written, in the order of the entity's fields, then of the file
	ID      *expression.Program // over row; nil: none
	Filter  *expression.Program // over row; nil: all

	Reference  string
	Cursor     string
	CursorKind record.Kind
	Overlap    time.Duration
	ReadKey    []string // columns that hold the key where rows are read
	WriteKey   []string // columns that hold the key where rows are written, one a key field
	Delete     []DeleteValue
	Totals     []Total
	UnitRules  []*Rule
	Lists      []*ResourceList // by list field
}

// DeleteValue is one column set instead of a real delete.
type DeleteValue struct {
	Column string
	Value  record.Value
}

// ResourceList says how a system names the fields of a list.
type ResourceList struct {
	Field   int                 // of the entity
	Path    string              // in a document
	Columns *expression.Columns // of a line
	Read    []Reading           // by field of the line
	Write   []Writing
}

// Reading is how one field is read.
type Reading struct {
	Column  int                 // position in Columns: the plain column, when Program is nil; -1: not read
	Program *expression.Program // or the expression
}

// Writing is how one column is written.
type Writing struct {
	Column  string
	Kind    record.Kind         // of the value written
	Field   int                 // the plain field, when Program is nil
	Program *expression.Program // or the expression
	Uses    []int               // fields used
	Owner   *Connector          // who owns the fields used; nil: nobody (keys, constants, lookups)
	Key     bool                // it uses key fields only: the record's name, written on create
	List    *ResourceList       // the column of a list field

	ID        bool // it uses the destination's id of the record
	Reference bool // it uses headgate's reference of the record
}

// Total is a sum over the rows of a unit.
type Total struct {
	Name    string
	Program *expression.Program
}

// Entity is the shape both sides agree on.
type Entity struct {
	Name    string
	Schema  *record.Schema
	Fields  []Field // by position, as in Schema.Fields
	Match   []int   // fields tried in turn, where the sides share no key
	Version int     // field, or -1
	Rules   []*Rule // in file order
}

// KeyKinds returns the kinds of the parts of a record's key. Where the sides share
// none it is the id in the source, as a text.
func (e *Entity) KeyKinds() []record.Kind {
	if e.Match != nil {
		return []record.Kind{record.String}
	}
	return e.Schema.KeyKinds()
}

// Field is what must hold for one field beyond its type.
type Field struct {
	Owner       *Connector
	Trim        bool
	KeepOnNull  bool // on_null = keep
	OneOf       []record.Value
	Min, Max    *record.Number
	MaxLength   int // 0: none, in characters
	Pattern     *regexp.Regexp
	Scale       int // greatest number of digits after the point; -1: any
	Transitions map[string][]string
	Lines       []Field // by position of the line's fields, for a list
}

// Severity is what a rule that fails does to its record.
type Severity uint8

// The severities, the worst last.
const (
	Pass Severity = iota
	Warn
	Hold
	Reject
)

// String returns the word of the language.
func (s Severity) String() string { return [...]string{"pass", "warn", "hold", "reject"}[s] }

// Rule is a named expression that must be true.
type Rule struct {
	Name    string
	Check   *expression.Program
	When    *expression.Program // nil: always
	Message *Template           // nil: made of the check's text
	OnFail  Severity
	Within  time.Duration // held longer is rejected; 0: for ever
	Release []string      // who may let one content pass; empty: nobody
	Place   string        // file:line
}

// Lookup is a function over records of another resource, or over literal values.
type Lookup struct {
	Name    string
	From    *Resource // nil: Values
	Key     []int     // fields of From.Entity, or of Schema
	Schema  *record.Schema
	Values  []record.Record
	Valid   [2]int // fields of a from and a to date; -1: none
	Refresh time.Duration
}

// defaultRefresh is the greatest age of the answers of a lookup that names none.
const defaultRefresh = 10 * time.Minute

// Age is how old an answer of the lookup may be before it is asked for again.
func (l *Lookup) Age() time.Duration {
	if l.Refresh > 0 {
		return l.Refresh
	}
	return defaultRefresh
}

// Mode says whether a flow writes.
type Mode uint8

// The modes.
const (
	Observe Mode = iota
	Live
)

// String returns the word of the language.
func (m Mode) String() string { return [...]string{"observe", "live"}[m] }

// OnDuplicate says what counts when one key comes again with other content in one pass.
type OnDuplicate uint8

// The answers.
const (
	LastWins OnDuplicate = iota
	FirstWins
	RejectDuplicate
)

// OnConflict says what is done about a foreign change.
type OnConflict uint8

// The answers.
const (
	Overwrite OnConflict = iota
	HoldConflict
	AcceptConflict
)

// Flow moves records of one entity from one resource to another.
type Flow struct {
	Name        string
	Was         string // its former name, whose state it keeps
	From, To    *Resource
	Mode        Mode
	Every       time.Duration
	Cron        string
	Schedule    Schedule            // what Cron says; nil: none
	Filter      *expression.Program // over the record; nil: all
	Create      bool
	Update      bool
	Delete      bool
	Sweep       time.Duration
	Due         time.Duration // how long a record may be missing in the destination; 0: for ever
	OnDuplicate OnDuplicate
	OnConflict  OnConflict
	Batch       Batch
	Guard       Guard
	Rules       []*Rule
	Lookups     []*Lookup // asked by its rules, its entity's rules and its writes
	Digest      string    // of everything that decides what becomes of a record
	Config      string    // digest of everything that is said of the flow, and of the systems it moves between
}

// Schedule says when a flow is due.
type Schedule interface {
	// Next returns the first time after the given one, or the zero time when there
	// is none in the years that can be foreseen.
	Next(after time.Time) time.Time
}

// Batch is the small lot a flow moves at a time.
type Batch struct {
	Size   int
	Pause  time.Duration
	PerRun int // records; 0: no limit
	// InFlight is how many messages to a destination that is sent each record on its
	// own are on their way at a time.
	InFlight int
}

// Guard limits what one run may do.
type Guard struct {
	Rejects, Holds            Limit
	Creates, Updates, Deletes Limit
	Per                       time.Duration // 0: one run
}

// AlertKinds are the events an alert may be about, what matters most first.
var AlertKinds = []string{"state", "reload_failed", "paused", "failing", "in_doubt", "rejected", "held", "conflict", "late", "recovered"}

// Alert tells people about what waits for them.
type Alert struct {
	Name    string
	On      []string
	Every   time.Duration
	Webhook any // connectors.Secret, opaque here
	Command []string
	Mail    string
}

// Template is a text with fields in it, as `message` has.
type Template struct {
	Source string
	Parts  []TemplatePart
}

// TemplatePart is a literal, or a field of the record by position.
type TemplatePart struct {
	Literal string
	Field   int // used when Literal is ""
}
