package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/postgres/pgtest"
	"headgate/engine/record"
)

func open(t *testing.T, server *pgtest.Server) connectors.Connector {
	t.Helper()
	secret := func(connectors.Secret) (string, error) { return server.DSN(), nil }
	c, err := Kind().Open(&Settings{DSN: connectors.Secret{From: "env", Name: "DSN"}}, connectors.Tools{Now: time.Now, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func resource(table string) connectors.Resource {
	return connectors.Resource{
		Name: "orders", Settings: &Resource{Table: table}, Zone: time.UTC,
		Read:    []record.Column{{Name: "no", Kind: record.String}, {Name: "total", Kind: record.Decimal}, {Name: "changed", Kind: record.Time}},
		ReadKey: []string{"no"}, WriteKey: []string{"no"},
		Write: []record.Column{{Name: "no", Kind: record.String}, {Name: "total", Kind: record.Decimal}, {Name: "changed", Kind: record.Time}},
	}
}

func create(no, total string) connectors.Change {
	n, err := record.ParseNumber(total, false)
	if err != nil {
		panic(err)
	}
	key := record.StringValue(no)
	return connectors.Change{Op: connectors.Create, Key: []record.Value{key}, Values: []record.Value{key, record.DecimalValue(n), record.NullValue()}}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=off")
	t.Run("three bad rows of a hundred are refused", func(t *testing.T) { bisects(t, server) })
	t.Run("lengths of columns are kept", func(t *testing.T) { lengths(t, server) })
	t.Run("updates write only what they carry", func(t *testing.T) { updates(t, server) })
	t.Run("a cursor reads its overlap again", func(t *testing.T) { overlaps(t, server) })
	t.Run("pages of any size give the same rows", func(t *testing.T) { pages(t, server) })
	t.Run("keys are looked up by their index", func(t *testing.T) { byIndex(t, server) })
	t.Run("what is missing is told", func(t *testing.T) { missing(t, server) })
	t.Run("a server gives up a session nobody ends", func(t *testing.T) { forgets(t, server) })
}

func bisects(t *testing.T, server *pgtest.Server) {
	server.Exec(t, `CREATE TABLE "odd ""name" (no text PRIMARY KEY, total numeric(12,2) CHECK (total < 1000), changed timestamptz)`)
	dest, err := open(t, server).Destination(resource(`odd "name`))
	if err != nil {
		t.Fatal(err)
	}
	var lot connectors.Lot
	for i := range 100 {
		total := "10.50"
		if i%40 == 7 {
			total = "5000"
		}
		lot.Changes = append(lot.Changes, create(fmt.Sprintf("A\t\\%03d", i), total))
	}
	receipts, err := dest.Apply(context.Background(), lot)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i, r := range receipts {
		bad := i%40 == 7
		if bad != (r.Status == connectors.Refused) || bad && r.Code != "check" || !bad && r.Status != connectors.Applied {
			t.Errorf("change %d: %+v", i, r)
		}
		if bad {
			refused++
		}
	}
	if got := server.Text(t, `SELECT count(*) || ' ' || sum(total) FROM "odd ""name"`); got != fmt.Sprintf("%d %d.50", 100-refused, (100-refused)*21/2) {
		t.Errorf("the table holds %s", got)
	}
	found, err := dest.(connectors.Finder).Find(context.Background(), connectors.Query{Keys: [][]record.Value{lot.Changes[0].Key, {record.StringValue("none")}}})
	if err != nil || len(found) != 1 || found[0].At != 0 || !found[0].Write[1].Equal(lot.Changes[0].Values[1]) {
		t.Errorf("found %+v, %v", found, err)
	}
}

// lengths: what is longer than its column is refused and never cut, alone, among others
// and in an update; and a key of a fixed length is found.
func lengths(t *testing.T, server *pgtest.Server) {
	server.Exec(t, `CREATE TABLE fixed (no char(8) PRIMARY KEY, code varchar(5), flags bit(3))`)
	r := resource("fixed")
	r.Read, r.Write = nil, []record.Column{{Name: "no", Kind: record.String}, {Name: "code", Kind: record.String}, {Name: "flags", Kind: record.String}}
	dest, err := open(t, server).Destination(r)
	if err != nil {
		t.Fatal(err)
	}
	change := func(op connectors.Op, no, code, flags string) connectors.Change {
		key := record.StringValue(no)
		return connectors.Change{Op: op, Key: []record.Value{key}, Values: []record.Value{key, record.StringValue(code), record.StringValue(flags)}}
	}
	apply := func(changes ...connectors.Change) []connectors.Receipt {
		t.Helper()
		receipts, err := dest.Apply(context.Background(), connectors.Lot{Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		return receipts
	}
	many := []connectors.Change{change(connectors.Create, "A-LONG", "ABCDEFG", "101")}
	for i := range 20 {
		many = append(many, change(connectors.Create, fmt.Sprintf("A-%02d", i), "ABCDE", "101"))
	}
	refused := []connectors.Receipt{
		apply(change(connectors.Create, "ALONE", "ABCDEFG", "101"))[0],
		apply(change(connectors.Create, "TOO-LONG-A-KEY", "ABC", "101"))[0],
		apply(many...)[0],
		apply(change(connectors.Update, "A-01", "ABCDEFG", "101"))[0],
	}
	for i, r := range refused {
		if r.Status != connectors.Refused || r.Code != "too_long" {
			t.Errorf("too long a value, %d: %+v", i, r)
		}
	}
	if r := apply(change(connectors.Create, "BITS", "ABC", "1011"))[0]; r.Status != connectors.Refused {
		t.Errorf("too many bits: %+v", r)
	}
	if got := server.Text(t, `SELECT count(*) || ' ' || min(code) || ' ' || max(code) FROM fixed`); got != "20 ABCDE ABCDE" {
		t.Errorf("the table holds %s", got)
	}
	found, err := dest.(connectors.Finder).Find(context.Background(), connectors.Query{Keys: [][]record.Value{{record.StringValue("A-01")}, {record.StringValue("A-99")}}})
	if err != nil || len(found) != 1 || found[0].At != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	if r := apply(change(connectors.Update, "A-01", "ZZ", "011"))[0]; r.Status != connectors.Applied {
		t.Errorf("an update by its key: %+v", r)
	}
	if got := server.Text(t, `SELECT code || ' ' || flags FROM fixed WHERE no = 'A-01'`); got != "ZZ 011" {
		t.Errorf("the row holds %s", got)
	}
}

func updates(t *testing.T, server *pgtest.Server) {
	server.Exec(t, `CREATE TABLE upd (no text PRIMARY KEY, total numeric, changed timestamptz)`, `INSERT INTO upd VALUES ('A', 1, '2026-01-01 00:00:00Z')`)
	dest, err := open(t, server).Destination(resource("upd"))
	if err != nil {
		t.Fatal(err)
	}
	a, gone := create("A", "123456789012345678901234.5"), create("gone", "1")
	a.Op, gone.Op = connectors.Update, connectors.Update
	a.Values[0], a.Values[2] = record.Value{}, record.Value{}
	receipts, err := dest.Apply(context.Background(), connectors.Lot{Changes: []connectors.Change{a, gone}})
	if err != nil || receipts[0].Status != connectors.Applied || receipts[1].Code != "missing_row" {
		t.Fatalf("%+v, %v", receipts, err)
	}
	if got := server.Text(t, `SELECT total || ' ' || changed::date FROM upd`); got != "123456789012345678901234.5 2026-01-01" {
		t.Errorf("the row is %s", got)
	}
}

// overlaps: a row that commits late, with a cursor before the highest seen, is not lost.
func overlaps(t *testing.T, server *pgtest.Server) {
	server.Exec(t, `CREATE TABLE late (no text PRIMARY KEY, total numeric, changed timestamptz)`,
		`INSERT INTO late VALUES ('A', 1, '2026-01-01 10:00:00.123456Z'), ('B', 1, '2026-01-01 10:10:00Z'), ('N', 1, NULL)`)
	r := resource("late")
	r.Cursor, r.CursorKind, r.Overlap = "changed", record.Time, 5*time.Minute
	source, err := open(t, server).Source(r)
	if err != nil {
		t.Fatal(err)
	}
	position, got := readAll(t, source, "", 2)
	if got != "N A B" {
		t.Errorf("first pass: %s", got)
	}
	server.Exec(t, `INSERT INTO late VALUES ('L', 1, '2026-01-01 10:06:00Z')`)
	if _, got = readAll(t, source, position, 2); got != "N L B" {
		t.Errorf("second pass: %s", got)
	}
}

func pages(t *testing.T, server *pgtest.Server) {
	server.Exec(t, `CREATE TABLE many (no text, total numeric, changed timestamptz)`,
		`INSERT INTO many SELECT CASE WHEN n % 10 = 0 THEN NULL ELSE 'K' || n / 3 END, n, now() FROM generate_series(1, 60) n`)
	source, err := open(t, server).Source(resource("many"))
	if err != nil {
		t.Fatal(err)
	}
	_, whole := readAll(t, source, "", 1000)
	if n := len(strings.Fields(whole)); n != 60 {
		t.Fatalf("%d rows", n)
	}
	for _, size := range []int{1, 2, 7, 59, 60, 61} {
		if _, got := readAll(t, source, "", size); got != whole {
			t.Errorf("pages of %d: %s", size, got)
		}
	}
}

func missing(t *testing.T, server *pgtest.Server) {
	server.Exec(t, `CREATE TABLE short (no text PRIMARY KEY)`)
	c := open(t, server)
	for table, want := range map[string]string{"short": `no column "total"`, "nowhere": "does not exist"} {
		source, err := c.Source(resource(table))
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Read(context.Background(), connectors.Part{}, "", 1)
		if connectors.ClassOf(err) != connectors.Broken || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", table, err)
		}
	}
	place, err := mustSource(t, c, "short").Place()
	if err != nil || !strings.HasSuffix(place, "/postgres#short") || strings.Contains(place, "headgate") {
		t.Errorf("place is %q, %v", place, err)
	}
}

func forgets(t *testing.T, server *pgtest.Server) {
	r := resource("")
	r.Settings = &Resource{Query: "SELECT current_setting('idle_in_transaction_session_timeout') AS no, 1 AS total, NULL::timestamptz AS changed"}
	s, err := open(t, server).Source(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, rows := readAll(t, s, "", 10); !strings.Contains(rows, "1min") {
		t.Errorf("an idle transaction is kept open for %s", rows)
	}
}

func mustSource(t *testing.T, c connectors.Connector, table string) connectors.Source {
	t.Helper()
	s, err := c.Source(resource(table))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readAll(t *testing.T, s connectors.Source, from record.Position, limit int) (record.Position, string) {
	t.Helper()
	var keys []string
	for {
		page, err := s.Read(context.Background(), connectors.Part{}, from, limit)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Len() {
			row, _ := page.Row(i)
			key := row[0].Text()
			if row[0].IsNull() {
				key = "-"
			}
			keys = append(keys, key)
		}
		if from = page.EndPosition(); page.End() {
			return from, strings.Join(keys, " ")
		}
	}
}

// byIndex: a table whose rows the server did not count is not read whole for each batch,
// if an index leads to its keys; and rows are found without one.
func byIndex(t *testing.T, server *pgtest.Server) {
	for _, test := range []struct {
		name, index string
		key         []string
		whole       bool // all of it is read
	}{
		{"primary", "PRIMARY KEY (no)", []string{"no"}, false},
		{"plain", "", []string{"no"}, true},
		{"both", "UNIQUE (branch, no)", []string{"no", "branch"}, false},
		{"wider", "UNIQUE (branch, no)", []string{"no"}, true},
		{"narrower", "UNIQUE (no)", []string{"branch", "no"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			table := "indexed_" + test.name
			constraint := ""
			if test.index != "" {
				constraint = ", " + test.index
			}
			server.Exec(t, fmt.Sprintf("CREATE TABLE %s (branch int, no text%s) WITH (autovacuum_enabled = off)", table, constraint),
				fmt.Sprintf("INSERT INTO %s SELECT 1, 'A-' || i FROM generate_series(1, 20000) i", table))
			r := connectors.Resource{Name: "orders", Settings: &Resource{Table: table}, Zone: time.UTC, WriteKey: test.key,
				Write: []record.Column{{Name: "branch", Kind: record.Int}, {Name: "no", Kind: record.String}}}
			c := open(t, server)
			dest, err := c.Destination(r)
			if err != nil {
				t.Fatal(err)
			}
			var query connectors.Query
			for i := range 1000 {
				values := map[string]record.Value{"branch": record.IntValue(1), "no": record.StringValue(fmt.Sprint("A-", i*40))}
				key := make([]record.Value, len(test.key))
				for k, name := range test.key {
					key[k] = values[name]
				}
				query.Keys = append(query.Keys, key)
			}
			found, err := dest.(connectors.Finder).Find(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 500 { // of … A-20000 and on
				t.Errorf("%d rows were found, want 500", len(found))
			}
			if err := c.Close(); err != nil { // a session that ends tells what it read
				t.Fatal(err)
			}
			var read string
			for deadline := time.Now().Add(10 * time.Second); read == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				read = server.Text(t, fmt.Sprintf("SELECT coalesce((SELECT seq_tup_read::text FROM pg_stat_user_tables WHERE relname = '%s' AND seq_tup_read + coalesce(idx_scan, 0) > 0), '')", table))
			}
			if whole := read != "0"; whole != test.whole {
				t.Errorf("%s rows were read one after the other", read)
			}
		})
	}
}
