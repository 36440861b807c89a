package engine

import (
	"sync"
	"time"
)

// Event is something people may want to be told. Its sample holds no sensitive
// value: it may leave this machine.
type Event struct {
	Kind   string // one of rules.AlertKinds
	Flow   string // "" for what concerns all
	Rule   string
	Code   string
	Count  int64  // of records; 0 is 1
	Sample string // the message of one of them
	Time   time.Time
}

// The kinds of events that the engine tells.
const (
	EventState     = "state" // the state was restored, or cannot be backed up
	EventPaused    = "paused"
	EventFailing   = "failing"
	EventRecovered = "recovered"
	EventConflict  = "conflict" // another system changed what it does not own
	EventLate      = "late"     // a record is missing in the destination for longer than its flow allows
)

func (e *Engine) notify(event Event) {
	if e.Notify != nil {
		event.Time = e.Clock.Now()
		e.Notify(event)
	}
}

// notify tells what a run met. A plan tells nobody.
func (r *run) notify(event Event) {
	if r.observer == nil {
		event.Flow = r.flow.Name
		r.engine.notify(event)
	}
}

// stoppedEvents groups the exceptions that a batch tells for the first time. Those
// that only close one are no news.
func stoppedEvents(told []Exception) (events []Event) {
	for i := range told {
		x := &told[i]
		if x.Closed != "" {
			continue
		}
		event := Event{Kind: x.Outcome.String(), Flow: x.Flow, Rule: x.Reason.Rule, Code: x.Reason.Code, Count: 1, Sample: x.Reason.Message}
		if k := sameGroup(events, &event); k >= 0 {
			events[k].Count++
			continue
		}
		events = append(events, event)
	}
	return events
}

func sameGroup(events []Event, e *Event) int {
	for k := range events {
		if o := &events[k]; o.Kind == e.Kind && o.Rule == e.Rule && o.Code == e.Code {
			return k
		}
	}
	return -1
}

// toldCounts are how many records were told last, by name of a flow or a ledger: only
// more of them are news.
type toldCounts struct {
	mu   sync.Mutex
	last map[string]int64
}

// more notes the count and reports whether it grew.
func (t *toldCounts) more(name string, count int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make(map[string]int64)
	}
	before := t.last[name]
	t.last[name] = count
	return count > before
}
