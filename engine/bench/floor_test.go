package bench

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors/postgres/pgtest"
)

// scan reads a CSV file and calls f with each record but the header. It reuses the record.
func scan(b *testing.B, path string, f func([]string)) {
	file, err := os.Open(path)
	must(b, err)
	defer func() { _ = file.Close() }()
	r := csv.NewReader(file)
	r.ReuseRecord = true
	for header := true; ; header = false {
		record, err := r.Read()
		if err == io.EOF {
			return
		}
		must(b, err)
		if !header {
			f(record)
		}
	}
}

// scanFloor is the floor of JSONL: a bare scan of the file.
func scanFloor(b *testing.B, path string) { scan(b, path, func([]string) {}) }

// sqliteFloor is a hand-written loop: 50 rows a statement, 1 000 a transaction.
func sqliteFloor(b *testing.B, path string) {
	db := makeSQLite(b, filepath.Join(b.TempDir(), "floor.db"))
	defer func() { _ = db.Close() }()
	const at = 50
	insert := "INSERT INTO orders VALUES " + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?),", at), ",") + " ON CONFLICT(no) DO UPDATE SET qty = excluded.qty"
	stmt := db.Prep(insert)
	i := 0
	scan(b, path, func(record []string) {
		if i%batchSize == 0 {
			must(b, sqlitex.ExecuteTransient(db, "BEGIN IMMEDIATE", nil))
		}
		for c, cell := range record {
			stmt.BindText(i%at*10+c+1, cell)
		}
		if i++; i%at == 0 {
			_, err := stmt.Step()
			must(b, err)
			must(b, stmt.Reset())
		}
		if i%batchSize == 0 {
			must(b, sqlitex.ExecuteTransient(db, "COMMIT", nil))
		}
	})
}

// postgresFloor is COPY into a temporary table and INSERT … ON CONFLICT, 1 000 a transaction.
func postgresFloor(server *pgtest.Server) func(*testing.B, string) {
	return func(b *testing.B, path string) {
		ctx := context.Background()
		db, err := pgx.Connect(ctx, server.DSN())
		must(b, err)
		defer func() { _ = db.Close(ctx) }()
		_, err = db.Exec(ctx, "CREATE TEMP TABLE fresh (LIKE floor) ON COMMIT DELETE ROWS")
		must(b, err)
		flush := func(text []byte) {
			_, err := db.Exec(ctx, "BEGIN")
			must(b, err)
			_, err = db.PgConn().CopyFrom(ctx, bytes.NewReader(text), "COPY fresh FROM STDIN")
			must(b, err)
			_, err = db.Exec(ctx, "INSERT INTO floor SELECT * FROM fresh ON CONFLICT (no) DO UPDATE SET qty = excluded.qty")
			must(b, err)
			_, err = db.Exec(ctx, "COMMIT")
			must(b, err)
		}
		var text []byte
		i := 0
		scan(b, path, func(record []string) {
			for c, cell := range record {
				if c > 0 {
					text = append(text, '\t')
				}
				text = append(text, cell...)
			}
			text = append(text, '\n')
			if i++; i%batchSize == 0 {
				flush(text)
				text = text[:0]
			}
		})
	}
}
