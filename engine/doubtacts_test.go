package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/state"
)

// fullLog takes no exception any more.
type fullLog struct{}

var errFullLog = errors.New("no space left on device")

func (fullLog) Append([]engine.Exception) error { return errFullLog }
func (fullLog) Prune(time.Time) error           { return nil }

// TestDoubtTold: what becomes of a record in doubt is told before the state knows it
// (R2): an act that cannot be told leaves it as it was.
func TestDoubtTold(t *testing.T) {
	t.Parallel()
	for _, as := range []engine.Resolution{engine.NotApplied, engine.SendAgain} {
		d := doubtful(t, apis["none"], true)
		id := d.id("A")
		d.with(func(e *engine.Engine, db *state.DB) {
			log := e.Exceptions
			e.Exceptions = fullLog{}
			if _, err := e.Resolve("orders", id, as, "", engine.Actor{Name: "ann"}, "looked"); !errors.Is(err, errFullLog) {
				t.Errorf("%s: %v", as, err)
			}
			e.Exceptions = log
			l, err := db.Ledger("orders", "shop.orders", "erp.orders")
			if err != nil {
				t.Fatal(err)
			}
			open, err := l.Opens("", 2)
			if err != nil || len(open) != 1 || open[0].Outcome != engine.InDoubt {
				t.Errorf("%s: %+v waits, %v", as, open, err)
			}
			if sends, err := l.Sends("", 2); err != nil || len(sends) != 0 {
				t.Errorf("%s: %d messages are to be sent, %v", as, len(sends), err)
			}
		})
	}
}

// TestDoubtNotDismissed: nobody dismisses what may have been done.
func TestDoubtNotDismissed(t *testing.T) {
	t.Parallel()
	d := doubtful(t, apis["none"], true)
	id := d.id("A")
	d.with(func(e *engine.Engine, _ *state.DB) {
		closed, err := e.Dismiss("orders", map[string]bool{id: true}, engine.Actor{Name: "ann"}, "away with it")
		if err != nil || len(closed) != 0 {
			t.Errorf("dismissed %v, %v", closed, err)
		}
	})
	d.want("what waits", d.open(), "A in_doubt unknown_answer")
}

// TestManyNotSentAgain: a message that carried several records is not sent again for one.
func TestManyNotSentAgain(t *testing.T) {
	t.Parallel()
	d := newAPI(t, memory.API{Many: 2}, rulesetText{size: 2})
	d.order("A", 1)
	d.order("B", 1)
	d.failSend(1, memory.Fault{Status: connectors.Unknown, Stores: true, Err: errReset})
	d.want("run", d.run(), "2 in_doubt")
	if _, err := d.resolve("A", engine.SendAgain, "they lost it"); err == nil || !strings.Contains(err.Error(), "carried 2 records") {
		t.Errorf("resolved: %v", err)
	}
}
