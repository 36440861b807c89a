package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/rules"
)

// Status is all flows on one screen.
type Status struct {
	Daemon  *Daemon      `json:"daemon"`            // null: none runs
	Room    string       `json:"room,omitempty"`    // why there is none for the state: all flows stand still
	Systems []System     `json:"systems,omitempty"` // those that are left alone for a while
	Ruleset string       `json:"ruleset"`
	Dir     string       `json:"dir"`
	Flows   []FlowStatus `json:"flows"`
}

// Daemon is what is known of a running daemon.
type Daemon struct {
	Process int       `json:"process"`
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
	Files   string    `json:"files"`            // digest of the files as they are now
	Failed  *Failed   `json:"failed,omitempty"` // why they are not what runs
	Reload  time.Time `json:"reloaded,omitzero"`
	Alerts  []Unheard `json:"alerts,omitempty"` // those that reach nobody
	State   *State    `json:"state,omitempty"`

	Goroutines  int `json:"goroutines"`  // these two for whoever looks for a leak
	Descriptors int `json:"descriptors"` // files, sockets and the like that are open
}

// State is what a daemon knows of its state and the backups of it.
type State struct {
	Restored time.Time `json:"restored,omitzero"` // when it was restored from a backup
	Backup   time.Time `json:"backup,omitzero"`   // when that was taken
	Last     time.Time `json:"last,omitzero"`     // when the last backup was taken
	Failed   string    `json:"failed,omitempty"`  // why the last try gave none
}

// Unheard is an alert that reaches nobody.
type Unheard struct {
	Alert   string    `json:"alert"`
	Channel string    `json:"channel"`
	Since   time.Time `json:"since"`
	Waiting int64     `json:"waiting"` // events that are not told yet
	Why     string    `json:"why"`
}

// System is a system that failed and is left alone for a while; flows wait for it.
type System struct {
	System string    `json:"system"`
	Class  string    `json:"class"` // down, denied, unclear
	Why    string    `json:"why"`
	Hint   string    `json:"hint,omitempty"`
	Since  time.Time `json:"since"`
	Next   time.Time `json:"next"`              // when it is asked again
	Asked  bool      `json:"probing,omitempty"` // it is being asked now
	Flows  []string  `json:"flows"`             // that wait for it
}

// Failed is a ruleset that was not taken.
type Failed struct {
	Since       time.Time `json:"since"`
	Mistakes    int       `json:"mistakes"`
	Diagnostics string    `json:"diagnostics"` // as `check` shows them
}

// FlowStatus is how one flow does.
type FlowStatus struct {
	Flow    string    `json:"flow"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Mode    string    `json:"mode"`
	State   string    `json:"state"`               // running, waiting, failing, paused, idle (no daemon)
	Waits   string    `json:"waits_for,omitempty"` // waiting for this system, which is left alone, or for room
	Why     string    `json:"why,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of the state, where that is known
	Due     time.Time `json:"due,omitzero"`
	Success time.Time `json:"success,omitzero"`   // the last run that no system ended
	Caught  time.Time `json:"caught_up,omitzero"` // everything there was in the source then is settled
	Reading int64     `json:"reading,omitempty"`  // records of the run that goes on

	Read     int64            `json:"read"`     // in all
	Outcomes map[string]int64 `json:"outcomes"` // in all
	Known    int64            `json:"known"`    // keys
	Open     map[string]int64 `json:"open"`     // exceptions that wait, by outcome
	Oldest   time.Time        `json:"oldest,omitzero"`
	// Suspected are records that another system may have changed; they are compared
	// when their source is read again. At most maxSuspected are counted.
	Suspected int          `json:"suspected,omitempty"`
	Unsettled int          `json:"unsettled,omitempty"` // messages that may have been sent, and have no settled answer
	Late      int64        `json:"late,omitempty"`      // missing in the destination for longer than the flow's due
	LateSince time.Time    `json:"late_since,omitzero"`
	Guard     []GuardCount `json:"guard,omitempty"` // how near it is to its limits
}

// GuardCount is how near a flow is to one limit of its guard, in the run that goes
// on or in the last one.
type GuardCount struct {
	Name   string `json:"name"`
	Count  int64  `json:"count"`
	Limit  string `json:"limit"`
	Of     int64  `json:"of,omitempty"`     // what a percentage is of
	Raised bool   `json:"raised,omitempty"` // by a person, until the run ends
	Per    string `json:"per,omitempty"`    // counted within so long; "": in one run
}

// Status tells how all flows do.
func (s *Service) Status(context.Context, engine.Actor, *Nothing) (*Status, error) {
	set := s.Engine.Ruleset()
	status := &Status{Ruleset: set.Digest, Dir: set.Dir, Flows: make([]FlowStatus, 0, len(set.Flows))}
	if s.Daemon != nil {
		status.Daemon = s.Daemon()
	}
	if s.Room != nil {
		if err := s.Room(); err != nil {
			status.Room = err.Error()
		}
	}
	for _, alone := range s.Engine.Systems() {
		status.Systems = append(status.Systems, System{
			System: alone.System, Class: alone.Class.String(), Why: alone.Why.Error(), Hint: connectors.HintOf(alone.Why),
			Since: alone.Since, Next: alone.Next, Asked: alone.Probing, Flows: []string{},
		})
	}
	known := make(map[string]engine.FlowStatus)
	for _, f := range s.Engine.Schedule() {
		known[f.Flow] = f
	}
	for _, flow := range set.Flows {
		f, err := s.flowStatus(flow)
		if err != nil {
			return nil, err
		}
		if live, ok := known[flow.Name]; ok {
			f.now(&live)
		}
		for i := range status.Systems {
			if w := &status.Systems[i]; w.System == f.Waits {
				w.Flows = append(w.Flows, f.Flow)
			}
		}
		status.Flows = append(status.Flows, *f)
	}
	return status, nil
}

// flowStatus is what the ledger knows of a flow.
func (s *Service) flowStatus(flow *rules.Flow) (*FlowStatus, error) {
	f := &FlowStatus{
		Flow: flow.Name, From: resourceName(flow.From), To: resourceName(flow.To), Mode: flow.Mode.String(),
		State: "idle", Outcomes: make(map[string]int64), Open: make(map[string]int64),
	}
	l, err := s.ledger(flow)
	if err != nil {
		return nil, err
	}
	h, err := l.Header()
	if err != nil {
		return nil, fmt.Errorf("read the ledger of flow %s: %w", flow.Name, err)
	}
	f.Read, f.Known = h.Read, h.Known
	for _, o := range engine.Outcomes() {
		if h.Counts[o] > 0 {
			f.Outcomes[o.String()] = h.Counts[o]
		}
	}
	if h.Paused != "" {
		f.State, f.Why, f.Since = "paused", h.Paused, h.PausedAt
	}
	if h.Paused != "" && h.Pause == engine.PausedByIdentity {
		f.Hint = engine.IdentityHint(flow.Name)
	}
	if h.Paused != "" && h.Pause == engine.PausedByRestore {
		f.Hint = engine.RestoreHint(flow.Name)
	}
	switch {
	case h.Pause == engine.PausedByOperator:
		f.Hint = "`headgate resume " + flow.Name + "` lets it go on"
	case h.Pause == engine.PausedByGuard && h.Paused != "":
		f.Hint = engine.GuardHint(flow.Name)
	}
	counts, err := engine.GuardCounts(l, &h, flow.Guard, s.Now())
	if err != nil {
		return nil, fmt.Errorf("read the guard of flow %s: %w", flow.Name, err)
	}
	for _, c := range counts {
		f.Guard = append(f.Guard, shownCount(&c))
	}
	suspects, err := l.Suspects("", maxSuspected)
	if err != nil {
		return nil, fmt.Errorf("read what flow %s has to compare: %w", flow.Name, err)
	}
	f.Suspected = len(suspects)
	if f.Unsettled, err = engine.Unsettled(l); err != nil {
		return nil, fmt.Errorf("count the messages of flow %s without an answer: %w", flow.Name, err)
	}
	if flow.Due > 0 {
		late, err := engine.LateRecords(l, flow.Due, s.Now())
		if err != nil {
			return nil, fmt.Errorf("count the late records of flow %s: %w", flow.Name, err)
		}
		f.Late, f.LateSince = late.Count, late.Oldest
	}
	return f, f.countOpen(l)
}

const maxSuspected = 1000

func shownCount(c *engine.GuardCount) GuardCount {
	shown := GuardCount{Name: c.Name, Count: c.Count, Limit: c.Limit.String(), Raised: c.Raised}
	if c.Limit.Percent != nil {
		shown.Of = c.Of
	}
	if c.Per > 0 {
		shown.Per = engine.DurationText(c.Per)
	}
	return shown
}

// openPage is how many open records are looked at at a time.
const openPage = 1000

func (f *FlowStatus) countOpen(l engine.Ledger) error {
	for after := record.Key(""); ; {
		page, err := l.Opens(after, openPage)
		if err != nil {
			return fmt.Errorf("count what waits of flow %s: %w", f.Flow, err)
		}
		for i := range page {
			o := &page[i]
			f.Open[o.Outcome.String()]++
			if f.Oldest.IsZero() || o.Since.Before(f.Oldest) {
				f.Oldest = o.Since
			}
			after = o.Key
		}
		if len(page) < openPage {
			return nil
		}
	}
}

// now adds what a daemon knows of the flow.
func (f *FlowStatus) now(live *engine.FlowStatus) {
	f.Due, f.Success, f.Caught = live.Due, live.Success, live.CaughtUp
	switch {
	case f.State == "paused":
	case live.Running:
		f.State, f.Since, f.Reading = "running", live.Began, live.Read
	case live.Waits != nil:
		f.State, f.Waits, f.Since, f.Due = "waiting", live.Waits.System, live.Waits.Since, live.Waits.Next
		f.Why, f.Hint = live.Waits.Why.Error(), connectors.HintOf(live.Waits.Why)
	case errors.Is(live.Failing, engine.ErrNoRoom):
		f.State, f.Waits = "waiting", "room on the disk of the state"
	case live.Failing != nil:
		f.State, f.Since = "failing", live.Success
	default:
		f.State, f.Since = "waiting", live.Ended
	}
	if live.Failing != nil && f.Why == "" {
		f.Why, f.Hint = live.Failing.Error(), connectors.HintOf(live.Failing)
		if live.Running {
			f.Why = "the last run failed: " + f.Why
		}
	}
}
