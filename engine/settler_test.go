package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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

func (n *notebook) Settle(s *Settlement) error {
	if n.settle != nil {
		n.settle(s)
	}
	note := "nothing"
	if s.Journal != nil {
		note = s.Journal.Part
	}
	n.intent = nil
	if s.Intent != nil {
		n.intent = s.Intent.Keys
	}
	for _, key := range n.intent {
		note += " > " + string(key)
	}
	n.notes = append(n.notes, note)
	n.ended = n.ended || s.Header != nil && s.Header.Ended
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
	got := strings.Join(book.notes, "\n")
	want := "nothing > 1 > 2\n1 > 2 > 3\n2 > 3 > 4\n3 > 4 > 5\n4 > 5\n5\nnothing"
	if got != want || !book.ended {
		t.Errorf("settled\n%s\nwant\n%s\nended %t", got, want, book.ended)
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
		last  string
	}{
		"the deliverer fails": {final: true, fails: "3", last: "2 > 3 > 4"},
		"not read to the end": {final: false, last: "4"},
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
			if last := book.notes[len(book.notes)-1]; last != test.last || book.ended {
				t.Errorf("settled %q, want the last to be %q; ended %t", slices.Clone(book.notes), test.last, book.ended)
			}
		})
	}
}
