// Package connectors is the contract between the engine and the systems around
// it. A connector is told everything and decides nothing: it reads where it is
// told to read, writes what it is told to write, and says exactly what happened.
//
// A connector holds no progress, retries nothing, and starts no goroutine that
// outlives its Close. A new one is one folder, one line in builtin, and one call
// of the conformance suite in connectortest.
package connectors

import (
	"context"
	"fmt"
	"iter"
	"os"
	"time"

	"headgate/engine/record"
)

// Kind is one type of connector, as the language names it.
type Kind struct {
	Name    string // the value of `type`
	Summary string // one line for people

	// Settings and Resource return a pointer to new settings, holding the defaults.
	// Their fields carry `hcl:"name,optional|block|label"` tags, and `doc:"…"` for people.
	// Fields may be of type Text, Logic and Secret, which load fills, and maps of Texts;
	// a text that is one of some words, written bare, has a `words:"find retry"` tag.
	// Settings that have a Validate() error method are validated after decoding; an
	// error that is (or wraps) a *FieldError is shown at that field.
	Settings func() any
	Resource func() any

	// Codes are the codes that its errors and refusals carry, for the operator who
	// gives one of them another class; an x at the end stands for any letter or
	// digit: "503", "5xx", "xxxxx". nil: they carry none.
	Codes []string

	// Sends says that its destinations may be Senders: batch.in_flight means something.
	Sends bool

	// Open makes a connector without I/O: it dials on first use.
	Open func(settings any, tools Tools) (Connector, error)
}

// DecimalComma is implemented by resource settings that say their numbers have a decimal comma.
type DecimalComma interface{ DecimalComma() bool }

// Envelope is implemented by resource settings whose units have a head or a tail:
// the names of their columns, nil where there is none.
type Envelope interface {
	EnvelopeColumns() (head, tail []string)
}

// Columned is implemented by resource settings that list the columns of their rows
// themselves, so that an unknown one is found when the ruleset is loaded.
type Columned interface{ ColumnNames() []string }

// Doubtful is implemented by resource settings that know which of their changes, by
// the name of the block, nothing settles when an answer is lost, and nobody said that
// this is meant.
type Doubtful interface{ DoubtfulChanges() []string }

// Placed is implemented by settings of connectors that live in a directory of this
// machine, relative to the ruleset: nothing of headgate's own may lie there.
type Placed interface{ Directory() string }

// Scoped is implemented by blocks of settings whose Texts or Logics use names.
type Scoped interface{ Scope() Scope }

// Scope says which names the Texts and Logics of a block may use, so that an unknown
// one is found when the ruleset is loaded. Both are given their values by name.
type Scope struct {
	Texts   []string // names of Texts: "id", "cursor"
	Columns bool     // Texts may also use the columns the resource reads or writes, by their paths
	Logics  []string // names of Logics: "status"
	// Documents are names of Logics that stand for something of unknown shape: of
	// "body", body.data.total is used, and given, under that whole path.
	Documents []string
}

// Directed is implemented by resource settings that may say nothing of how records
// are read, or of how they are written.
type Directed interface {
	Readable() error // why they cannot be read; nil: they can
	Writable() error
}

// Replacing is implemented by resource settings whose changes may make a record what is
// sent and nothing else: what is left out is gone, whoever owns it.
type Replacing interface {
	// Replacing reports whether they do, and whether what is there can be asked for, so
	// that it is sent along.
	Replacing() (replaces, asked bool)
}

// Tools are what a connector may use of the world.
type Tools struct {
	Now     func() time.Time
	Timeout time.Duration                // within which a system over a network must answer; 0: none
	Wait    func(context.Context) error  // called before each request: the rate limit
	Secret  func(Secret) (string, error) // resolves a secret
	Renew   Renew                        // nil: nothing can be kept
	Dir     string                       // the ruleset's directory, for relative paths
	Root    *os.Root                     // Dir, opened; nil where there is none
}

// Renew hands what was kept last to renew, "" at first, and keeps what that returns
// before Renew returns, so that a power cut does not take it away: for what is good
// once and is answered with its successor. One at a time does so, of all processes.
// Where nothing can be kept, or ctx ends before it is its turn, renew is not called.
type Renew func(ctx context.Context, renew func(kept string) (string, error)) error

// Connector is an open connector.
type Connector interface {
	Source(Resource) (Source, error)
	Destination(Resource) (Destination, error)
	Close() error
}

// Resource is what a connector is told about one of its resources.
type Resource struct {
	Name     string
	Settings any            // what Kind.Resource made, filled
	Zone     *time.Location // of its naive times; never nil

	// Read are the columns to read, in the order rows carry them. A plain column
	// has the kind of the field it feeds, or Unknown; a list has Lines.
	// Columns of a document are paths: "meta.erp_no".
	Read []record.Column
	// Write are the columns a flow may write, in the order changes carry them.
	Write []record.Column
	// ReadKey names the columns that tell rows apart where they are read: with
	// Cursor, they make the order total.
	ReadKey []string
	// Sensitive says which columns of Write people may not be shown; nil: none.
	Sensitive []bool
	// Content says which columns of Write tell what a record is: where records are only
	// added, those are compared with what is there. nil: all.
	Content []bool
	// WriteKey names the columns by which a row is found and changed.
	WriteKey []string
	// Returning names the columns a create or a find answers beside: those of `id`.
	Returning []string

	Cursor     string        // the column rows are read in the order of; "" reads all each time
	CursorKind record.Kind   // its kind: Time, Date, Int, Decimal, String or Unknown
	Overlap    time.Duration // how far before the last position a time cursor starts again
	Reference  string        // the column that carries headgate's reference, or ""

	// Delete is how this system is told that a record is gone: columns to set, or
	// nil for a real delete.
	Delete []DeleteColumn
}

// DeleteColumn is one column set instead of a real delete.
type DeleteColumn struct {
	Column string
	Value  record.Value
}

// Part is one part of a source: a table is one part, a directory has one a file.
type Part struct {
	Name string // stable: positions are kept under it; "" where there is only one
}

// Source reads a resource. It holds no progress of its own.
type Source interface {
	// Place says what is read, for people and as identity: type, address, place,
	// without any secret. Two sources of the same rows have the same place.
	Place() (string, error)
	// Parts lists the parts there are now, in the order to read them.
	Parts(ctx context.Context) iter.Seq2[Part, error]
	// Read returns at most limit rows of part that come strictly after the position.
	// An empty page that is the End is not an error.
	Read(ctx context.Context, part Part, after record.Position, limit int) (Page, error)
}

// Page is some rows of a part, in order. It is not changed after it was returned.
type Page interface {
	Len() int
	// Row returns the i-th row: one value for each of Resource.Read. Where the row
	// itself is broken it returns a *RowError, and the values there are.
	Row(i int) (record.Row, error)
	// Raw is the i-th row as its system wrote it, at most 64 KiB, or "".
	Raw(i int) string
	// Where says where in the part the row stands, for people: "line 17". It may be "".
	Where(i int) string
	// After is the position from which reading goes on behind the i-th row.
	After(i int) record.Position
	// End says that the part has no more rows now.
	End() bool
	// EndPosition is the position to keep when the page is the end: it may know
	// more than After of the last row (that the file was seen whole). On a page
	// that is not the end it equals After of the last row.
	// The end of the only part of a resource without a cursor is "": all of it is read
	// each time.
	EndPosition() record.Position
}

// Watched is a source that changes where somebody can see it.
type Watched interface {
	// Watch returns the directory that changes when there is more to read, and how
	// long a change must be over before it is read.
	Watch() (dir string, settle time.Duration)
}

// Releaser is a page that can use its memory again. It is released once, by who
// read it, when nobody reads it or its rows any more; the texts of its values stay.
type Releaser interface{ Release() }

// Enveloped is a source whose parts have a head or a tail that is no record.
type Enveloped interface {
	// Envelope returns the head and the tail of part, by the columns of its settings.
	Envelope(ctx context.Context, part Part) (head, tail record.Row, err error)
}

// Op is what a change does.
type Op uint8

// The operations.
const (
	Create Op = iota + 1
	Update
	Delete
)

// String returns "create", "update" or "delete".
func (o Op) String() string { return [...]string{"none", "create", "update", "delete"}[o] }

// Change is one change of one record.
type Change struct {
	Op     Op
	Key    []record.Value // one for each of Resource.WriteKey
	Values []record.Value // one for each of Resource.Write; absent ones are not touched
	// Reference is headgate's name of the record, the same on every try.
	Reference string
	// ID is the id the destination gave the record; missing where it is not known.
	ID record.Value
}

// Lot is some changes to apply as one, in order. No two have one key. Their memory
// is used again once they have an answer: a destination keeps none of it.
type Lot struct {
	Changes []Change
}

// Status is what became of a change.
type Status uint8

// The statuses. Untried is the zero value: a change nobody can account for was never tried.
const (
	Untried Status = iota
	Applied        // done now
	Same           // already so: nothing was written
	Refused        // the destination said no to this change alone, for good
	Unknown        // it may or may not be done
)

// Receipt is what became of one change.
type Receipt struct {
	Status Status
	Row    record.Row // one value for each of Resource.Returning, after a create; may be nil
	Code   string     // Refused: a stable short code, "not_null", "unique", "foreign_key", "check", "missing_row", "refused"
	Words  string     // Refused: the destination's own words, without values of other records
}

// LeftOut is the answer to a create that a database took and did not keep: no error says
// so, and it would be lost.
func LeftOut() Receipt {
	return Receipt{Status: Refused, Code: "refused", Words: "the database left it out: a trigger or a conflict clause of the table ignores it"}
}

// Destination writes a resource.
type Destination interface {
	// Place says what is written, as Source.Place does.
	Place() (string, error)
	// Apply applies the lot and returns one receipt a change, always. With an error
	// the receipts say which changes are Untried or Unknown, and the error why.
	Apply(ctx context.Context, lot Lot) ([]Receipt, error)
}

// Query asks what a destination holds under some keys.
type Query struct {
	// Columns are those the keys are of; nil: Resource.WriteKey. The id, the
	// reference and what records are matched by are asked through it.
	Columns []string
	Keys    [][]record.Value // each one value for each of Columns

	// What else is known of the same records, for a destination that asks by whichever
	// it can; nil, or one a key.
	References []string       // headgate's names of them; "" is not known
	IDs        []record.Value // the ids the destination gave them; missing is not known
}

// Check reports a query whose other names are not one a key: a destination that asked
// by them would answer with other records.
func (q *Query) Check() error {
	if n := len(q.Keys); q.References != nil && len(q.References) != n || q.IDs != nil && len(q.IDs) != n {
		return fmt.Errorf("%d keys are asked with %d references and %d ids", n, len(q.References), len(q.IDs))
	}
	return nil
}

// Of returns the columns that the keys are of, in a resource that has this key.
func (q *Query) Of(writeKey []string) []string {
	if q.Columns != nil {
		return q.Columns
	}
	return writeKey
}

// Only returns the query for some of its keys, by their places.
func (q *Query) Only(places []int) Query {
	some := Query{Columns: q.Columns, Keys: make([][]record.Value, len(places))}
	if q.References != nil {
		some.References = make([]string, len(places))
	}
	if q.IDs != nil {
		some.IDs = make([]record.Value, len(places))
	}
	for k, at := range places {
		some.Keys[k] = q.Keys[at]
		if q.References != nil {
			some.References[k] = q.References[at]
		}
		if q.IDs != nil {
			some.IDs[k] = q.IDs[at]
		}
	}
	return some
}

// Found is one row that answers a query.
type Found struct {
	At        int        // which of Query.Keys
	Write     record.Row // one value for each of Resource.Write, of the kinds asked
	Read      record.Row // one value for each of Resource.Read, which the engine asks for only where rules need it
	Returning record.Row // one value for each of Resource.Returning
}

// Finder is a destination that can be asked what it holds now. More than one
// answer for one key is the caller's to judge. One that asks key by key may fail with
// a *PartlyFound.
type Finder interface {
	Find(ctx context.Context, q Query) ([]Found, error)
}

// Replacer is a destination whose updates may make a record what is sent, and nothing
// else. Such an update carries all that is known of the record, not what differs.
type Replacer interface {
	// Replaces reports whether updates do.
	Replaces() bool
}

// Getter is a source that can be asked for rows by key instead of being read.
type Getter interface {
	// Get returns the rows whose columns equal the keys: one value a column.
	// Each answer names its key by position and has one value for each of Resource.Read.
	Get(ctx context.Context, columns []string, keys [][]record.Value) ([]Got, error)
}

// Selective is a Getter that can be asked by some columns, and not by others.
type Selective interface {
	Getter
	Asks(columns []string) bool
}

// GetterBy returns source as one that can be asked by columns, or nil.
func GetterBy(source Source, columns []string) Getter {
	if s, ok := source.(Selective); ok && !s.Asks(columns) {
		return nil
	}
	getter, _ := source.(Getter)
	return getter
}

// Got is one row that answers a Get.
type Got struct {
	At  int
	Row record.Row
}

// Appender is a destination whose effects are undone by cutting it back to a
// mark. The engine marks each batch, settles batches once all of their marks are
// durable, restores the settled mark at start, and finishes at the end of a pass.
type Appender interface {
	// Mark names what was applied so far: Restore goes back to it, in this process.
	Mark(ctx context.Context) (string, error)
	// Sync makes durable what marks name: Restore goes back to them after a power cut, too.
	Sync(ctx context.Context) error
	// Restore goes back to the mark; "" is nothing appended yet. What was published
	// under that mark stays published.
	Restore(ctx context.Context, mark string) error
	// Finish publishes what was appended since the last Finish; doing it again changes nothing.
	Finish(ctx context.Context) error
}

// Prober is a source or a destination that knows, without writing anything, whether
// it is where it is said to be: an end that opening would make, and one that cannot
// be asked.
type Prober interface {
	// Probe returns false where there is nothing yet and the first write makes it.
	Probe(ctx context.Context) (there bool, err error)
}
