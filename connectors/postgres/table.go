package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"headgate/connectors"
	"headgate/engine/record"
)

// table is what source and destination know of their table.
type table struct {
	*connector
	resource connectors.Resource
	mu       *sync.Mutex // what is learned is learned once, by whichever connection is first
	columns  []column
	indexes  []index
	ctid     bool // rows have one: the last word in any order
	copies   bool // COPY writes it, and as INSERT does: no view, no policies, no rules
	counted  bool // a row that an INSERT does not count is nowhere: no view, no rules, no other tables beneath it
}

// column is one column as the server has it.
type column struct {
	name    string
	sqlType string // numeric, bpchar: without a length, to which a cast would cut in silence
	stored  string // the type to which a cast gives what the column would hold: numeric(10,2), bpchar
	oid     uint32
	null    bool
}

// index is one that serves all rows, of columns alone.
type index struct {
	unique  bool
	columns []string
}

func newTable(c *connector, r connectors.Resource) table {
	return table{connector: c, resource: r, mu: new(sync.Mutex)}
}

func (t *table) settings() *Resource { return t.resource.Settings.(*Resource) }

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (t *table) from() string {
	if q := t.settings().Query; q != "" {
		return "(" + q + ") AS q"
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

// check learns the columns, once, and tells the first that is missing.
func (t *table) check(ctx context.Context, db *pgx.Conn, needed ...[]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.columns == nil {
		if err := t.learn(ctx, db); err != nil {
			return err
		}
	}
	for _, names := range needed {
		for _, name := range names {
			if _, ok := t.column(name); !ok {
				var have []string
				for _, c := range t.columns {
					have = append(have, c.name)
				}
				return connectors.MissingColumn("read the columns of "+t.name(), name, have)
			}
		}
	}
	return nil
}

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

func (t *table) learn(ctx context.Context, db *pgx.Conn) error {
	described, err := db.Prepare(ctx, "", "SELECT * FROM "+t.from()+" LIMIT 0")
	if err != nil {
		told := classify("read "+t.name(), err)
		return told
	}
	for _, f := range described.Fields {
		c := column{name: f.Name, oid: f.DataTypeOID, null: true}
		if err := db.QueryRow(ctx, "SELECT format_type($1::oid, -1), format_type($1::oid, $2::int)", f.DataTypeOID, f.TypeModifier).Scan(&c.sqlType, &c.stored); err != nil {
			return err
		}
		if !slices.Contains(rounding, f.DataTypeOID) {
			c.stored = c.sqlType
		}
		t.columns = append(t.columns, c)
	}
	if t.settings().Table == "" {
		return nil
	}
	return t.learnTable(ctx, db)
}

func (t *table) learnTable(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `SELECT a.attname, a.attnotnull, c.relkind = 'r', c.relkind <> 'v' AND NOT c.relhasrules AND NOT row_security_active(c.oid), c.relkind IN ('r', 'p') AND NOT c.relhasrules AND NOT (c.relkind = 'r' AND c.relhassubclass) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped`, t.from())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var notNull bool
		if err := rows.Scan(&name, &notNull, &t.ctid, &t.copies, &t.counted); err != nil {
			return err
		}
		for i := range t.columns {
			if t.columns[i].name == name {
				t.columns[i].null = !notNull
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return t.learnIndexes(ctx, db)
}

func (t *table) learnIndexes(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `SELECT i.indisunique, array_agg(a.attname::text ORDER BY k.n)
		FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = $1::regclass AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid, i.indisunique`, t.from())
	if err != nil {
		return err
	}
	t.indexes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (x index, err error) {
		err = row.Scan(&x.unique, &x.columns)
		return x, err
	})
	return err
}

// indexed reports whether an index leads from values of the columns to their rows.
func (t *table) indexed(columns []string) bool {
	other := func(name string) bool { return !slices.Contains(columns, name) }
	return slices.ContainsFunc(t.indexes, func(x index) bool {
		leading := x.columns
		if !x.unique {
			if len(leading) < len(columns) {
				return false
			}
			leading = leading[:len(columns)]
		}
		return !slices.ContainsFunc(leading, other)
	})
}

// The type oids whose texts are read as something else than text.
const (
	oidBool, oidInt8, oidInt2, oidInt4    = 16, 20, 21, 23
	oidOid, oidFloat4, oidFloat8          = 26, 700, 701
	oidDate, oidTimestamp, oidTimestamptz = 1082, 1114, 1184
	oidNumeric                            = 1700
	oidTimeOfDay, oidTimetz, oidInterval  = 1083, 1266, 1186
	oidVarchar                            = 1043
)

// rounding are the types whose values an INSERT rounds to what their column says, as a
// cast does. A cast to the length of any other cuts, where an INSERT refuses.
var rounding = []uint32{oidNumeric, oidTimestamp, oidTimestamptz, oidTimeOfDay, oidTimetz, oidInterval}

// value makes a value of a column's text: of the kind wanted where that is exact.
func (t *table) value(text *string, name string, want record.Kind) record.Value {
	if text == nil {
		return record.NullValue()
	}
	locale := record.Locale{Zone: t.resource.Zone}
	c, _ := t.column(name)
	v := record.StringValue(*text)
	if kind := kindOf(c.oid); kind != record.String {
		if typed, err := record.Parse(kind, *text, locale); err == nil {
			v = typed
		}
	}
	if want == record.Unknown || want == v.Kind() {
		return v
	}
	if converted, err := record.Convert(v, want, locale); err == nil {
		return converted
	}
	return v
}

func kindOf(oid uint32) record.Kind {
	switch oid {
	case oidBool:
		return record.Bool
	case oidInt2, oidInt4, oidInt8, oidOid:
		return record.Int
	case oidNumeric, oidFloat4, oidFloat8:
		return record.Decimal
	case oidDate:
		return record.Date
	case oidTimestamp, oidTimestamptz:
		return record.Time
	}
	return record.String
}

// text is a value as the server reads it into the column; nil is null.
func (t *table) text(v record.Value, name string) *string {
	if v.Missing() {
		return nil
	}
	s := v.Text()
	if v.Kind() == record.Time {
		if c, _ := t.column(name); c.oid == oidTimestamp {
			s = v.Time().In(t.resource.Zone).Format("2006-01-02 15:04:05.999999999")
		}
	}
	return &s
}

// asText selects columns as texts.
func asText(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = quote(n) + "::text"
	}
	return strings.Join(all, ", ")
}

func quoteAll(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = quote(n)
	}
	return strings.Join(all, ", ")
}

func names(columns []record.Column) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name
	}
	return all
}

// namesAt are the names of some columns, by their places.
func namesAt(columns []record.Column, at []int) []string {
	some := make([]string, len(at))
	for k, i := range at {
		some[k] = columns[i].Name
	}
	return some
}

// lookUp selects the rows whose columns equal the keys, and calls found with the key
// each answers and the texts of the selected columns.
func (t *table) lookUp(ctx context.Context, db *pgx.Conn, columns []string, keys [][]record.Value, selected []string, found func(at int, texts []*string)) error {
	if len(keys) == 0 || len(columns) == 0 {
		return nil
	}
	arrays := make([]any, len(columns))
	var unnest, from, on []string
	for i, name := range columns {
		texts := make([]*string, len(keys))
		for k, key := range keys {
			texts[k] = t.text(key[i], name)
		}
		arrays[i] = texts
		c, _ := t.column(name)
		unnest = append(unnest, fmt.Sprintf("$%d::text[]", i+1))
		from = append(from, fmt.Sprintf("k%d", i))
		on = append(on, fmt.Sprintf("t.%s = asked.k%d::%s", quote(name), i, c.sqlType))
	}
	list := make([]string, len(selected))
	for i, n := range selected {
		list[i] = "t." + quote(n) + "::text"
	}
	// A server that has not counted the rows of a table yet takes it for small, and reads
	// all of it for each batch rather than go by its index. What ends with OFFSET is
	// worked out for each key by itself.
	apart := ""
	if t.indexed(columns) {
		apart = " OFFSET 0"
	}
	query := fmt.Sprintf("SELECT asked.n, t.* FROM unnest(%s) WITH ORDINALITY AS asked(%s, n) CROSS JOIN LATERAL (SELECT %s FROM %s t WHERE %s%s) t",
		strings.Join(unnest, ", "), strings.Join(from, ", "), strings.Join(append(list, "NULL"), ", "), t.plainFrom(), strings.Join(on, " AND "), apart)
	rows, err := db.Query(ctx, query, arrays...)
	if err != nil {
		return err
	}
	defer rows.Close()
	texts := make([]*string, len(selected))
	var n int64
	var end *string
	targets := []any{&n}
	for i := range texts {
		targets = append(targets, &texts[i])
	}
	targets = append(targets, &end)
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		found(int(n)-1, texts)
	}
	return rows.Err()
}

// look is lookUp outside of a transaction. A key that no value of its columns can be, as
// A-1 is no number, finds nothing, and the others are found all the same.
func (t *table) look(ctx context.Context, db *pgx.Conn, columns []string, keys [][]record.Value, selected []string, found func(at int, texts []*string)) error {
	type row struct {
		at    int
		texts []*string
	}
	var rows []row
	err := t.lookUp(ctx, db, columns, keys, selected, func(at int, texts []*string) { rows = append(rows, row{at, slices.Clone(texts)}) })
	switch n := len(keys); {
	case err == nil:
		for _, r := range rows {
			found(r.at, r.texts)
		}
		return nil
	case !refusal(err):
		return err
	case n > 1:
		if err := t.look(ctx, db, columns, keys[:n/2], selected, found); err != nil {
			return err
		}
		return t.look(ctx, db, columns, keys[n/2:], selected, func(at int, texts []*string) { found(at+n/2, texts) })
	}
	if possible, asked := t.possible(ctx, db, columns, keys[0]); asked != nil || !possible {
		return asked
	}
	return err // it is about the row that was found
}

// possible reports whether columns can hold a key.
func (t *table) possible(ctx context.Context, db *pgx.Conn, columns []string, key []record.Value) (bool, error) {
	args, casts := make([]any, len(columns)), make([]string, len(columns))
	for i, name := range columns {
		c, _ := t.column(name)
		args[i], casts[i] = t.text(key[i], name), fmt.Sprintf("$%d::text::%s", i+1, c.sqlType)
	}
	_, err := db.Exec(ctx, "SELECT "+strings.Join(casts, ", "), args...)
	if refusal(err) {
		return false, nil
	}
	return true, err
}

func (t *table) plainFrom() string {
	if q := t.settings().Query; q != "" {
		return "(" + q + ")"
	}
	return t.from()
}
