package engine

import (
	"fmt"
	"maps"
	"slices"

	"headgate/rules"
)

// Refusal says that an act was not done, why, and what to do instead. Nothing was
// changed.
type Refusal struct {
	Message string
	Hint    string
	Usage   bool // the request makes no sense as it was put
}

// Error says why.
func (e *Refusal) Error() string { return e.Message }

func refuse(hint, format string, args ...any) *Refusal {
	return &Refusal{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// act calls f with the ledger of a flow while nobody else works on the flow.
func (e *Engine) act(name string, f func(*rules.Flow, Ledger, *Header) error) error {
	return e.Exclusive(name, func() error {
		flow, err := e.flow(name)
		if err != nil {
			return err
		}
		l, err := e.State.Ledger(LedgerName(flow.Name, flow.Mode), resourceName(flow.From), resourceName(flow.To))
		if err != nil {
			return fmt.Errorf("open the ledger of flow %s: %w", name, err)
		}
		h, err := l.Header()
		if err != nil {
			return fmt.Errorf("read the ledger of flow %s: %w", name, err)
		}
		return f(flow, l, &h)
	})
}

// settleAct makes what an act changed durable.
func settleAct(l Ledger, s *Settlement) (err error) {
	if s.Intent, err = l.Intent(); err != nil { // every settlement replaces it, and what it announced may have been written
		return err
	}
	return l.Settle(s)
}

// Pause lets a flow stand still until a person resumes it: whatever restarts or is
// reloaded meanwhile. A run that goes on ends between batches.
func (e *Engine) Pause(flow, why string) error {
	return e.act(flow, func(_ *rules.Flow, l Ledger, h *Header) error {
		if h.Paused != "" {
			return refuse("", "%s is paused already: %s", flow, h.Paused)
		}
		h.Paused, h.Pause, h.PausedAt = why, PausedByOperator, e.Clock.Now()
		if err := settleAct(l, &Settlement{Header: h}); err != nil {
			return err
		}
		e.Log.Warn("flow paused", "flow", flow, "why", why)
		e.notify(Event{Kind: EventPaused, Flow: flow, Sample: why})
		return nil
	})
}

// ResumeOptions say how a flow goes on.
type ResumeOptions struct {
	// Allow raises limits of the guard until the run that comes has ended: "creates"
	// = "500", "rejects" = "40%". It is a ceiling, not an addition.
	Allow        map[string]string
	SameRecords  bool // a resource moved and has the records it had: keep the ledger
	OtherRecords bool // a resource is another system: forget the ledger, begin anew
}

// Resumed is what became of a flow that goes on.
type Resumed struct {
	Was    string            // why it was paused; "": it was not
	Fresh  bool              // it forgot its ledger
	Forgot []OpenRecord      // what waited in that ledger
	Allow  map[string]string // all limits that are raised now
}

// Resume ends the pause of a flow. After a guard tripped, counting begins anew: a
// person has seen what it saw.
func (e *Engine) Resume(flow string, options ResumeOptions) (*Resumed, error) {
	resumed := &Resumed{}
	err := e.act(flow, func(f *rules.Flow, l Ledger, h *Header) error {
		if resumed.Was = h.Paused; h.Paused == "" && len(options.Allow) == 0 && !options.SameRecords && !options.OtherRecords {
			if waits := e.waitsFor(f); waits != nil {
				resumed.Was = fmt.Sprintf("it waits for %s: %s", waits.System, waits.Why)
				return nil // it is kicked
			}
		}
		if err := mayResume(f, h, &options); err != nil {
			return err
		}
		if options.OtherRecords {
			return e.beginAnew(f, l, resumed)
		}
		if options.SameRecords {
			h.From, h.To = "", ""
		}
		if h.Pause == PausedByGuard {
			h.Guard.Open, h.Guard.Resumed = false, e.Clock.Now()
		}
		if len(options.Allow) > 0 {
			all := maps.Clone(options.Allow)
			for name, limit := range h.Guard.Allow {
				if all[name] == "" {
					all[name] = limit
				}
			}
			h.Guard.Allow = all
		}
		resumed.Allow = h.Guard.Allow
		h.Paused, h.Pause = "", ""
		return settleAct(l, &Settlement{Header: h})
	})
	if err != nil {
		return nil, err
	}
	e.Kick(flow)
	return resumed, nil
}

// IdentityHint says how a flow goes on whose ledger belongs to other resources.
func IdentityHint(flow string) string {
	return fmt.Sprintf("`headgate resume %s --same-records` where only the address changed or it is pointed back, `--other-records` where it is another system", flow)
}

// mayResume refuses what would end no pause, or end it the wrong way.
func mayResume(f *rules.Flow, h *Header, options *ResumeOptions) error {
	moved := options.SameRecords || options.OtherRecords
	switch {
	case options.SameRecords && options.OtherRecords:
		return &Refusal{Usage: true, Message: "the records are the same or others: not both"}
	case h.Paused == "" && len(options.Allow) == 0:
		return refuse("", "%s is not paused", f.Name)
	case h.Pause == PausedByIdentity && !moved:
		return &Refusal{Usage: true, Message: fmt.Sprintf("%s is paused because %s; say --same-records when only the address changed, or --other-records when it is another system", f.Name, h.Paused)}
	case options.SameRecords && h.Keys != "" && h.Keys != KeyIdentity(f.From.Entity):
		return &Refusal{Usage: true, Message: fmt.Sprintf("the ledger of %s knows records by %s, and they are known by %s now", f.Name, h.Keys, KeyIdentity(f.From.Entity)), Hint: "write the key as it was, or resume it with --other-records: it starts at the beginning and adopts what the destination has"}
	case h.Pause != PausedByIdentity && moved:
		return &Refusal{Usage: true, Message: fmt.Sprintf("%s still has the resources its ledger belongs to", f.Name), Hint: "resume it without --same-records and --other-records"}
	}
	for _, name := range slices.Sorted(maps.Keys(options.Allow)) {
		if err := mayAllow(f, name, options.Allow[name]); err != nil {
			return err
		}
	}
	return nil
}

func mayAllow(f *rules.Flow, name, text string) error {
	limit := limitOf(&f.Guard, name)
	ceiling, err := rules.ParseLimit(text)
	switch {
	case limit == nil:
		return &Refusal{Usage: true, Message: fmt.Sprintf("no limit is called %q: there are rejects, holds, creates, updates, deletes", name)}
	case err != nil:
		return &Refusal{Usage: true, Message: "allow " + name + ": " + err.Error()}
	case !limit.Set:
		return &Refusal{Usage: true, Message: fmt.Sprintf("%s has no limit of %s to raise", f.Name, name)}
	case higher(limit, &ceiling):
		return &Refusal{Usage: true, Message: fmt.Sprintf("%s=%s raises nothing: the limit is %s", name, text, limit)}
	}
	return nil
}

// beginAnew drops the ledger of a flow and tells what waited in it.
func (e *Engine) beginAnew(f *rules.Flow, l Ledger, resumed *Resumed) error {
	resumed.Fresh = true
	for o, err := range allOpen(l) {
		if err != nil {
			return err
		}
		resumed.Forgot = append(resumed.Forgot, o)
	}
	if err := e.State.Drop(LedgerName(f.Name, f.Mode)); err != nil {
		return fmt.Errorf("drop the ledger of flow %s: %w", f.Name, err)
	}
	return e.closeForgotten(f, resumed.Forgot)
}

// closeForgotten closes the exceptions of records whose ledger is gone.
func (e *Engine) closeForgotten(f *rules.Flow, open []OpenRecord) error {
	closing := make([]Exception, 0, len(open))
	for i := range open {
		closing = append(closing, e.closingLine(f, &open[i], dismissed, "", "its ledger was dropped: another system stands there now"))
	}
	if len(closing) == 0 {
		return nil
	}
	return e.Exceptions.Append(closing)
}

// closingLine is the line of the log that closes what waited.
func (e *Engine) closingLine(f *rules.Flow, o *OpenRecord, closed, by, why string) Exception {
	x := Exception{
		ID: o.Exception, Time: e.Clock.Now(), Flow: f.Name, Entity: f.From.Entity.Name,
		Outcome: o.Outcome, Part: o.Part, Ruleset: e.Ruleset().Digest, Closed: closed, By: by, Why: why,
	}
	x.Key = openKeyText(f, o)
	return x
}

// openKeyText is the key of an open record as people write it, "" where it has none.
func openKeyText(f *rules.Flow, o *OpenRecord) string {
	if o.Key == "" || o.Key[0] != keyedSpace {
		return ""
	}
	return KeyText(f.From.Entity, o.Key[1:])
}
