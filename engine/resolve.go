package engine

import (
	"fmt"
	"strconv"
	"strings"

	"headgate/engine/record"
	"headgate/rules"
)

// Resolution is what a person found out about a record that was in doubt.
type Resolution string

// The resolutions.
const (
	WasApplied Resolution = "applied"     // the destination has it
	NotApplied Resolution = "not-applied" // it has not: the record is sent as new
	SendAgain  Resolution = "send-again"  // nobody knows: the same bytes are sent once more, whatever that doubles
)

// Resolved is what becomes of a record that was in doubt.
type Resolved struct {
	Key    string  // as people write it
	Became Outcome // what its change made of it, or Held: it is sent by the next run
	Newer  bool    // a newer version waited, and is delivered by the next run
	Paused string  // why the flow is paused: then that run has to wait
}

// Resolve settles a record that is in doubt as a person says. id is the one that the
// destination gave the record, "" where it gives none or nobody knows it.
func (e *Engine) Resolve(flow, exception string, as Resolution, id string, actor Actor, why string) (*Resolved, error) {
	if strings.TrimSpace(why) == "" {
		return nil, &Refusal{Usage: true, Message: "resolving needs a reason: how it was found out"}
	}
	resolved := &Resolved{}
	err := e.act(flow, func(f *rules.Flow, l Ledger, h *Header) error {
		o, err := waitingAs(l, exception)
		if err != nil {
			return err
		}
		if err := mayResolve(f, o, as, id); err != nil {
			return err
		}
		entries := make([]Entry, 1)
		if err := l.Find([]record.Key{o.Key}, entries); err != nil {
			return fmt.Errorf("look up what is resolved: %w", err)
		}
		kept, err := lookedUp(l, f, o)
		if err != nil {
			return err
		}
		o.By, o.Why = actor.Name, why
		resolved.Key, resolved.Paused, resolved.Newer = openKeyText(f, o), h.Paused, o.newer()
		settlement, line, err := e.resolution(f, o, &entries[0], as, id)
		if err != nil {
			return err
		}
		if kept && as != SendAgain {
			settlement.Sent = []record.Key{o.Key} // nobody looks it up, and sends it, any more
		}
		resolved.Became = line.Outcome
		if line.Closed == "" { // what waits on is told first (R2)
			if err := e.Exceptions.Append([]Exception{line}); err != nil {
				return err
			}
			return settleAct(l, settlement)
		}
		if err := settleAct(l, settlement); err != nil {
			return err
		}
		return e.Exceptions.Append([]Exception{line})
	})
	if err != nil {
		return nil, err
	}
	e.Kick(flow)
	return resolved, nil
}

// lookedUp takes what became known of the message in doubt since it is kept to be looked
// up, and reports whether it is.
func lookedUp(l Ledger, f *rules.Flow, o *OpenRecord) (bool, error) {
	for s, err := range allSends(l) {
		switch {
		case err != nil:
			return false, err
		case s.Key() != o.Key:
		case s.answered():
			return false, refuse("`headgate run --once "+f.Name+"` settles it", "stale: it became known what became of exception %s", o.Exception)
		default:
			o.Doubt = s.alone(&s.Changes[0])
			return true, nil
		}
	}
	return false, nil
}

func mayResolve(f *rules.Flow, o *OpenRecord, as Resolution, id string) error {
	switch {
	case o.Outcome != InDoubt:
		return refuse("`headgate exceptions show "+o.Exception+"` says what can be done", "only what is in doubt can be resolved: exception %s is %s", o.Exception, o.Outcome)
	case o.Doubt == nil:
		return refuse("`headgate exceptions retry "+o.Exception+"` looks for it again", "nothing was kept of what was sent of exception %s", o.Exception)
	case as != WasApplied && as != NotApplied && as != SendAgain:
		return &Refusal{Usage: true, Message: "say what became of it: --applied, --not-applied or --send-again"}
	case id != "" && as != WasApplied:
		return &Refusal{Usage: true, Message: "--id is the id of a record that the destination has: it goes with --applied"}
	case id != "" && f.To.ID == nil:
		return &Refusal{Usage: true, Message: resourceName(f.To) + " gives records no id: its resource has no `id`"}
	case as == SendAgain && o.Doubt.Carries > 1:
		return refuse("say --applied or --not-applied", "its message carried %d records: sending it again would send all of them", o.Doubt.Carries)
	}
	return nil
}

// resolution is what an act makes durable, and what the log says of it.
func (e *Engine) resolution(f *rules.Flow, o *OpenRecord, entry *Entry, as Resolution, id string) (*Settlement, Exception, error) {
	doubted, newer := &o.Doubt.Changes[0], o.newer()
	settlement := &Settlement{Entries: []KeyEntry{{o.Key, entry}}}
	line := e.closingLine(f, o, "", o.By, o.Why)
	if as == SendAgain {
		again := *o.Doubt
		again.Again = true
		settlement.Entries, settlement.Sends, settlement.Open = nil, []*SendIntent{&again}, []OpenRecord{*o}
		line.Reason = reasonOf(o.Code, "its message is sent once more, as a person wants")
		return settlement, line, nil
	}
	if as == WasApplied {
		stopped, number, journal := entry.Stopped, entry.Number, entry.Journal
		*entry = doubted.Becomes
		entry.Number, entry.Journal = number, journal
		if newer {
			entry.Stopped = stopped
		}
		if id != "" {
			name, err := e.nameOf(f, o.Key)
			if err != nil {
				return nil, line, err
			}
			settlement.ToIDs = []Identifier{{Key: name, ID: idValue(id)}}
		}
	}
	if as == WasApplied && !newer {
		line.Outcome, line.Closed = doubted.outcome(), "delivered"
		settlement.Closed = []record.Key{o.Key}
	} else {
		o.judgeAnew(entry, notDone)
		line.Outcome = Held
		becomes := "it was not done: the next run sends it as new"
		if newer {
			becomes = "a newer version waited: the next run delivers it"
		}
		line.Reason = reasonOf(notDone, becomes)
		settlement.Open = []OpenRecord{*o}
	}
	return settlement, line, nil
}

func reasonOf(code, message string) record.Reason {
	return record.Reason{Stage: record.StageDestination, Code: code, Message: message}
}

// nameOf is the name that the ids of a record are kept under.
func (e *Engine) nameOf(f *rules.Flow, key record.Key) (record.Key, error) {
	if f.From.Entity.Match == nil {
		return key[1:], nil
	}
	from, id := resourceName(f.From), record.StringValue(KeyText(f.From.Entity, key[1:]))
	name, known, err := e.State.KeyOf(from, id)
	if err != nil {
		return "", fmt.Errorf("look up the links of %s: %w", from, err)
	}
	if !known {
		name = recordName(from, id)
	}
	return name, nil
}

// idValue is an id as people write it: a number, where it is written as one.
func idValue(text string) record.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return record.IntValue(n)
	}
	return record.StringValue(text)
}
