package engine

import (
	"time"

	"headgate/engine/record"
)

// Entry is what a ledger knows of one key of its flow. Its zero value is nothing.
type Entry struct {
	Outcome     Outcome            // the latest outcome that was not Unchanged, Duplicate or Superseded
	Delivered   bool               // the destination has (or is known to have) the record: the five fields below speak of it
	Fingerprint record.Fingerprint // of the columns this flow may write, as delivered
	Shape       record.Hash        // of the names of those columns: other hashes say nothing of these columns
	Hashes      []record.Hash      // one a column this flow may write, as delivered
	Shown       []record.Hash      // one a column: what the destination shows instead and is left, 0: nothing else; nil: of none
	Version     record.Value       // the version delivered, or absent
	Stopped     record.Fingerprint // of the row that was rejected, held or skipped, so that the same one is not told twice; zero: none
	Refused     record.Fingerprint // of what the destination refused of the row in Stopped; zero: that was stopped before
	Released    record.Fingerprint // of the row that a person let pass rules that hold it; zero: none
	Passes      []record.Hash      // those rules, by what they say
	Pass        uint64             // the pass that wrote this entry
	Number      uint32             // small, given once, for bitmaps; the ledger gives it when it is 0
	Journal     uint64             // the journal row that wrote this entry
}

// Known reports whether the ledger has the key.
func (e *Entry) Known() bool { return e.Outcome != NoOutcome }

// dismissed reports whether a person closed the exception of the row in Stopped: as
// long as the record comes as it was, nothing becomes of it.
func (e *Entry) dismissed() bool { return e.Outcome == Skipped && !e.Stopped.IsZero() }

// keepRelease forgets that a person let a row pass, when another one takes its place (R10).
func (e *Entry) keepRelease(it *item) {
	switch {
	case e.Released.IsZero() || e.Released == it.rowDigest():
	case it.waited != nil && e.Released == e.Stopped:
		e.Released = it.rowDigest() // the resource has other columns now: it is the same row
	default:
		e.Released, e.Passes = record.Fingerprint{}, nil
	}
}

// KeyEntry is an entry with its key.
type KeyEntry struct {
	Key   record.Key
	Entry *Entry
}

// OpenRecord is a record that waits for a person, with its row unmasked: judging
// again, retry and release read it, never the exception log.
type OpenRecord struct {
	Key       record.Key
	Outcome   Outcome
	Exception string     // id of its exception
	Part      string     // where it was read
	Where     string     // where in the part, for people
	Row       record.Row // as read, by the columns of Columns
	Columns   []string   // the resource's columns when it was read
	Broken    string     // the code of the row's own error, when it could not be read whole
	Damage    string     // that error, as it was told when the row was read
	Digest    string     // of the flow that judged it last
	Code      string     // of the reason it waits for: the first of the worst
	Rule      string     // of that reason; "": no rule gave it
	Since     time.Time  // first stopped with this content
	Ruled     time.Time  // since when that rule stops it: what the rule's within counts from
	Until     time.Time  // when a hold becomes a reject; zero: never
	Missing   time.Time  // first stopped with any content since it was delivered; zero: Since
	Attempts  int
	Sent      time.Time // when the destination refused it last; zero: it was stopped before it was sent
	By, Why   string    // who released it, and what they said

	// Doubt is what was sent of a record that is in doubt, kept to be settled by a
	// person. Row is the newest version there is: where that is another, it waits (R9).
	Doubt *SendIntent
}

// JournalRow is one settled batch, or a run of batches in which nothing changed:
// rows read = the sum of Counts.
type JournalRow struct {
	Number   uint64    // given by the ledger, from 1 without a gap
	Batches  int64     // it stands for; 0 is 1
	Since    time.Time // of the first of them
	Part     string
	From, To record.Position // To of a part's row is From of its next
	Again    bool            // records that were open and are judged again: no position moves
	Read     int64
	Counts   Counts
	Digest   string // of the ruleset
	Pass     uint64
	Time     time.Time
	Why      string // of a row that moved a position by hand
}

// continues makes row stand for what last says too, where both are of batches in
// which nothing changed, one behind the other, within an hour. A daemon that looks
// every few seconds for years would fill its disk with rows that say nothing.
func (row *JournalRow) continues(last *JournalRow) bool {
	if last == nil || !last.quiet() || !row.quiet() || last.Part != row.Part || last.To != row.From ||
		last.Digest != row.Digest || row.Time.Sub(last.Since) >= time.Hour {
		return false
	}
	row.Number, row.From, row.Since = last.Number, last.From, last.Since
	row.Batches = max(last.Batches, 1) + 1
	row.Read += last.Read
	row.Counts.Add(&last.Counts)
	return true
}

func (row *JournalRow) quiet() bool {
	return !row.Again && row.Why == "" && row.Read == row.Counts[Unchanged]+row.Counts[Skipped]+row.Counts[Duplicate]
}

// Base is the sum of the journal rows that were dropped because of their age.
type Base struct {
	Row       uint64 // number of the last of them; 0: none was
	Batches   int64
	Read      int64
	Counts    Counts
	Positions map[string]record.Position `json:",omitempty"` // by part, behind them
}

// Add adds a row, the next one.
func (b *Base) Add(row *JournalRow) {
	b.Row = row.Number
	b.Batches += max(row.Batches, 1)
	b.Read += row.Read
	b.Counts.Add(&row.Counts)
}

// Intent is what a batch is about to write, kept before its first byte leaves.
type Intent struct {
	Part   string
	From   record.Position
	Keys   []record.Key         // in the order of the changes
	Hashes []record.Fingerprint // of the values to be written, one a key
	Time   time.Time
}

// Pause is the kind of a pause: who began it, and so what ends it.
type Pause string

// The kinds of pauses.
const (
	PausedByOperator Pause = "operator" // a person wants it to stand still
	PausedByGuard    Pause = "guard"    // more would have been done than the guard allows
	PausedByIdentity Pause = "identity" // a resource is not the one the ledger belongs to
	PausedByRestore  Pause = "restore"  // the state is older than what was delivered, and the destination cannot be asked
	PausedByCrash    Pause = "crash"    // the process crashed again and again, and no record is to blame
)

// Header is what a ledger knows of its flow as a whole.
type Header struct {
	From, To string  // the identity of its two resources; "" before the first pass
	Keys     string  // what its records are known by; "" before the first pass
	First    string  // the flow's first name; "" before the first pass
	Digest   string  // of the flow that settled last
	Shapes   []Shape // the columns it wrote since its records are only added, each set once
	Pass     uint64  // the current pass, or the last; passes are numbered from 1
	Ended    bool    // that pass reached its end
	Sweeping bool    // that pass compares everything with the destination
	SweptAt  time.Time
	Paused   string // why the flow is paused; "" is not
	Pause    Pause  // what kind of pause that is
	PausedAt time.Time
	Guard    GuardState
	Restored time.Time // when the backup was taken that was restored last, as far as this flow took note of it
	Poison   bool      // records are held because handling them kills
	Mark     string    // settled mark of an Appender
	Known    int64     // keys in the ledger
	Journal  uint64    // number of the last journal row
	Read     int64     // rows read in all
	Counts   Counts    // outcomes in all
}

// Shape names the columns that an entry of that shape has hashes of, in their order.
type Shape struct {
	Shape   record.Hash
	Columns []string
}

// Identifier is the id a system gave a record; absent: it is not known any more.
type Identifier struct {
	Key record.Key
	ID  record.Value
}

// Settlement is what one transaction makes durable. Nil parts change nothing.
type Settlement struct {
	Journal  *JournalRow      // with the number of the last row it replaces that, which it continues; else its number is filled in
	Entries  []KeyEntry       // in key order, each key once
	Open     []OpenRecord     // put
	Closed   []record.Key     // open records that no longer wait
	FromIDs  []Identifier     // ids of the source resource, in key order
	ToIDs    []Identifier     // ids of the destination resource, in key order
	Position *record.Position // of Journal.Part
	Mark     *string
	Intent   *Intent       // of the batches that come next; every settlement closes the intent before
	Sends    []*SendIntent // messages to be sent, or with what became known of them since: put
	Sent     []record.Key  // first keys of messages of which all is settled
	Suspects []Suspects    // records of other flows that their flows have to look at
	Examined []record.Key  // suspects of this flow that it looked at
	Header   *Header       // all of it but Mark, Known, Journal, Read and Counts, which the ledger keeps itself
}

// Ledger is the durable memory of one flow. It is safe for one writer and many readers.
type Ledger interface {
	Header() (Header, error)
	// Find fills entries, one a key; keys are in order. Unknown keys give zero entries.
	Find(keys []record.Key, entries []Entry) error
	// Position returns where the part was read to, "" when it never was.
	Position(part string) (record.Position, error)
	// Positions returns the positions of all parts, by name.
	Positions() (map[string]record.Position, error)
	// Opens returns at most limit open records whose keys come after the given one.
	Opens(after record.Key, limit int) ([]OpenRecord, error)
	// OpenAt fills the open records of the keys, in order; the zero value where there is none.
	OpenAt(keys []record.Key, opens []OpenRecord) error
	// Intent returns the open intent, or nil.
	Intent() (*Intent, error)
	// Sends returns at most limit messages that are kept, whose keys come after the given one.
	Sends(after record.Key, limit int) ([]SendIntent, error)
	// Settle makes settlements durable, one behind the other, all of them or nothing.
	// After an error nobody knows which: the process must end and read again.
	Settle(...*Settlement) error
	// Journal returns at most limit journal rows numbered after the given one.
	Journal(after uint64, limit int) ([]JournalRow, error)
	// Base returns the sum of the rows that were dropped.
	Base() (Base, error)
	// Prune drops at most so many of the first journal rows, those before the time, into the base.
	Prune(before time.Time, most int) (pruned int, err error)
	// SetPosition moves a part by hand: "" reads it again from its beginning.
	SetPosition(part string, to record.Position, why string) error
	// Suspects returns at most limit keys after the given one, in order, of records
	// that another flow found changed in the destination.
	Suspects(after record.Key, limit int) ([]record.Key, error)
	// Entries returns at most limit entries whose keys come after the given one.
	Entries(after record.Key, limit int) ([]KeyEntry, error)
}

// Restorable is a State that may have been restored from a backup.
type Restorable interface {
	// Restored returns when the backup was taken that is now in use; zero: none is.
	Restored() (taken time.Time)
}

// State is where ledgers live.
type State interface {
	// Ledger opens the ledger called name, whose resources are from and to
	// (connector.resource), making it when it is new.
	Ledger(name, from, to string) (Ledger, error)
	// Ledgers returns the names of all ledgers.
	Ledgers() ([]string, error)
	// Rename gives the ledger called from another name, where there is one and none
	// has that name.
	Rename(from, to string) error
	// Drop removes the ledger called name, not the ids of its resources.
	Drop(name string) error
	// IDs fills ids, one a key, with the ids resource gave; absent where unknown.
	IDs(resource string, keys []record.Key, ids []record.Value) error
	// KeyOf returns the key of the record to which resource gave id.
	KeyOf(resource string, id record.Value) (record.Key, bool, error)
}
