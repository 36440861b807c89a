package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// notebook is a ledger that notes what is settled.
type notebook struct {
	unwritten
	settle func(*Settlement)
	notes  []string
	intent []record.Key // open now
	ended  bool
}

func (n *notebook) Settle(all ...*Settlement) error {
	var parts []string
	for _, s := range all {
		if n.settle != nil {
			n.settle(s)
		}
		if s.Journal != nil {
			parts = append(parts, s.Journal.Part)
		}
		n.intent = nil
		if s.Intent != nil {
			n.intent = s.Intent.Keys
		}
		n.ended = n.ended || s.Header != nil && s.Header.Ended
	}
	note := cmp.Or(strings.Join(parts, "+"), "nothing")
	for _, key := range n.intent {
		note += " > " + string(key)
	}
	n.notes = append(n.notes, note)
	return nil
}

// table is a destination that is not written to here.
type table struct{ connectors.Destination }

// startSettler starts a settler of batches called 1 to n, of one change each, which are
// all decided at once. It returns the deliverer's side and how it ended.
func startSettler(t *testing.T, book *notebook, n int, final bool) (announced chan *batch, applied chan *settling, ended chan error) {
	t.Helper()
	r := &run{
		engine: &Engine{}, flow: &rules.Flow{Name: "orders"}, ledger: book, dest: table{}, log: slog.New(slog.DiscardHandler),
		inflight: &lane{inflight: newInflight()}, stops: make(map[stopKey]*StopCount),
	}
	r.engine.Clock = standing{}
	decided := make(chan *batch, n)
	for i := range n {
		key := record.Key(fmt.Sprint(i + 1))
		b := &batch{part: connectors.Part{Name: string(key)}, items: []item{{key: key, outcome: Created}}, final: final && i == n-1}
		b.sortItems()
		decided <- b
	}
	close(decided)
	announced, applied = make(chan *batch, openBatches), make(chan *settling, openBatches)
	ended = make(chan error, 1)
	s := &settler{run: r, in: decided, announced: announced, applied: applied}
	go func() { ended <- s.settleAll(context.Background()) }()
	return announced, applied, ended
}

func keyTexts(keys []record.Key) []string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = string(key)
	}
	return texts
}

type standing struct{}

func (standing) Now() time.Time                             { return time.Unix(0, 0).UTC() }
func (standing) Sleep(context.Context, time.Duration) error { return nil }

func settlementOf(b *batch) *settling {
	return &settling{b, &Settlement{Journal: &JournalRow{Part: b.part.Name}}}
}

// TestIntentBeforeTheFirstByte: a batch is announced once its intent is committed,
// stays in the open intent until it is settled, and all are settled in order (R1).
func TestIntentBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	book := &notebook{}
	announced, applied, ended := startSettler(t, book, 5, true)
	for b := range announced {
		applied <- settlementOf(b)
	}
	close(applied)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var settled []string
	intent := map[string]bool{}
	for _, note := range book.notes {
		parts, open, _ := strings.Cut(note, " > ")
		for part := range strings.SplitSeq(parts, "+") {
			if part == "nothing" {
				continue
			}
			if settled = append(settled, part); !intent[part] {
				t.Errorf("batch %s is settled without an intent: %q", part, book.notes)
			}
		}
		clear(intent)
		for key := range strings.SplitSeq(open, " > ") {
			intent[key] = true
		}
	}
	if got := strings.Join(settled, " "); got != "1 2 3 4 5" || !book.ended {
		t.Errorf("settled %s; ended %t: %q", got, book.ended, book.notes)
	}
}

// TestSettledTogether: what comes back while a transaction is made is settled by the
// next one, all of it.
func TestSettledTogether(t *testing.T) {
	t.Parallel()
	began, behind := make(chan struct{}), make(chan struct{})
	book := &notebook{settle: func(s *Settlement) {
		if s.Journal != nil && s.Journal.Part == "1" {
			close(began)
			<-behind
		}
	}}
	announced, applied, ended := startSettler(t, book, 4, true)
	one, two, three := <-announced, <-announced, <-announced
	applied <- settlementOf(one)
	<-began
	applied <- settlementOf(two)
	applied <- settlementOf(three)
	close(behind)
	applied <- settlementOf(<-announced)
	close(applied)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	got, want := strings.Join(book.notes, "\n"), "nothing > 1 > 2 > 3\n1 > 2 > 3 > 4\n2+3 > 4\n4\nnothing"
	if got != want {
		t.Errorf("settled\n%s\nwant\n%s", got, want)
	}
}

// TestAppliedWhileSettled: while a batch is settled, the deliverer has the next one.
func TestAppliedWhileSettled(t *testing.T) {
	t.Parallel()
	second := make(chan struct{})
	book := &notebook{settle: func(s *Settlement) {
		if s.Journal == nil || s.Journal.Part != "1" {
			return
		}
		select {
		case <-second:
		case <-time.After(time.Minute):
			t.Error("batch 2 waits for batch 1 to be settled")
		}
	}}
	announced, applied, ended := startSettler(t, book, 3, true)
	for b := range announced {
		if b.part.Name == "2" {
			close(second)
		}
		applied <- settlementOf(b)
	}
	close(applied)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestPassEndsOnlyWhenAllOfItCame: where the deliverer fails, or the source was not
// read to its end, what was applied is settled and the pass goes on next time.
func TestPassEndsOnlyWhenAllOfItCame(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		final bool
		fails string
		left  string
	}{
		"the deliverer fails": {final: true, fails: "3", left: "3 > 4"},
		"not read to the end": {final: false, left: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book := &notebook{}
			announced, applied, ended := startSettler(t, book, 4, test.final)
			for b := range announced {
				if b.part.Name == test.fails {
					break
				}
				applied <- settlementOf(b)
			}
			close(applied)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if left := strings.Join(keyTexts(book.intent), " > "); left != test.left || book.ended {
				t.Errorf("%q is left in the intent, want %q; ended %t: %q", left, test.left, book.ended, book.notes)
			}
		})
	}
}
