package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"headgate/engine/record"
	"headgate/rules"
)

// Released is what became of a record that a person let pass.
type Released struct {
	Key   string   // as people write it
	Rules []string // that hold it no more
	Run   Summary  // of its delivery
}

// Release lets the content of one record pass the rules that hold it, where each of
// them names the actor or a group of his, and delivers it. It is kept: the same
// content passes when it is read again. It is refused as stale when anything of it is
// another than the actor saw: a newer version was delivered, or rules changed (R10).
func (e *Engine) Release(ctx context.Context, flow, exception string, actor Actor, why string) (*Released, error) {
	released := &Released{}
	err := e.act(flow, func(f *rules.Flow, l Ledger, h *Header) error {
		o, err := waitingAs(l, exception)
		if err != nil {
			return err
		}
		if err := errors.Join(mayRelease(f, o), notUnderWay(l, o, flow)); err != nil {
			return err
		}
		holding, foreign, err := e.holding(ctx, f, o)
		if err != nil {
			return err
		}
		for _, rule := range holding {
			if err := mayPass(rule, actor); err != nil {
				return err
			}
			released.Rules = append(released.Rules, rule.Name)
		}
		passes := identities(holding)
		if foreign {
			passes = append(passes, foreignIdentity)
			released.Rules = append(released.Rules, foreignCode)
		}
		if err := keepRelease(l, o, passes, actor, why); err != nil {
			return err
		}
		released.Key = openKeyText(f, o)
		if h.Paused != "" { // it is delivered when the flow goes on
			released.Run = Summary{Flow: flow, Paused: h.Paused}
			return nil
		}
		released.Run, err = e.again(ctx, flow, func(other *OpenRecord) bool { return other.Exception == exception })
		return err
	})
	if err != nil {
		return nil, err
	}
	return released, nil
}

// waitingAs returns the open record with the exception.
func waitingAs(l Ledger, exception string) (*OpenRecord, error) {
	for o, err := range allOpen(l) {
		if err != nil {
			return nil, err
		}
		if o.Exception == exception {
			return &o, nil
		}
	}
	return nil, refuse("", "exception %s waits no more: it was delivered, or a newer version took its place", exception)
}

// mayRelease refuses what no release can let pass.
func mayRelease(f *rules.Flow, o *OpenRecord) error {
	switch {
	case o.Outcome == InDoubt:
		return refuse("`headgate exceptions resolve "+o.Exception+"`", "exception %s is in doubt: nobody knows whether the destination has it", o.Exception)
	case o.Outcome != Held:
		return refuse("correct it at its source, or mend the rule and `headgate exceptions retry "+o.Exception+"`", "only what a rule holds can be released: exception %s is %s", o.Exception, o.Outcome)
	case o.Digest != f.Digest:
		return refuse("`headgate exceptions retry "+o.Exception+"`, then look at it again", "stale: the rules changed since exception %s was written", o.Exception)
	}
	return nil
}

// notUnderWay refuses what the last process was about to write, and ended: a newer
// version may be in the destination already (R10).
func notUnderWay(l Ledger, o *OpenRecord, flow string) error {
	intent, err := l.Intent()
	if err != nil {
		return fmt.Errorf("read the intent of flow %s: %w", flow, err)
	}
	if intent != nil && slices.Contains(intent.Keys, o.Key) {
		return refuse("`headgate run --once "+flow+"` looks it up first; a daemon does that by itself", "stale: the last process ended while it wrote the record of exception %s", o.Exception)
	}
	return nil
}

// holding returns the rules that hold the record now, and whether a foreign change
// does. Nothing is written to learn it.
func (e *Engine) holding(ctx context.Context, f *rules.Flow, o *OpenRecord) (holding []*rules.Rule, foreign bool, err error) {
	it, err := e.foresee(ctx, f, o)
	switch {
	case err != nil:
		return nil, false, err
	case it.outcome == Superseded:
		return nil, false, refuse("", "stale: a newer version of exception %s was delivered", o.Exception)
	case it.outcome == Rejected:
		return nil, false, refuse("", "exception %s is rejected now: %s", o.Exception, it.reason().Message)
	case it.outcome != Held:
		return nil, false, nil // what it waited for is there: it goes as it is
	}
	for _, failure := range it.verdict.Failures {
		if failure.Code == foreignCode { // on_conflict = hold asks whoever may act
			foreign = true
			continue
		}
		rule := ruleNamed(f, failure.Rule)
		if rule == nil {
			return nil, false, refuse("", "no rule holds exception %s, so nobody can release it: %s", o.Exception, failure.Message)
		}
		if rule.OnFail == rules.Hold {
			holding = append(holding, rule)
		}
	}
	return holding, foreign, nil
}

func ruleNamed(f *rules.Flow, name string) *rules.Rule {
	for _, rule := range slices.Concat(f.From.Entity.Rules, f.Rules) {
		if name != "" && rule.Name == name {
			return rule
		}
	}
	return nil
}

// foresee says what would become of an open record now: it is the run that would
// judge it again, as a plan.
func (e *Engine) foresee(ctx context.Context, f *rules.Flow, o *OpenRecord) (*item, error) {
	g := e.begin()
	defer e.letGo(g)
	r, elsewhere, err := e.openPlan(g, f)
	if r != nil {
		defer r.closeEnds()
	}
	if err != nil {
		return nil, err
	}
	if elsewhere != "" {
		return nil, refuse("", "%s cannot go on: %s", f.Name, elsewhere)
	}
	var seen *item
	r.foresees = true
	r.chosen = func(other *OpenRecord) bool { return other.Exception == o.Exception }
	r.observer = func(_ *batch, it *item) {
		copied := *it
		seen = &copied
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	if seen == nil {
		return nil, refuse("", "exception %s is not judged again by itself: it is of a whole file", o.Exception)
	}
	return seen, nil
}

func mayPass(rule *rules.Rule, actor Actor) error {
	for _, name := range rule.Release {
		if name == actor.Name || slices.Contains(actor.Groups, name) {
			return nil
		}
	}
	if len(rule.Release) == 0 {
		return refuse("give the rule `release = [\"…\"]`, or wait for what it waits for", "nobody may release what rule %s holds", rule.Name)
	}
	return refuse("", "what rule %s holds may be released by %s, and you are %s of %s", rule.Name, strings.Join(rule.Release, ", "), actor.Name, orNone(actor.Groups))
}

func orNone(groups []string) string {
	if len(groups) == 0 {
		return "no group"
	}
	return strings.Join(groups, ", ")
}

func identities(holding []*rules.Rule) []record.Hash {
	var passes []record.Hash
	for _, rule := range holding {
		passes = append(passes, rule.Identity())
	}
	return passes
}

// keepRelease makes a release durable.
func keepRelease(l Ledger, o *OpenRecord, passes []record.Hash, actor Actor, why string) error {
	entries := make([]Entry, 1)
	if err := l.Find([]record.Key{o.Key}, entries); err != nil {
		return fmt.Errorf("look up what is released: %w", err)
	}
	if len(passes) == 0 {
		return nil
	}
	entry := &entries[0]
	if entry.Released != entry.Stopped {
		entry.Released, entry.Passes = entry.Stopped, nil
	}
	entry.Passes = append(entry.Passes, passes...)
	o.By, o.Why = actor.Name, why
	return settleAct(l, &Settlement{Entries: []KeyEntry{{o.Key, entry}}, Open: []OpenRecord{*o}})
}
