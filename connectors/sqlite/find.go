package sqlite

import (
	"errors"
	"fmt"
	"strings"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/engine/record"
)

// maxMarks is how many values one statement binds.
const maxMarks = 1000

// lookUp selects the rows whose columns equal the keys, and calls found with the
// key each row answers. The selected columns stand behind offset.
func (t *table) lookUp(db *sqlitedb.Conn, columns []string, keys [][]record.Value, selected []string, found func(at int, stmt *sqlitedb.Stmt, offset int)) error {
	if len(keys) == 0 || len(columns) == 0 {
		return nil
	}
	if none, err := t.noneBetween(db, columns, keys); err != nil || none {
		return err
	}
	asked := make(map[string][]int, len(keys))
	var buf []byte
	for i, key := range keys {
		buf = keyText(buf[:0], key)
		asked[string(buf)] = append(asked[string(buf)], i)
	}
	kinds := make([]record.Kind, len(columns))
	for i := range kinds {
		kinds[i] = keys[0][i].Kind()
	}
	size := max(maxMarks/len(columns), 1)
	for start := 0; start < len(keys); start += size {
		chunk := keys[start:min(start+size, len(keys))]
		if err := t.lookUpChunk(db, columns, chunk, selected, func(stmt *sqlitedb.Stmt) {
			key := make([]record.Value, len(columns))
			for i := range columns {
				key[i] = t.value(stmt, i, kinds[i])
			}
			buf = keyText(buf[:0], key)
			for _, at := range asked[string(buf)] {
				found(at, stmt, len(columns))
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// noneBetween reports whether the table has no row from the least to the greatest
// key, where one look into an index tells that. Keys that grow are new more often
// than not, and asking for each would cost as much as writing half of them.
func (t *table) noneBetween(db *sqlitedb.Conn, columns []string, keys [][]record.Value) (bool, error) {
	column := strings.ToLower(columns[0])
	if len(columns) > 1 || len(keys) < 2 || keys[0][0].Kind() != record.String || !t.textual[column] || !t.ordered[column] {
		return false, nil
	}
	least, greatest := keys[0][0].Str(), keys[0][0].Str()
	for _, key := range keys {
		if key[0].Kind() != record.String {
			return false, nil
		}
		least, greatest = min(least, key[0].Str()), max(greatest, key[0].Str())
	}
	// A text that equals a key in another order of texts is no answer to it anyway.
	name := quote(columns[0]) + " COLLATE BINARY"
	stmt, err := db.Prepare("SELECT 1 FROM " + t.from() + " WHERE " + name + " >= ? AND " + name + " <= ? LIMIT 1")
	if err != nil {
		return false, err
	}
	stmt.BindText(1, least)
	stmt.BindText(2, greatest)
	some, err := stmt.Step()
	return !some, errors.Join(err, stmt.Reset())
}

func (t *table) lookUpChunk(db *sqlitedb.Conn, columns []string, keys [][]record.Value, selected []string, row func(*sqlitedb.Stmt)) error {
	all := quoteAll(append(append([]string{}, columns...), selected...))
	in := "(" + marks(len(keys)) + ")"
	if len(columns) > 1 {
		in = "(VALUES " + strings.TrimSuffix(strings.Repeat("("+marks(len(columns))+"), ", len(keys)), ", ") + ")"
	}
	stmt, err := db.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE (%s) IN %s", all, t.from(), quoteAll(columns), in))
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Reset() }()
	at := 1
	for _, key := range keys {
		for i, v := range key {
			t.bind(stmt, at, columns[i], v)
			at++
		}
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		row(stmt)
	}
}

// keyText is a key by value: 1.0 and 1 are one.
func keyText(dst []byte, key []record.Value) []byte {
	for _, v := range key {
		dst = v.AppendCanonical(dst)
	}
	return dst
}
