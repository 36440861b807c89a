package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/connectors"
	"headgate/engine/record"
)

// table is what source and destination know of their table.
type table struct {
	*connector
	resource connectors.Resource
	mu       *sync.Mutex // what is learned is learned once, by whichever connection is first
	checked  bool
	columns  []string
	textual  map[string]bool // columns of TEXT affinity
	ordered  map[string]bool // columns that begin an index in the order of their bytes
	rowid    bool            // it has one: the last word in any order
	counted  bool            // a row that an INSERT does not count is nowhere: it is no view
}

func newTable(c *connector, r connectors.Resource) table {
	return table{connector: c, resource: r, mu: new(sync.Mutex)}
}

// Place implements connectors.Source and connectors.Destination.
func (t *table) Place() (string, error) { return placeOf(t.connector, t.resource) }

// Probe implements connectors.Prober: a database that the first write makes is not
// made by looking.
func (t *table) Probe(context.Context) (bool, error) {
	_, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) && t.connector.settings.Create {
		return false, nil
	}
	return true, nil // opening it tells the rest
}

func (t *table) settings() *Resource { return t.resource.Settings.(*Resource) }

func (t *table) from() string {
	if q := t.settings().Query; q != "" {
		return "(" + q + ")"
	}
	return qualified(t.settings().Table)
}

// qualified quotes a name that may have others before it: main.orders.
func qualified(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = quote(parts[i])
	}
	return strings.Join(parts, ".")
}

func (t *table) name() string {
	if t.settings().Table == "" {
		return t.resource.Name
	}
	return t.settings().Table
}

// check learns the table's columns, once, and tells the first that is missing.
func (t *table) check(db *sqlitedb.Conn, needed ...[]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.checked {
		if err := t.learn(db); err != nil {
			return err
		}
		t.checked = true
	}
	for _, names := range needed {
		for _, name := range names {
			if !slices.ContainsFunc(t.columns, func(c string) bool { return strings.EqualFold(c, name) }) {
				return connectors.MissingColumn("read the columns of "+t.name(), name, t.columns)
			}
		}
	}
	return nil
}

func (t *table) learn(db *sqlitedb.Conn) error {
	stmt, _, err := db.PrepareTransient("SELECT * FROM " + t.from() + " LIMIT 0")
	if err != nil {
		return &connectors.Error{Class: connectors.Broken, Op: "read " + t.name() + " in " + t.path, Hint: "is the table there, and its name right?", Err: err}
	}
	t.columns = t.columns[:0]
	for i := range stmt.ColumnCount() {
		t.columns = append(t.columns, stmt.ColumnName(i))
	}
	if err := stmt.Finalize(); err != nil {
		return err
	}
	t.textual = make(map[string]bool)
	if t.settings().Table == "" {
		return nil
	}
	if err := errors.Join(t.affinities(db), t.orders(db)); err != nil {
		return err
	}
	if t.counted, err = t.isTable(db); err != nil {
		return err
	}
	probe, _, err := db.PrepareTransient("SELECT rowid FROM " + t.from() + " LIMIT 0")
	if t.rowid = err == nil; t.rowid {
		return probe.Finalize()
	}
	return nil
}

// isTable reports whether rows are in the table itself: those of a view are where its
// triggers put them, and those of a virtual table where its module does.
func (t *table) isTable(db *sqlitedb.Conn) (is bool, err error) {
	stmt, _, err := db.PrepareTransient("SELECT type = 'table' FROM pragma_table_list WHERE name = ? COLLATE NOCASE")
	if err != nil {
		return false, err
	}
	parts := strings.Split(t.settings().Table, ".")
	stmt.BindText(1, parts[len(parts)-1])
	if found, stepped := stmt.Step(); stepped != nil {
		err = stepped
	} else {
		is = found && stmt.ColumnBool(0)
	}
	return is, errors.Join(err, stmt.Finalize())
}

// affinities notes the columns that keep numbers as texts (SQLite, "Datatypes", 3.1).
func (t *table) affinities(db *sqlitedb.Conn) error {
	stmt, _, err := db.PrepareTransient("SELECT name, type FROM pragma_table_info(?)")
	if err != nil {
		return err
	}
	parts := strings.Split(t.settings().Table, ".")
	stmt.BindText(1, parts[len(parts)-1])
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			if e := stmt.Finalize(); err == nil {
				err = e
			}
			return err
		}
		declared := strings.ToUpper(stmt.ColumnText(1))
		isText := strings.Contains(declared, "CHAR") || strings.Contains(declared, "CLOB") || strings.Contains(declared, "TEXT")
		t.textual[strings.ToLower(stmt.ColumnText(0))] = isText && !strings.Contains(declared, "INT")
	}
}

// orders notes the columns that begin an index in the order of their bytes.
func (t *table) orders(db *sqlitedb.Conn) error {
	t.ordered = make(map[string]bool)
	stmt, _, err := db.PrepareTransient("SELECT x.name FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x WHERE x.seqno = 0 AND x.coll = 'BINARY' AND NOT l.partial AND x.name IS NOT NULL")
	if err != nil {
		return err
	}
	parts := strings.Split(t.settings().Table, ".")
	stmt.BindText(1, parts[len(parts)-1])
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return errors.Join(err, stmt.Finalize())
		}
		t.ordered[strings.ToLower(stmt.ColumnText(0))] = true
	}
}

// bind binds a value so that it keeps its exact meaning in a column of its affinity.
func (t *table) bind(stmt *sqlitedb.Stmt, at int, column string, v record.Value) {
	switch v.Kind() {
	case record.Absent, record.Null:
		stmt.BindNull(at)
	case record.Int:
		stmt.BindInt64(at, v.Int())
	case record.Bool:
		stmt.BindBool(at, v.Bool())
	case record.Decimal:
		t.bindNumber(stmt, at, column, v.Number())
	case record.Time:
		stmt.BindText(at, v.Time().In(t.resource.Zone).Format(naiveTime))
	default:
		stmt.BindText(at, v.Text())
	}
}

// naiveTime is how an instant is written: without an offset, in the connector's
// zone, as SQLite's own date functions write it.
const naiveTime = "2006-01-02 15:04:05.999999999"

func (t *table) bindNumber(stmt *sqlitedb.Stmt, at int, column string, n record.Number) {
	if t.textual[strings.ToLower(column)] {
		stmt.BindText(at, n.String())
		return
	}
	if whole, ok := n.Int64(); ok {
		stmt.BindInt64(at, whole)
		return
	}
	if f, exact := n.Float(); exact {
		stmt.BindFloat(at, f)
		return
	}
	stmt.BindText(at, n.String())
}

// value returns a column as a value of kind, where that is exact; else as it is.
func (t *table) value(stmt *sqlitedb.Stmt, col int, kind record.Kind) record.Value {
	v := rawValue(stmt, col)
	if v.Missing() || kind == record.Unknown || kind == v.Kind() {
		return v
	}
	converted, err := record.Convert(v, kind, record.Locale{Zone: t.resource.Zone})
	if err != nil {
		return v
	}
	return converted
}

func rawValue(stmt *sqlitedb.Stmt, col int) record.Value {
	switch stmt.ColumnType(col) {
	case sqlitedb.TypeInteger:
		return record.IntValue(stmt.ColumnInt64(col))
	case sqlitedb.TypeFloat:
		text := strconv.FormatFloat(stmt.ColumnFloat(col), 'f', -1, 64)
		n, err := record.ParseNumber(text, false)
		if err != nil {
			return record.StringValue(text)
		}
		return record.DecimalValue(n)
	case sqlitedb.TypeNull:
		return record.NullValue()
	}
	return record.StringValue(stmt.ColumnText(col))
}

// names returns the names of columns.
func names(columns []record.Column) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name
	}
	return all
}

// earlier returns the literal of a cursor moved back by d, in its own form; the
// literal itself where it is no time.
func earlier(v record.Value, d time.Duration, zone *time.Location) record.Value {
	text := v.Str()
	if d <= 0 || v.Kind() != record.String || len(text) < 10 {
		return v
	}
	if day, err := record.ParseDate(text); err == nil && len(text) == 10 {
		days := int32((d + 24*time.Hour - 1) / (24 * time.Hour))
		return record.StringValue(record.DateValue(day.Days() - days).Text())
	}
	at, err := record.ParseTime(text, zone)
	if err != nil {
		return v
	}
	layout := "2006-01-02" + text[10:11] + "15:04:05"
	moved := at.Time().Add(-d)
	switch {
	case strings.HasSuffix(text, "Z"):
		return record.StringValue(moved.UTC().Format(layout + "Z"))
	case strings.ContainsAny(text[10:], "+") || strings.Count(text[10:], "-") > 0:
		return record.StringValue(moved.UTC().Format(layout + "-07:00"))
	}
	return record.StringValue(moved.In(zone).Format(layout))
}
