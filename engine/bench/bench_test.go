package bench

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors/postgres/pgtest"
)

// scan reads a CSV file and calls f with each record, which it reuses.
func scan(b *testing.B, path string, f func([]string)) {
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	r := csv.NewReader(file)
	r.ReuseRecord = true
	for {
		record, err := r.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		f(record)
	}
}

func perRow(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
}

// BenchmarkFloorScan is the floor of JSONL: a bare scan of the file.
func BenchmarkFloorScan(b *testing.B) {
	n := rows(b)
	path := filepath.Join(b.TempDir(), "a.csv")
	writeCSV(b, path, n)
	for b.Loop() {
		scan(b, path, func([]string) {})
	}
	perRow(b, n)
}

// BenchmarkJSONL is the whole way into JSON Lines.
func BenchmarkJSONL(b *testing.B) {
	install(b, "  type = \"files\"\n  dir  = \"out\"", "    file = \"o-%Y%m%dT%H%M%S.jsonl\"\n    jsonl {\n    }").measure(b, rows(b))
}

// BenchmarkFloorSQLite is a hand-written loop: 50 rows a statement, 1 000 a transaction.
func BenchmarkFloorSQLite(b *testing.B) {
	n, dir := rows(b), b.TempDir()
	path := filepath.Join(dir, "a.csv")
	writeCSV(b, path, n)
	db := makeSQLite(b, filepath.Join(dir, "erp.db"))
	defer func() { _ = db.Close() }()
	const at = 50
	insert := "INSERT INTO orders VALUES " + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?),", at), ",") + " ON CONFLICT(no) DO UPDATE SET qty = excluded.qty"
	stmt := db.Prep(insert)
	b.ResetTimer()
	for range b.N {
		count := -1 // the header
		scan(b, path, func(record []string) {
			if count++; count == 0 {
				return
			}
			i := count - 1
			if i%batchSize == 0 {
				exec(b, sqlitex.ExecuteTransient(db, "BEGIN IMMEDIATE", nil))
			}
			for c, cell := range record {
				stmt.BindText(i%at*10+c+1, cell)
			}
			if i%at == at-1 {
				_, err := stmt.Step()
				exec(b, err)
				exec(b, stmt.Reset())
			}
			if i%batchSize == batchSize-1 {
				exec(b, sqlitex.ExecuteTransient(db, "COMMIT", nil))
			}
		})
	}
	perRow(b, n)
}

func exec(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSQLite is the whole way into SQLite.
func BenchmarkSQLite(b *testing.B) {
	in := install(b, "  type = \"sqlite\"\n  path = \"erp.db\"", "    table = \"orders\"")
	exec(b, makeSQLite(b, filepath.Join(in.dir, "erp.db")).Close())
	in.measure(b, rows(b))
}

// BenchmarkFloorPostgres is COPY into a temporary table and INSERT … ON CONFLICT, 1 000 a transaction.
func BenchmarkFloorPostgres(b *testing.B) {
	n := rows(b)
	path := filepath.Join(b.TempDir(), "a.csv")
	writeCSV(b, path, n)
	server := pgtest.Start(b)
	server.Exec(b, fmt.Sprintf(schema, "date"))
	ctx := context.Background()
	db, err := pgx.Connect(ctx, server.DSN())
	exec(b, err)
	defer func() { _ = db.Close(ctx) }()
	_, err = db.Exec(ctx, "CREATE TEMP TABLE fresh (LIKE orders) ON COMMIT DELETE ROWS")
	exec(b, err)
	flush := func(text []byte) {
		for _, step := range []string{"BEGIN", "COPY", "INSERT INTO orders SELECT * FROM fresh ON CONFLICT (no) DO UPDATE SET qty = excluded.qty", "COMMIT"} {
			if step == "COPY" {
				_, err = db.PgConn().CopyFrom(ctx, bytes.NewReader(text), "COPY fresh FROM STDIN")
			} else {
				_, err = db.Exec(ctx, step)
			}
			exec(b, err)
		}
	}
	b.ResetTimer()
	for range b.N {
		count := -1
		var text []byte
		scan(b, path, func(record []string) {
			if count++; count == 0 {
				return
			}
			for c, cell := range record {
				if c > 0 {
					text = append(text, '\t')
				}
				text = append(text, cell...)
			}
			if text = append(text, '\n'); count%batchSize == 0 {
				flush(text)
				text = text[:0]
			}
		})
	}
	perRow(b, n)
}

// BenchmarkPostgres is the whole way into PostgreSQL.
func BenchmarkPostgres(b *testing.B) {
	server := pgtest.Start(b)
	server.Exec(b, fmt.Sprintf(schema, "date"))
	connector := fmt.Sprintf("  type = \"postgres\"\n  host = %q\n  user = \"headgate\"\n  database = \"postgres\"\n  sslmode = \"disable\"", server.Dir)
	install(b, connector, "    table = \"orders\"").measure(b, rows(b))
}
