package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/files"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/load"
)

// faultsEnv lets the loop try every call; without it, it tries one in seven.
const faultsEnv = "HEADGATE_TEST_FAULTS"

// shopFiles is an installation of files into a table and into files, on a real disk. The
// name of the second flow changes, as does what it was called.
const shopFiles = `
connector "shop" {
  type = "files"
  dir  = "in"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    glob   = "*.csv"
    csv {
    }
  }
}
connector "erp" {
  type = "table"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    table  = "items"
  }
}
connector "out" {
  type = "files"
  dir  = "out"
  retry {
    attempts = 2
    backoff  = "1s"
  }
  resource "items" {
    entity = entity.item
    file   = "items-%%Y%%m%%d-%%H%%M%%S.jsonl"
    jsonl {
    }
  }
}
entity "item" {
  key   = [sku]
  owner = connector.shop
  field "sku" {
    type = string
  }
  field "qty" {
    type = int
  }
  rule "sound" {
    check = "qty > 0"
  }
  rule "seen" {
    check   = "qty < 100"
    on_fail = hold
    release = ["ann"]
  }
}
flow "items" {
  from  = connector.shop.items
  to    = connector.erp.items
  mode  = live
  sweep = "24h"
  batch {
    size = 2
  }
  guard {
    rejects = "100%%"
  }
}
flow "%s" {
  from = connector.shop.items
  to   = connector.out.items
  mode = live
  %s
  batch {
    size = 2
  }
  guard {
    rejects = "100%%"
  }
}
`

// site is one installation and the call that fails in it.
type site struct {
	t     *testing.T
	dir   string
	now   time.Time
	erp   *memory.Store
	items *memory.Table
	sets  map[bool]*rules.Ruleset // by whether the second flow has its new name

	mu     sync.Mutex
	calls  map[string]int // made so far, by what they do
	op     string         // which of them fails
	n      int            // at which call; 0: none
	how    fault
	hit    bool // it failed
	calm   bool // nothing fails any more, and calls are not counted
	broken bool // a commit or an fsync failed in this process
	told   bool // and it was told
}

// fault is how a call fails.
type fault string

const (
	once    fault = "fails once"
	unheard fault = "is made and its answer lost"
	forever fault = "fails from then on"
)

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), erp: memory.New(), calls: make(map[string]int), sets: make(map[bool]*rules.Ruleset)}
	s.items = s.erp.Create("items", "sku", "qty")
	s.items.Refuse = func(_ connectors.Op, row map[string]record.Value) (code, words string) {
		if row["qty"].Int() == 13 {
			return "check", "unlucky"
		}
		return "", ""
	}
	for _, dir := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, renamed := range []bool{false, true} {
		name, was := "copies", ""
		if renamed {
			name, was = "copied", `was = "copies"`
		}
		set, diags := load.Load(s.dir, []load.File{{Name: "x.hcl", Bytes: fmt.Appendf(nil, shopFiles, name, was)}}, []connectors.Kind{s.kind("erp"), files.Kind()})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		s.sets[renamed] = set
	}
	return s
}

func (s *site) kind(connector string) connectors.Kind {
	kind := files.Kind()
	if connector == "erp" {
		kind = memory.Kind(s.erp)
		kind.Name = "table"
	}
	return connectortest.Faulty(kind, &connectortest.Faults{Around: func(c connectortest.Call, call func() error) error {
		return s.gate(connector+"."+c.Op, call)
	}})
}

// Now and Sleep are the engine's clock: who waits moves it.
func (s *site) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) Sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	return ctx.Err()
}

// writes reports whether a call makes something durable on our own disk: an error of it
// is the end of the process.
func writes(op string) bool {
	return slices.Contains([]string{"ledger.settle", "ledger.set_position", "log.append", "state.drop", "state.rename"}, op)
}

func (s *site) gate(op string, call func() error) error {
	s.mu.Lock()
	if !s.calm {
		s.calls[op]++
	}
	hit := !s.calm && s.n > 0 && op == s.op && (s.calls[op] == s.n || s.how == forever && s.calls[op] > s.n)
	s.hit = s.hit || hit
	if s.broken && strings.Contains("state. ledger. log.", strings.SplitAfter(op, ".")[0]) {
		s.mu.Unlock()
		return engine.ErrStateUncertain
	}
	s.broken = s.broken || hit && writes(op)
	s.mu.Unlock()
	if !hit {
		return call()
	}
	if s.how == unheard {
		_ = call()
	}
	if writes(op) {
		return errors.Join(engine.ErrStateUncertain, errFailed)
	}
	return errFailed
}

// process opens everything, lets f use the engine, and closes it, as a process does
// that ends, however it ends.
func (s *site) process(renamed bool, f func(*engine.Engine)) {
	s.broken, s.told = false, false
	db, err := state.Open(filepath.Join(s.dir, "state"), s.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := exceptions.Open(s.logDir())
	if err != nil {
		s.t.Fatal(err)
	}
	e := engine.New(engine.Config{
		Ruleset: s.sets[renamed], State: &gatedState{db, s.gate}, Exceptions: &gatedLog{log, s.gate}, Clock: s,
		Open: func(c *rules.Connector) (connectors.Connector, error) {
			return s.kind(c.Name).Open(c.Settings, connectors.Tools{Now: s.Now, Dir: s.dir})
		},
	})
	f(e)
	if s.broken && !s.told {
		s.t.Error("a commit or an fsync failed, and nothing said that the process must end (R4)")
	}
	for _, c := range []interface{ Close() error }{e, log, db} {
		if err := c.Close(); err != nil {
			s.t.Error(err)
		}
	}
	s.now = s.now.Add(time.Hour) // whoever starts it anew took a while
}

func (s *site) logDir() string { return filepath.Join(s.dir, "state", "exceptions") }

// did notes how an act ended, and reports whether the process goes on.
func (s *site) did(err error) bool {
	s.told = s.told || errors.Is(err, engine.ErrStateUncertain)
	return !s.told
}

// run runs the flows one behind the other and says what they still had to do.
func (s *site) run(e *engine.Engine) (restless string) {
	for _, f := range e.Ruleset().Flows {
		all, err := e.RunOnce(context.Background(), engine.RunOptions{Flows: []string{f.Name}})
		if !s.did(err) {
			return err.Error()
		}
		sum := all[0]
		switch {
		case sum.Err != nil:
			restless = sum.Err.Error()
		case sum.Paused != "":
			restless = sum.Paused
		case sum.Counts[engine.Created]+sum.Counts[engine.Updated] > 0:
			restless = sum.Flow + " still writes"
		}
	}
	return restless
}

// acts does what people do: let one record pass, dismiss one, try all again.
func (s *site) acts(e *engine.Engine) {
	ann := engine.Actor{Name: "ann"}
	open, _, err := exceptions.Current(s.logDir())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range open {
		if x.Flow == "copies" { // it has another name since
			x.Flow = "copied"
		}
		switch {
		case x.Key == "D":
			_, err = e.Release(context.Background(), x.Flow, x.ID, ann, "seen")
		case x.Key == "C" && x.Flow == "items":
			_, err = e.Dismiss(x.Flow, map[string]bool{x.ID: true}, ann, "not wanted")
		default:
			_, err = e.Retry(context.Background(), x.Flow, nil)
		}
		if !s.did(err) {
			return
		}
	}
}

func (s *site) drop(name, content string) {
	if err := os.WriteFile(filepath.Join(s.dir, "in", name), []byte("sku,qty\n"+content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// story is all that happens: two processes, one of which may meet the fault, and
// processes without one until there is no more to do.
func (s *site) story() {
	s.drop("1.csv", "A,1\nB,2\nC,-1\nD,100\nE,13\n")
	s.process(false, func(e *engine.Engine) { s.run(e) })
	s.drop("2.csv", "A,7\nF,3\nG,4\n")
	s.process(true, func(e *engine.Engine) {
		if s.run(e); !s.told {
			s.acts(e)
		}
	})
	s.calm = true
	const most = 8
	restless := ""
	for quiet, lives := 0, 0; quiet < 2; lives++ {
		if lives == most {
			s.t.Errorf("it does not come to rest: %s", restless)
			return
		}
		s.process(true, func(e *engine.Engine) {
			if s.acts(e); !s.told {
				restless = s.run(e)
			}
		})
		if quiet++; restless != "" {
			quiet = 0
		}
	}
}

// judge compares what there is with what has to be: nothing lost, nothing doubled.
func (s *site) judge() {
	var rows []string
	for _, row := range s.items.Rows() {
		rows = append(rows, row[0].Text()+"="+row[1].Text())
	}
	slices.Sort(rows)
	if got, want := strings.Join(rows, " "), "A=7 B=2 D=100 F=3 G=4"; got != want {
		s.t.Errorf("the ERP has %s, want %s", got, want)
	}
	lines := s.published()
	for line, n := range lines {
		if n != 1 {
			s.t.Errorf("%s is in the files %d times", line, n)
		}
	}
	delete(lines, `{"sku":"A","qty":1}`) // A may have been read when it was 7 already
	got := strings.Join(slices.Sorted(maps.Keys(lines)), " ")
	if want := `{"sku":"A","qty":7} {"sku":"B","qty":2} {"sku":"D","qty":100} {"sku":"E","qty":13} {"sku":"F","qty":3} {"sku":"G","qty":4}`; got != want {
		s.t.Errorf("the files hold %s, want %s", got, want)
	}
	s.verify()
}

// published counts the lines of all published files.
func (s *site) published() map[string]int {
	names, err := filepath.Glob(filepath.Join(s.dir, "out", "*.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	lines := make(map[string]int)
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			lines[strings.TrimSpace(line)]++
		}
	}
	return lines
}

// verify audits each ledger, against the log (promise 1).
func (s *site) verify() {
	db, err := state.Open(filepath.Join(s.dir, "state"), s.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ledgers, err := db.Ledgers()
	if err != nil || len(ledgers) != 2 {
		s.t.Errorf("ledgers %v, %v", ledgers, err)
	}
	var waits []string
	for _, name := range ledgers {
		l, err := db.Ledger(name, "", "")
		if err != nil {
			s.t.Fatal(err)
		}
		ids, err := l.Opens("", 100)
		if err != nil {
			s.t.Fatal(err)
		}
		told := exceptionsOf(s.t, s.logDir(), ids)
		report, err := engine.Verify(name, l, told)
		if err != nil || len(report.Violations) > 0 {
			s.t.Error(err, report)
		}
		for _, o := range ids {
			waits = append(waits, fmt.Sprintf("%s %s %s", name, o.Row[0].Text(), o.Outcome))
		}
	}
	if got, want := strings.Join(waits, ", "), "copied C rejected, items E rejected"; got != want {
		s.t.Errorf("%s waits, want %s", got, want)
	}
}

// exceptionsOf says which exceptions of open records the log tells of.
func exceptionsOf(t *testing.T, dir string, opens []engine.OpenRecord) map[string]bool {
	ids := make(map[string]bool)
	for _, o := range opens {
		ids[o.Exception] = true
	}
	waiting, damaged, err := exceptions.Waiting(dir, ids)
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	told := make(map[string]bool)
	for _, x := range waiting {
		told[x.ID] = true
	}
	return told
}

// TestFaults lets one call fail, of each kind the first, the second and so on, until the
// story needs no more: once before it is made, once behind it, and from then on.
func TestFaults(t *testing.T) {
	t.Parallel()
	clean := newSite(t)
	clean.story()
	if clean.judge(); t.Failed() {
		return
	}
	every := 19
	if os.Getenv(faultsEnv) != "" {
		every = 1
	}
	var mu sync.Mutex
	at, tried := 0, make(map[string]map[fault]int)
	t.Run("each", func(t *testing.T) {
		for _, op := range slices.Sorted(maps.Keys(clean.calls)) {
			tried[op] = make(map[fault]int)
			for n := range clean.calls[op] + 1 { // one more than it made: another order of the stages may need it
				for _, how := range []fault{once, unheard, forever} {
					if at++; at%every > 0 {
						continue
					}
					t.Run(fmt.Sprintf("%s %d %s", op, n+1, how), func(t *testing.T) {
						t.Parallel()
						s := newSite(t)
						s.op, s.n, s.how = op, n+1, how
						s.story()
						s.judge()
						mu.Lock()
						defer mu.Unlock()
						if s.hit {
							tried[op][how]++
						}
					})
				}
			}
		}
	})
	for _, op := range slices.Sorted(maps.Keys(tried)) {
		t.Logf("%-17s %3d calls: %d %s, %d %s, %d %s", op, clean.calls[op], tried[op][once], once, tried[op][unheard], unheard, tried[op][forever], forever)
	}
}
