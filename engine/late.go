package engine

import (
	"fmt"
	"time"

	"headgate/engine/record"
)

// Late is what is missing in the destination for longer than its flow allows:
// records that wait for a person, and records of a batch whose end is not known.
type Late struct {
	Count  int64
	Oldest time.Time  // since when the oldest is missing; zero: none is late
	Key    record.Key // of the oldest
}

// LateRecords counts what of a ledger is missing in the destination for longer than due.
func LateRecords(l Ledger, due time.Duration, now time.Time) (late Late, err error) {
	note := func(key record.Key, since time.Time) {
		if now.Sub(since) <= due {
			return
		}
		late.Count++
		if late.Oldest.IsZero() || since.Before(late.Oldest) {
			late.Oldest, late.Key = since, key
		}
	}
	waits := make(map[record.Key]bool)
	intent, err := l.Intent()
	if err != nil {
		return late, fmt.Errorf("look for late records: %w", err)
	}
	if intent != nil {
		for _, key := range intent.Keys {
			waits[key] = true
			note(key, intent.Time)
		}
	}
	for s, err := range allSends(l) {
		if err != nil {
			return late, fmt.Errorf("look for late records: %w", err)
		}
		for i := range s.Changes {
			waits[s.Changes[i].Key] = true
			note(s.Changes[i].Key, s.First)
		}
	}
	for o, err := range allOpen(l) {
		if err != nil {
			return late, fmt.Errorf("look for late records: %w", err)
		}
		if !waits[o.Key] {
			note(o.Key, o.MissingSince())
		}
	}
	return late, nil
}

// MissingSince is when the first version was stopped that the destination lacks.
func (o *OpenRecord) MissingSince() time.Time {
	if o.Missing.IsZero() {
		return o.Since
	}
	return o.Missing
}

// tellLate tells that records of this flow are late, when there are more than before.
func (r *run) tellLate() {
	if r.flow.Due <= 0 || r.observer != nil {
		return
	}
	late, err := LateRecords(r.ledger, r.flow.Due, r.now())
	if err != nil {
		r.log.Warn("late records cannot be counted", "error", err)
		return
	}
	r.summary.Late = late.Count
	if !r.engine.late.more(r.flow.Name, late.Count) {
		return
	}
	oldest := "the oldest since " + late.Oldest.UTC().Format(time.RFC3339)
	r.log.Warn("records are late", "records", late.Count, "since", late.Oldest, "due", DurationText(r.flow.Due))
	r.notify(Event{Kind: EventLate, Code: "due", Count: late.Count, Sample: "missing in " + r.summary.To + " for longer than " + DurationText(r.flow.Due) + ", " + oldest})
}
