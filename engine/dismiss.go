package engine

import (
	"fmt"
	"strings"

	"headgate/engine/record"
	"headgate/rules"
)

// dismissPage is how many exceptions are dismissed in one transaction.
const dismissPage = 500

// Dismiss closes the exceptions of a flow, with a reason. Their records wait no more:
// while they come as they were, nothing becomes of them, also where rules change; a
// new version is judged anew. It returns what was closed, under the exceptions' ids.
//
// The state forgets first, and the log is closed behind it: the state says what waits.
func (e *Engine) Dismiss(flow string, exceptions map[string]bool, actor Actor, why string) (closed map[string]OpenRecord, err error) {
	if strings.TrimSpace(why) == "" {
		return nil, &Refusal{Usage: true, Message: "dismissing needs a reason: the record is not delivered"}
	}
	d := &dismissal{engine: e, actor: actor, why: why, closed: make(map[string]OpenRecord)}
	err = e.act(flow, func(f *rules.Flow, l Ledger, _ *Header) error {
		d.flow, d.ledger = f, l
		for o, err := range allOpen(l) {
			if err != nil {
				return err
			}
			if o.Outcome == InDoubt || !exceptions[o.Exception] {
				continue
			}
			if d.page = append(d.page, o); len(d.page) == dismissPage {
				if err := d.flush(); err != nil {
					return err
				}
			}
		}
		return d.flush()
	})
	return d.closed, err
}

// dismissal is one act of dismissing.
type dismissal struct {
	engine *Engine
	actor  Actor
	why    string
	flow   *rules.Flow
	ledger Ledger
	page   []OpenRecord
	closed map[string]OpenRecord
}

// flush dismisses a page of open records.
func (d *dismissal) flush() error {
	if len(d.page) == 0 {
		return nil
	}
	s := &Settlement{Entries: make([]KeyEntry, len(d.page))}
	entries := make([]Entry, len(d.page))
	for i := range d.page {
		s.Closed = append(s.Closed, d.page[i].Key)
	}
	if err := d.ledger.Find(s.Closed, entries); err != nil {
		return fmt.Errorf("look up what is dismissed: %w", err)
	}
	for i := range d.page {
		entries[i].Outcome, entries[i].Refused = Skipped, record.Fingerprint{}
		s.Entries[i] = KeyEntry{d.page[i].Key, &entries[i]}
	}
	if err := settleAct(d.ledger, s); err != nil {
		return err
	}
	closing := make([]Exception, len(d.page))
	for i := range d.page {
		closing[i] = d.engine.closingLine(d.flow, &d.page[i], dismissed, d.actor.Name, d.why)
		d.closed[d.page[i].Exception] = d.page[i]
	}
	d.page = d.page[:0]
	return d.engine.Exceptions.Append(closing)
}

// dismissed is what the log says of exceptions that a person closed.
const dismissed = "dismissed"
