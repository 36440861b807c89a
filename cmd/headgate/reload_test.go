package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"headgate/connectors/builtin"
	"headgate/engine"
	"headgate/engine/state"
	"headgate/rules/load"
)

// versionText is the ruleset these tests put before a daemon, in versions: each says
// that it judged a record, in its exception or in the row it writes.
const versionText = `
headgate {
  state = "../state"
  reload {
    poll = "1s"
  }
}

connector "shop" {
  type = "files"
  dir  = "../in"

  resource "stock" {
    entity = entity.item
    glob   = "*.csv"
    settle = "0s"

    csv {
    }
  }
}

connector "erp" {
  type = "sqlite"
  path = "../erp.db"

  resource "stock" {
    entity = entity.item
    table  = "stock"

    write = {
      judged_by = "'VERSION'"
    }
  }
}

entity "item" {
  key   = [no]
  owner = connector.shop

  field "no" {
    type = int
  }
  field "kind" {
    type = int
  }

  rule "fitting" {
    check   = "kind != REST"
    message = "VERSION does not take ${no}"
  }
}

flow "stock" {
  from  = connector.shop.stock
  to    = connector.erp.stock
  mode  = live
  every = "1s"

  batch {
    size  = 10
    pause = "20ms"
  }
  guard {
    rejects = "100%"
  }
}
`

// ruleVersion returns the ruleset of that number. Each takes other records.
func ruleVersion(n int) []byte {
	return []byte(strings.NewReplacer("VERSION", fmt.Sprintf("v%d", n), "REST", fmt.Sprint(n)).Replace(versionText))
}

// digestOf is how the ruleset of one file is known.
func digestOf(name string, text []byte) string {
	return load.Digest([]load.File{{Name: name, Bytes: text}})
}

// stockroom is a daemon's place, with an ERP that would take an item twice.
func stockroom(t testing.TB) *operator {
	o := &operator{TB: t, dir: t.TempDir()}
	o.must(os.Mkdir(o.path("in"), 0o755))
	o.sql("CREATE TABLE stock (no INTEGER, kind INTEGER, judged_by TEXT); CREATE INDEX by_no ON stock (no);")
	return o
}

// items puts n new items before the shop, in one file, and returns how many there are now.
func (o *operator) items(from, n int) int {
	o.Helper()
	text := []byte("no,kind\n")
	for i := from; i < from+n; i++ {
		text = fmt.Appendf(text, "%d,%d\n", i, i%20)
	}
	o.write(fmt.Sprintf("%06d.part", from), text)
	o.must(os.Rename(o.path(fmt.Sprintf("%06d.part", from)), o.path(fmt.Sprintf("in/%06d.csv", from))))
	return from + n
}

func (o *operator) sql(script string) {
	o.Helper()
	db, err := sqlitedb.OpenConn(o.path("erp.db"))
	o.must(err)
	o.must(errors.Join(sqlitex.ExecuteScript(db, script, nil), db.Close()))
}

// rows returns what a query of the ERP gives, cells joined by "|".
func (o *operator) rows(query string) (all []string) {
	o.Helper()
	db, err := sqlitedb.OpenConn(o.path("erp.db"))
	o.must(err)
	db.SetBusyTimeout(time.Minute)
	o.must(errors.Join(sqlitex.ExecuteTransient(db, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlitedb.Stmt) error {
		cells := make([]string, s.ColumnCount())
		for i := range cells {
			cells[i] = s.ColumnText(i)
		}
		all = append(all, strings.Join(cells, "|"))
		return nil
	}}), db.Close()))
	return all
}

const patience = 3 * time.Minute // of a test, before it fails

// TestReload changes the ruleset of a running daemon in each of the ways it is changed in
// the field.
func TestReload(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		begin func(o *operator, text []byte) // lays the ruleset out, as rules/x.hcl
		save  func(o *operator, text []byte)
	}{
		"in place": {inPlace, inPlace},
		"by atomic rename": {inPlace, func(o *operator, text []byte) {
			o.write("rules/.x.hcl.tmp", text)
			o.must(os.Rename(o.path("rules/.x.hcl.tmp"), o.path("rules/x.hcl")))
		}},
		"as a ConfigMap": {mountConfigMap, swapConfigMap},
		"through a link that is pointed elsewhere": {func(o *operator, text []byte) {
			o.write("a/x.hcl", text)
			o.must(os.Symlink("a", o.path("rules")))
		}, func(o *operator, text []byte) {
			o.write("b/x.hcl", text)
			o.must(os.Symlink("b", o.path("next")))
			o.must(os.Rename(o.path("next"), o.path("rules")))
		}},
		// No event names a directory whose file is written through another of its names.
		"where only the poll sees it": {func(o *operator, text []byte) {
			o.write("elsewhere/x.hcl", text)
			o.must(os.Mkdir(o.path("rules"), 0o755))
			o.must(os.Link(o.path("elsewhere/x.hcl"), o.path("rules/x.hcl")))
		}, func(o *operator, text []byte) { o.write("elsewhere/x.hcl", text) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := stockroom(t)
			way.begin(o, ruleVersion(1))
			o.items(1, 1)
			d := o.daemon()
			d.awaitRead(1)
			saved := time.Now()
			way.save(o, ruleVersion(2))
			d.awaitRuleset(digestOf("x.hcl", ruleVersion(2)))
			took := d.status().Daemon.Reload.Sub(saved)
			if t.Logf("taken %s after the save", took); took < 0 {
				t.Error("it runs, and nobody knows since when")
			}
			if os.Getenv("HEADGATE_TEST_TIMING") != "" && took > 2*time.Second {
				t.Errorf("taken only %s after the save", took)
			}
			o.items(2, 1)
			d.awaitRead(2)
			d.stop()
			want := []string{"v1 does not take 1", "v2 does not take 2"}
			var got []string
			for _, x := range o.exceptions() {
				if x.Closed == "" {
					got = append(got, x.Reason.Message)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("exceptions (- wanted, + got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"1|v2"}, o.rows("SELECT no, judged_by FROM stock")); diff != "" {
				t.Errorf("what v1 stopped and v2 takes goes on (- wanted, + delivered):\n%s", diff)
			}
		})
	}
}

func inPlace(o *operator, text []byte) { o.write("rules/x.hcl", text) }

func mountConfigMap(o *operator, text []byte) {
	o.write("rules/..1/x.hcl", text)
	o.must(os.Symlink("..1", o.path("rules/..data")))
	o.must(os.Symlink("..data/x.hcl", o.path("rules/x.hcl")))
}

func swapConfigMap(o *operator, text []byte) {
	o.write("rules/..2/x.hcl", text)
	o.must(os.Symlink("..2", o.path("rules/..data_tmp")))
	o.must(os.Rename(o.path("rules/..data_tmp"), o.path("rules/..data")))
	o.must(os.RemoveAll(o.path("rules/..1")))
}

// TestReloadBrokenFiles puts many broken rulesets before a daemon that works. They change
// nothing but what status says of the files.
func TestReloadBrokenFiles(t *testing.T) {
	t.Parallel()
	o, dice := stockroom(t), dice(t)
	good := ruleVersion(1)
	inPlace(o, good)
	d := o.daemon()
	total := 0
	for range times(t, "HEADGATE_TEST_BROKEN", 25) {
		broken := breakText(dice, good)
		o.write("rules/x.hcl", broken)
		d.hangUp()
		o.eventually("the daemon tells of the broken file", patience, func() bool {
			s := d.status()
			return s.Daemon.Failed != nil && s.Daemon.Files == digestOf("x.hcl", broken)
		})
		total = o.items(total, 1) // load goes on, under the good rules
		d.awaitRead(total)
		s := d.status()
		if s.Ruleset != digestOf("x.hcl", good) || s.Flows[0].State == "paused" || s.Flows[0].State == "failing" {
			t.Fatalf("a broken file changed what runs:\n%s\n%+v", broken, s)
		}
	}
	inPlace(o, good)
	d.hangUp()
	o.eventually("the daemon tells that the file is right again", patience, func() bool { return d.status().Daemon.Failed == nil })
	d.stop()
	o.verify()
	for _, x := range o.exceptions() {
		if x.Ruleset != digestOf("x.hcl", good) {
			t.Errorf("an exception names another ruleset: %+v", x)
		}
	}
	if got, want := o.rows("SELECT count(*), count(DISTINCT no) FROM stock")[0], fmt.Sprintf("%d|%[1]d", total-(total+18)/20); got != want {
		t.Errorf("the ERP has %s items, want %s", got, want)
	}
}

// breakText changes a few bytes of a ruleset so that it does not compile any more.
func breakText(dice *rand.Rand, good []byte) []byte {
	for {
		text := bytes.Clone(good)
		for range 1 + dice.IntN(4) {
			at := dice.IntN(len(text))
			switch dice.IntN(4) {
			case 0:
				text[at] = byte(dice.IntN(256))
			case 1:
				text = append(text[:at], text[min(len(text), at+1+dice.IntN(40)):]...)
			case 2:
				text = append(text[:at:at], append([]byte(`"{}[]=#${\`[dice.IntN(10):]), text[at:]...)...)
			case 3:
				text = text[:max(1, at)]
			}
		}
		if _, diags := load.Load("rules", []load.File{{Name: "x.hcl", Bytes: text}}, builtin.Kinds()); diags.HasErrors() {
			return text
		}
	}
}

// TestReloadWhileImporting puts one of three rulesets, one of them broken, before a
// daemon again and again while it imports. Each record is judged by exactly one of
// them, which its exception or its row names, and the journal counts the same.
func TestReloadWhileImporting(t *testing.T) {
	t.Parallel()
	o := stockroom(t)
	inPlace(o, ruleVersion(1))
	d := o.daemon()
	broken := []byte(strings.Replace(string(ruleVersion(3)), "kind != ", "kin != ", 1))
	total := 0
	next := [][]byte{ruleVersion(2), broken, ruleVersion(1)}
	for i := range times(t, "HEADGATE_TEST_SWAPS", 6) {
		before := total
		total = o.items(total, 300)
		d.awaitRead(before + 10) // it is in the midst of them
		text := next[i%3]
		inPlace(o, text)
		o.eventually("the daemon has looked at the files", patience, func() bool { return d.status().Daemon.Files == digestOf("x.hcl", text) })
	}
	d.awaitRead(total)
	d.stop()
	o.verify()
	checkVersions(o, total)
}

// checkVersions compares what exceptions and rows say of who judged them with the journal.
func checkVersions(o *operator, total int) {
	o.Helper()
	type judged struct{ Delivered, Stopped int64 }
	journal, told := make(map[string]judged), make(map[string]judged)
	names := map[string]string{digestOf("x.hcl", ruleVersion(1)): "v1", digestOf("x.hcl", ruleVersion(2)): "v2"}
	read, judges := int64(0), make(map[string]map[string]bool) // of each file
	for _, row := range o.journal("stock") {
		name := names[row.Digest]
		j := journal[name]
		j.Delivered += row.Counts[engine.Created]
		j.Stopped += row.Counts[engine.Rejected]
		journal[name] = j
		if !row.Again {
			read += row.Read
			if judges[row.Part] == nil {
				judges[row.Part] = make(map[string]bool)
			}
			judges[row.Part][name] = true
		}
		if twice := row.Counts[engine.Updated] + row.Counts[engine.Unchanged]; twice > 0 {
			o.Errorf("journal row %d counts %d records for a second time", row.Number, twice)
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(judges)), func(by map[string]bool) bool { return len(by) == 2 }) {
		o.Error("no ruleset came in the midst of a file")
	}
	if read != int64(total) {
		o.Errorf("%d records were read, of %d", read, total)
	}
	open := make(map[string]bool)
	for _, x := range o.exceptions() {
		open[x.Key] = x.Closed == ""
		if x.Closed != "" {
			continue
		}
		name := names[x.Ruleset]
		j := told[name]
		j.Stopped++
		told[name] = j
		if want := name + " does not take " + x.Key; x.Reason.Message != want {
			o.Errorf("an exception of %s says %q, want %q", name, x.Reason.Message, want)
		}
	}
	delivered := make(map[string]bool)
	for _, row := range o.rows("SELECT no, judged_by FROM stock") {
		no, name, _ := strings.Cut(row, "|")
		j := told[name]
		j.Delivered++
		told[name] = j
		if delivered[no] || open[no] {
			o.Errorf("item %s is delivered twice, or delivered and open", no)
		}
		delivered[no] = true
	}
	if diff := cmp.Diff(journal, told); diff != "" {
		o.Errorf("who judged what (- journal, + told):\n%s", diff)
	}
	for no := range total {
		if text := fmt.Sprint(no); !delivered[text] && !open[text] {
			o.Errorf("item %d is lost", no)
		}
	}
	for _, name := range []string{"v1", "v2"} {
		if journal[name].Delivered == 0 {
			o.Errorf("%s judged nothing", name)
		}
	}
}

// journal returns all settled batches of a flow.
func (o *operator) journal(flow string) []engine.JournalRow {
	o.Helper()
	db, err := state.OpenReadOnly(o.path("state"), time.Now)
	o.must(err)
	l, err := db.Ledger(flow, "shop.stock", "erp.stock")
	o.must(err)
	var all []engine.JournalRow
	for {
		rows, err := l.Journal(uint64(len(all)), 1000)
		o.must(err)
		if len(rows) == 0 {
			o.must(db.Close())
			return all
		}
		all = append(all, rows...)
	}
}
