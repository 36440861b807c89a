package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// ahead is how many batches a stage of a run may be ahead of the next one.
const ahead = 1

// Engine runs the flows of a ruleset, and of those that replace it.
type Engine struct {
	Config
	mu     sync.Mutex
	newest *generation
	open   map[string]*opened // by handle
	turns  turns
	passes passStore

	suspected toldCounts
	emptied   toldCounts
	inflight  *inflight
	systems   systems
	careful   chan struct{}   // holds who handles a record after a crash
	ran       map[string]bool // ledgers over which this process has run a flow
	late      toldCounts
	plan      schedule

	watchers sync.WaitGroup
}

// New returns an engine. It opens nothing until a flow needs it.
func New(c Config) *Engine {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{Config: c, inflight: newInflight(), open: make(map[string]*opened), careful: make(chan struct{}, 1)}
	e.plan.wake = make(chan struct{}, 1)
	e.replace(c.Ruleset, false)
	return e
}

// Close closes the connectors that were opened. Nothing may run any more.
func (e *Engine) Close() error { return e.end(e.newest) }

// RunOnce runs the flows side by side, each from its settled position to the end
// of its source, and returns what each did, in the order of the ruleset. A flow
// that fails says so in its summary and disturbs no other. When the context ends,
// each flow finishes and settles its batches. The error is for what concerns all:
// an unknown flow, or ErrStateUncertain.
func (e *Engine) RunOnce(ctx context.Context, options RunOptions) ([]Summary, error) {
	flows, err := e.flows(options.Flows)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	summaries := make([]Summary, len(flows))
	var all sync.WaitGroup
	for i, flow := range flows {
		all.Go(func() {
			summaries[i] = e.runFlow(ctx, flow.Name, options)
			if errors.Is(summaries[i].Err, ErrStateUncertain) {
				stop(summaries[i].Err)
			}
		})
	}
	all.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, ErrStateUncertain) {
		return summaries, cause
	}
	return summaries, nil
}

func (e *Engine) flows(names []string) ([]*rules.Flow, error) {
	if len(names) == 0 {
		return e.Ruleset().Flows, nil
	}
	var flows []*rules.Flow
	for _, name := range names {
		flow, err := e.flow(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(flows, flow) {
			flows = append(flows, flow)
		}
	}
	return flows, nil
}

func (e *Engine) flow(name string) (*rules.Flow, error) {
	var names []string
	for _, f := range e.Ruleset().Flows {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("no flow is called %q: the ruleset has %v", name, names)
}

// runFlow runs a flow of the newest ruleset once.
func (e *Engine) runFlow(ctx context.Context, name string, options RunOptions) Summary {
	ctx, done := e.turns.run(ctx, name)
	defer done()
	g := e.begin()
	defer e.letGo(g)
	flow := g.flow(name)
	if flow == nil {
		return Summary{Flow: name, Limited: true}
	}
	r, err := e.openRun(g, flow)
	defer r.closeEnds()
	if err == nil {
		r.limit = options.Limit
		if flow.Batch.PerRun > 0 && (r.limit == 0 || flow.Batch.PerRun < r.limit) {
			r.limit = flow.Batch.PerRun
		}
		if options.waiting {
			r.chosen = func(o *OpenRecord) bool { return o.due(flow.Digest, r.now()) }
		}
		err = r.run(ctx)
		r.keepPass(err)
	}
	if errors.Is(err, errAsked) {
		r.summary.Limited, err = true, nil
	}
	r.finish(err)
	return r.summary
}

// letGo ends the use of a generation. That a connector does not close well changes
// nothing of what was settled.
func (e *Engine) letGo(g *generation) {
	if err := e.end(g); err != nil {
		e.Log.Warn("a connector did not close well", "error", err)
	}
}

// run is one run of one flow.
type run struct {
	engine     *Engine
	of         *generation
	asked      <-chan struct{} // closed when the run is asked to end between batches
	flow       *rules.Flow
	own        *rules.Ownership
	log        *slog.Logger
	ledger     Ledger
	exceptions ExceptionLog
	source     connectors.Source
	dest       connectors.Destination
	finder     connectors.Finder     // nil: the destination cannot be asked
	appendOnly bool                  // each record is added there once, and known by its reference
	shapes     map[record.Hash][]int // of the shapes it had: which of its hashes is of each column written now, or -1
	appender   connectors.Appender   // nil: its effects are not undone by cutting back
	replaces   bool                  // an update carries all of a record
	sender     connectors.Sender     // nil: its effects are repeated, or undone
	sends      bool                  // the destination is a Sender, also where nothing is sent: it knows records by reference and id too
	sentTo     []string              // the columns that are sent, in their order
	lag        time.Duration         // how long the destination may not show what it was given
	first      string                // the flow's first name: references are made of it
	shape      record.Hash           // of the columns fingerprints speak of
	versioned  bool                  // this source owns the version of a record
	fromStart  bool
	limit      int
	chosen     func(*OpenRecord) bool // only these open records are judged again, and the source is not read; nil: all that there is to read
	named      bool                   // what became of each is told
	foresees   bool                   // what waits as it waited is told too
	room       func() error           // nil: nothing is written
	keys       map[record.Key]bool    // only these; nil: all
	observer   func(*batch, *item)    // told of every item once it has its outcome; nil: nobody

	stopReading context.CancelFunc

	header    Header
	settledTo uint64                              // the journal row settled last before this run
	unknown   *Intent                             // of the last run, whose end is not known
	intents   map[record.Key][]record.Fingerprint // the same, by key: more than one where processes died one behind the other
	suspected map[record.Key]bool                 // to be compared when they are read
	loose     bool                                // a run before this one left its pass or its guard without an end
	guard     guard
	counted   GuardState // how the guard stood before this run
	pass      *pass
	care      care
	inflight  *lane
	summary   Summary
	stops     stops // of what was settled
	tripped   stops // of the batch that the guard stopped
	began     stopwatch
}

type stopKey struct {
	outcome           Outcome
	code, rule, field string
}

// run moves what there is to move. Reading and judging run ahead of looking up
// and comparing, which run ahead of writing, and a batch is settled while the next
// one is written.
func (r *run) run(ctx context.Context) error {
	if r.header.Paused != "" {
		return nil
	}
	if err := r.pauseRestored(); err != nil || r.header.Paused != "" {
		return err
	}
	if err := r.beginCare(); err != nil || r.header.Paused != "" {
		return err
	}
	err := r.runStages(ctx)
	r.endCare(err) // not deferred: a panic does not end it
	return err
}

func (r *run) runStages(ctx context.Context) error {
	r.asked = ctx.Done()
	if err := r.begin(ctx); err != nil {
		return err
	}
	deliverer := &deliverer{run: r, judge: newJudge(r)}
	if err := deliverer.resolveSends(ctx); err != nil {
		return err
	}
	// Batches on their way are finished when ctx ends, unless they wait for a system
	// that is down; an error ends them all.
	work, workCtx := errgroup.WithContext(context.WithoutCancel(ctx))
	ctx, r.stopReading = context.WithCancel(ctx)
	defer r.stopReading()
	defer context.AfterFunc(workCtx, r.stopReading)()
	most := r.mostOpen()
	judged, decided := make(chan *batch, ahead), make(chan *batch, r.mostDecided())
	announced, applied := make(chan *batch, most), make(chan *settling, most)
	settler := &settler{run: r, in: decided, announced: announced, applied: applied, first: r.header, left: r.unknown}
	var uncertain atomic.Pointer[error]
	stage := func(f func() error) {
		f = r.stage(f)
		work.Go(func() error {
			err := f()
			if errors.Is(err, ErrStateUncertain) {
				uncertain.Store(&err)
			}
			return err
		})
	}
	stage(func() error { return r.read(ctx, workCtx, judged) })
	stage(func() error { return r.decideAll(workCtx, judged, decided) })
	sent := announced
	if r.sender != nil {
		sent = make(chan *batch, most)
		deliverer.courier = r.newCourier(workCtx)
		stage(func() error { return deliverer.courier.sendAll(workCtx, announced, sent) })
	}
	stage(func() error { return deliverer.deliverAll(workCtx, sent, applied) })
	stage(func() error {
		defer r.inflight.close()
		return settler.settleAll(workCtx)
	})
	err := work.Wait()
	if worst := uncertain.Load(); worst != nil { // another stage may have failed before it (R4)
		return *worst
	}
	return err
}

// begin starts a pass, or goes on with one that did not reach its end.
func (r *run) begin(ctx context.Context) error {
	if r.appender != nil {
		restore := func() error { return r.appender.Restore(ctx, r.header.Mark) }
		if err := r.retry(ctx, r.flow.To, restore); err != nil {
			return err
		}
	}
	if intent, err := r.ledger.Intent(); err != nil {
		return fmt.Errorf("read the intent of flow %s: %w", r.flow.Name, err)
	} else if intent != nil {
		// R5: an open intent is an unknown answer. Nothing is assumed of its records:
		// they come after the settled position, are read again, looked up and compared.
		r.log.Info("the last run ended while a batch was being written; its records are looked up again", "records", len(intent.Keys))
		r.unknown, r.intents = intent, make(map[record.Key][]record.Fingerprint, len(intent.Keys))
		for i, key := range intent.Keys {
			r.intents[key] = append(r.intents[key], intent.Hashes[i])
		}
	}
	r.settledTo, r.counted = r.header.Journal, r.header.Guard
	r.header.Digest = r.flow.Digest
	r.knowShapes()
	if r.chosen != nil {
		r.pass = &pass{unread: "only what waits is judged again"}
		return r.beginGuard() // no pass begins: nothing is read
	}
	r.loose = r.header.Pass > 0 && !r.header.Ended || r.header.Guard.Open || r.header.Guard.Allow != nil
	if err := r.beginPass(); err != nil {
		return err
	}
	if !r.fromStart { // all of it is compared then
		if err := r.awaitSuspects(); err != nil {
			return fmt.Errorf("read what flow %s has to compare: %w", r.flow.Name, err)
		}
	}
	return r.beginGuard()
}

func (r *run) finish(err error) {
	s := &r.summary
	s.Err = err
	r.engine.release(r, err == nil && r.header.Paused == "")
	s.Elapsed = r.began.elapsed()
	s.Paused, s.Pause = r.header.Paused, r.header.Pause
	s.Stops, s.Tripped = r.stops.sorted(), r.tripped.sorted()
	if r.ledger != nil {
		r.countOpen(s)
		s.sortAgain()
		r.tellLate()
	}
}

// countOpen counts what waits. That it cannot be read is told by whoever needs it.
func (r *run) countOpen(s *Summary) {
	for o, err := range allOpen(r.ledger) {
		if err != nil {
			return
		}
		s.Open++
		if o.Outcome == Held {
			s.Held++
		}
		s.Until, s.Resend = sooner(s.Until, o.Until), sooner(s.Resend, o.resend())
	}
}

// sooner is the earlier of two times; a zero one never comes.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func itoa(n int) string { return strconv.Itoa(n) }
