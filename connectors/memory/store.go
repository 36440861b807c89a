package memory

import (
	"slices"
	"sync"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// Store holds named tables. It may be used by many goroutines.
type Store struct {
	mu     sync.Mutex
	tables map[string]*Table
}

// New returns an empty store.
func New() *Store { return &Store{tables: make(map[string]*Table)} }

// Table is an ordered collection of rows. Its exported fields are set before it is used.
type Table struct {
	// Refuse is asked before a row is written, with the row as it would then be.
	// A code that is not "" refuses this row alone.
	Refuse func(op connectors.Op, row map[string]record.Value) (code, words string)
	// Store changes a row before it is kept, as triggers and narrow columns do.
	Store func(row map[string]record.Value)
	// Unique names columns that no two rows may share; the key always is unique.
	Unique []string
	// Serial is a column that counts rows from 1 when they are created, or "".
	Serial string
	// AppendOnly says that rows are only ever added, and cannot be found.
	AppendOnly bool
	// API makes the table one of a system that cannot repeat; nil: it can.
	API *API

	store   *Store
	name    string
	columns []string
	rows    []stored
	last    int64 // the number given last
}

// stored is one row and the number that never changes.
type stored struct {
	number  int64
	values  record.Row // by Table.columns
	before  record.Row // what finding shows of it within the lag of an API; nil: nothing
	changed time.Time  // when an API changed it

	reference string // under which an API was told of it, or ""
}

// Create makes a table of the given columns, in place of an older one of its name.
func (s *Store) Create(name string, columns ...string) *Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Table{store: s, name: name, columns: columns}
	s.tables[name] = t
	return t
}

// Table returns the table called name, or nil.
func (s *Store) Table(name string) *Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[name]
}

// Insert adds a row as another program would, refusing nothing: one value a
// column, those left out are null.
func (t *Table) Insert(values ...record.Value) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	row := make(record.Row, len(t.columns))
	for i := range row {
		row[i] = record.NullValue()
	}
	copy(row, values)
	t.add(row)
}

// Rows returns a copy of the rows, in the order they were added.
func (t *Table) Rows() []record.Row {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	rows := make([]record.Row, len(t.rows))
	for i := range t.rows {
		rows[i] = slices.Clone(t.rows[i].values)
	}
	return rows
}

// Len returns the number of rows.
func (t *Table) Len() int {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return len(t.rows)
}

// Set changes one column of the rows where another has the given value, as
// another program would, and returns how many those are.
func (t *Table) Set(where string, is record.Value, column string, to record.Value) (changed int) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	at, set := slices.Index(t.columns, where), slices.Index(t.columns, column)
	for i := range t.rows {
		if t.rows[i].values[at].Equal(is) {
			row := slices.Clone(t.rows[i].values)
			row[set] = to
			t.rows[i].values = row
			changed++
		}
	}
	return changed
}

// Remove removes the rows where column has the given value, as another program
// would, and returns how many those were.
func (t *Table) Remove(column string, is record.Value) int {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	at, before := slices.Index(t.columns, column), len(t.rows)
	t.rows = slices.DeleteFunc(t.rows, func(r stored) bool { return r.values[at].Equal(is) })
	return before - len(t.rows)
}

// add gives the row a number and, in the serial column, that number.
func (t *Table) add(row record.Row) {
	t.last++
	if at := slices.Index(t.columns, t.Serial); at >= 0 && row[at].Missing() {
		row[at] = record.IntValue(t.last)
	}
	t.rows = append(t.rows, stored{number: t.last, values: row})
}

// positions returns where the named columns stand in the table.
func (t *Table) positions(op string, names []string) ([]int, error) {
	at := make([]int, len(names))
	for i, name := range names {
		if at[i] = slices.Index(t.columns, name); at[i] < 0 {
			return nil, connectors.MissingColumn(op, name, t.columns)
		}
	}
	return at, nil
}

func columnNames(columns []record.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

func pick(row record.Row, at []int) record.Row {
	picked := make(record.Row, len(at))
	for i, k := range at {
		picked[i] = row[k]
	}
	return picked
}

// matches reports whether the columns of row equal the key; null equals nothing.
func matches(row record.Row, at []int, key []record.Value) bool {
	for i, k := range at {
		if key[i].Missing() || !row[k].Equal(key[i]) {
			return false
		}
	}
	return true
}
