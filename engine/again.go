package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/engine/record"
	"headgate/rules"
)

// What a destination refused is sent again after a while, since what was in its way
// may be gone without a change of it: another record it names may have come. The wait
// grows with the attempts, so that what is refused for good costs nothing.
const (
	firstResend = time.Minute
	lastResend  = 24 * time.Hour
)

// resend is when what the destination refused is sent again; zero: it did not.
func (o *OpenRecord) resend() time.Time {
	if o.Sent.IsZero() {
		return o.Sent
	}
	return o.Sent.Add(min(firstResend<<min(o.Attempts, 16), lastResend))
}

// due reports whether the record is judged again without a person asking for it: in
// any run where it is held or was judged by other rules, else when it is sent again;
// never where that kills.
func (o *OpenRecord) due(digest string, now time.Time) bool {
	if o.Code == codePoison {
		return false
	}
	return o.Outcome == Held || o.Digest != digest || !o.Sent.IsZero() && !now.Before(o.resend())
}

// shownWaited is how many records a run names that judges chosen ones again.
const shownWaited = 1000

// Waited is a record that waited and was judged again.
type Waited struct {
	Exception string
	Key       string // as people write it
	Outcome   Outcome
	Message   string // why it still waits

	code, rule string // why it waited
}

// AgainCount is what became of the records that waited for one reason and were judged
// again.
type AgainCount struct {
	Code, Rule string // why they waited
	Counts     Counts
}

// tookUp is the open record whose end the item tells, or nil.
func (it *item) tookUp() *OpenRecord {
	if it.doubted != nil {
		return it.doubted
	}
	return it.waited
}

func (r *run) waitedOf(it *item) Waited {
	o := it.tookUp()
	w := Waited{Exception: o.Exception, Key: r.keyText(it), Outcome: it.stoppedAs(), code: o.Code, rule: o.Rule}
	if w.Outcome.Open() {
		w.Message = it.reason().Message
	}
	return w
}

// accountWaited tells what became of the open records of a batch.
func (r *run) accountWaited(b *batch) {
	all := b.forgotten
	for i := range b.items {
		if it := &b.items[i]; it.tookUp() != nil {
			all = append(all, r.waitedOf(it))
		}
	}
	for i := range all {
		r.summary.Again[all[i].Outcome]++
		r.summary.againFor(all[i].code, all[i].rule).Counts[all[i].Outcome]++
		if r.named && len(r.summary.Waited) < shownWaited {
			r.summary.Waited = append(r.summary.Waited, all[i])
		}
	}
}

func (s *Summary) againFor(code, rule string) *AgainCount {
	i := slices.IndexFunc(s.AgainBy, func(a AgainCount) bool { return a.Code == code && a.Rule == rule })
	if i < 0 {
		i = len(s.AgainBy)
		s.AgainBy = append(s.AgainBy, AgainCount{Code: code, Rule: rule})
	}
	return &s.AgainBy[i]
}

// sortAgain puts first why most had waited.
func (s *Summary) sortAgain() {
	slices.SortFunc(s.AgainBy, func(a, b AgainCount) int {
		return cmp.Or(cmp.Compare(b.Counts.Sum(), a.Counts.Sum()), cmp.Compare(a.Rule+a.Code, b.Rule+b.Code))
	})
}

// Retry judges open records of a flow again, from the rows kept in the state and
// whatever the rules were that stopped them; the source is not asked. Chosen are
// those with these exceptions; nil: all.
func (e *Engine) Retry(ctx context.Context, flow string, chosen map[string]bool) (s Summary, err error) {
	err = e.Exclusive(flow, func() error {
		s, err = e.again(ctx, flow, func(o *OpenRecord) bool { return chosen == nil || chosen[o.Exception] })
		return err
	})
	return s, err
}

// again runs a flow over open records only. Nobody else may work on it.
func (e *Engine) again(ctx context.Context, name string, chosen func(*OpenRecord) bool) (Summary, error) {
	if _, err := e.flow(name); err != nil {
		return Summary{}, err
	}
	g := e.begin()
	defer e.letGo(g)
	flow := g.flow(name)
	if flow == nil {
		return Summary{}, fmt.Errorf("the ruleset has no flow %s any more", name)
	}
	r, err := e.openRun(g, flow)
	defer r.closeEnds()
	if err == nil && r.header.Paused != "" {
		return r.summary, refuse("resume it first: `headgate resume "+name+"`", "%s is paused: %s", name, r.header.Paused)
	}
	if err == nil {
		r.chosen, r.named = chosen, true
		err = r.run(ctx)
	}
	if r.finish(err); errors.Is(err, ErrStateUncertain) { // that is not of this flow alone (R4)
		return r.summary, err
	}
	return r.summary, nil
}

// endAgain ends a run that read nothing: the pass and the guard stand where they
// stood. What was appended is published, unless a pass goes on that will do so.
func (s *settler) endAgain(ctx context.Context) error {
	if !s.settled {
		return nil
	}
	settlement, none := &Settlement{Intent: s.left}, "" // others of the run before were not looked up (R5)
	if s.appender != nil && s.header.Ended {
		finish := func() error { return s.appender.Finish(ctx) }
		if err := s.retryEffect(ctx, s.flow.To, finish); err != nil {
			return err
		}
		settlement.Mark, s.header.Mark = &none, none
	}
	s.header.Guard = s.counted
	header := s.header
	settlement.Header = &header
	return s.commit(settlement)
}

// passes are the rules that a person lets the item's content pass.
func (it *item) passes() []record.Hash {
	e := &it.entry
	if e.Released.IsZero() || e.Released != it.rowDigest() && (it.waited == nil || e.Released != e.Stopped) {
		return nil
	}
	return e.Passes
}

// letPass judges again what is held, where a person let this content pass rules: all
// others still judge it.
func (d *decider) letPass(ctx context.Context, b *batch, now time.Time) error {
	var held []*item
	for i := range b.items {
		if it := &b.items[i]; it.verdict.Severity == rules.Hold && it.passes() != nil {
			it.verdict, it.reread = rules.Verdict{}, true
			held = append(held, it)
		}
	}
	defer d.judge.worker.Release(nil)
	for round := 0; len(held) > 0 && round <= factRounds; round++ {
		lacking := false
		for _, it := range held {
			if it.reread {
				d.judge.worker.Release(it.passes())
				d.judge.one(it, now)
				lacking = lacking || it.reread
			}
		}
		if !lacking {
			break
		}
		if err := d.judge.facts.Fetch(ctx); err != nil {
			return &SystemError{Flow: d.flow.Name, System: "a lookup", Attempts: 1, Err: err}
		}
	}
	for _, it := range held {
		refuseLacking(it)
		d.judge.digestItem(it, make([]record.Hash, 0, len(d.own.Columns)))
	}
	return nil
}
