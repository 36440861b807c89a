package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/rules"
)

var (
	errDead   = errors.New("the process is dead")
	errFailed = errors.New("the cable was pulled")
)

// fate is what becomes of one call.
type fate uint8

const (
	made   fate = iota
	failed      // not made
	lost        // made, and its answer lost
	killed      // the process ends before it
	undone      // the process ends behind it

	// Of a message to the API:
	swallowed // it comes, and is lost
	late      // it comes, and is done only when nobody listens any more
	busy      // not now, and nothing else for a while
	declined  // no, for no reason
)

// pending is a call that waits for its turn.
type pending struct {
	op   string
	turn chan fate
}

// process is one life of the engine: from its start to its end, or to a crash.
type process struct {
	*simulation
	engine  *engine.Engine
	ctx     context.Context
	kill    context.CancelFunc
	dead    bool
	waiting []*pending
	arrived chan struct{} // holds one when something may have changed
	going   int           // runs and acts that go on
	broken  bool          // a commit or an fsync failed: nothing more is written or read (R4)
	told    bool          // it said so
}

// clock is that of the bubble, which stands still while anything can go on. Ours may
// be behind it; the zero value is that of the systems.
type clock struct{ *simulation }

func (c clock) Now() time.Time {
	if c.simulation == nil {
		return time.Now().UTC()
	}
	return time.Now().Add(-c.behind).UTC()
}

// Sleep lets no two wake at once: who goes on first would be chance.
func (c clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d + time.Duration(c.sleeps.Add(1)))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *simulation) start() *process {
	p := &process{simulation: s, arrived: make(chan struct{}, 1)}
	p.ctx, p.kill = context.WithCancel(context.Background())
	p.engine = engine.New(engine.Config{
		Log:     slog.New(ear{slog.DiscardHandler, s}),
		Ruleset: s.world.ruleset(), State: &steppedState{&gatedState{s.world.disk, p.readGate}, p},
		Exceptions: &gatedLog{s.world.disk, p.gate}, Clock: clock{s},
		Open: func(c *rules.Connector) (connectors.Connector, error) { return s.world.open(c, p.gate) },
	})
	return p
}

// readGate is that of calls without an effect: they fail only in a process that is dead.
// What is settled comes by here with its fate: it may be made, though nobody hears of it.
func (p *process) readGate(op string, call func() error) error {
	p.mu.Lock()
	dead, broken := p.dead, p.broken
	p.mu.Unlock()
	switch {
	case op == "ledger.settle":
	case dead:
		return errDead
	case broken:
		return engine.ErrStateUncertain
	}
	return call()
}

// gate lets a call wait for its turn and meet its fate.
func (p *process) gate(op string, call func() error) error {
	c := &pending{op, make(chan fate, 1)}
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return errDead
	}
	if p.broken && durable(op) {
		p.mu.Unlock()
		return engine.ErrStateUncertain
	}
	p.waiting = append(p.waiting, c)
	p.mu.Unlock()
	api := p.world.api
	if strings.HasPrefix(op, "api.") && time.Now().Before(api.quiet) {
		p.world.problem("the API is asked, and wants to be left alone (Retry-After)")
	}
	p.stir()
	switch f := <-c.turn; f {
	case made:
		return call()
	case swallowed, late, busy, declined:
		fault := sendFaults[f]
		api.next = &fault
		return call()
	case failed:
		return failureOf(op)
	case lost:
		if _ = call(); strings.HasPrefix(op, "api.send") {
			api.unanswered()
		}
		return failureOf(op)
	case undone:
		_ = call()
	}
	return errDead
}

// durable reports whether a call makes something durable on our own disk.
func durable(op string) bool { return op == "log.append" || strings.HasSuffix(op, "ledger.settle") }

// failureOf is how a call fails: as the state and the log say it (R4), or a system.
func failureOf(op string) error {
	if durable(op) {
		return errors.Join(engine.ErrStateUncertain, errFailed)
	}
	return errFailed
}

// stir tells the scheduler that something may have changed.
func (p *process) stir() {
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// do lets f go on beside everything else.
func (p *process) do(f func()) {
	p.mu.Lock()
	p.going++
	p.mu.Unlock()
	go func() {
		f()
		p.mu.Lock()
		p.going--
		p.mu.Unlock()
		p.stir()
	}()
}

// live lets one call after the other go on until nothing does. Time passes when
// nothing else can.
func (p *process) live() {
	for {
		synctest.Wait()
		p.mu.Lock()
		going, waiting, dead := p.going, p.waiting, p.dead
		p.mu.Unlock()
		switch {
		case going == 0:
			return
		case len(waiting) == 0:
			<-p.arrived
		case dead:
			p.take(0).turn <- killed
		default:
			p.step()
		}
	}
}

// take takes the i-th of the calls that wait, in an order that does not depend on which
// goroutine came first.
func (p *process) take(i int) *pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(p.waiting, func(a, b *pending) int { return strings.Compare(a.op, b.op) })
	c := p.waiting[i]
	p.waiting = slices.Delete(p.waiting, i, i+1)
	return c
}

// step lets one call go on and decides what becomes of it.
func (p *process) step() {
	c := p.take(p.random.IntN(len(p.waiting)))
	f := p.fateOf(c.op)
	p.note("%s%s", c.op, [...]string{"", " fails", " is made, its answer lost", ": dead before it", ": dead behind it", " comes, and is lost", " is done late", ": not now", ": no"}[f])
	if (f == failed || f == lost) && durable(c.op) {
		p.mu.Lock()
		p.broken = true
		p.mu.Unlock()
	}
	if f == killed || f == undone {
		p.die()
	}
	p.happen()
	c.turn <- f
}

// die ends the process: what it still calls has no effect.
func (p *process) die() {
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.kill()
}

// end closes the engine, and forgets what was not durable where the process died.
func (p *process) end() {
	p.kill()
	_ = p.engine.Close()
	p.world.lostAtTheEnd()
	p.world.api.quiet = time.Time{} // only the process knew
	if p.broken && !p.dead && !p.told {
		p.world.problem("a commit failed, and nothing said that the process must end (R4)")
	}
	if p.dead || p.broken {
		p.world.tape.crash(p.random.IntN)
	}
}

// run lets all flows run once.
func (p *process) run() {
	p.do(func() {
		all, err := p.engine.RunOnce(p.ctx, engine.RunOptions{})
		p.summaries = all
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = p.told || errors.Is(err, engine.ErrStateUncertain)
		for _, s := range all {
			if s.Err != nil {
				p.note("%s: %v", s.Flow, s.Err)
			}
		}
	})
}

// act lets a person do something with what waits.
func (p *process) act() {
	flow := p.world.ruleset().Flows[p.random.IntN(len(p.world.ruleset().Flows))].Name
	var ids []string
	versions, opens := make(map[string]int), make(map[string]engine.OpenRecord)
	for _, o := range p.world.waiting(flow) {
		ids = append(ids, o.Exception)
		versions[o.Exception], opens[o.Exception] = int(o.Row[1].Int()), o
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	id := ids[p.random.IntN(len(ids))]
	var what string
	var f func() error
	switch o := opens[id]; {
	case o.Outcome == engine.InDoubt:
		what, f = p.settleDoubt(flow, &o)
	default:
		what, f = p.actOn(flow, id, versions[id])
	}
	if f == nil {
		return
	}
	p.note("ann: %s version %d of %s", what, versions[id], flow)
	p.do(func() {
		err := f()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.told = p.told || errors.Is(err, engine.ErrStateUncertain); err != nil {
			p.note("ann: %v", err)
		}
	})
}

// actOn lets a person retry, release or dismiss what waits.
func (p *process) actOn(flow, id string, version int) (what string, f func() error) {
	ann, chosen := engine.Actor{Name: "ann"}, map[string]bool{id: true}
	switch p.random.IntN(3) {
	case 0:
		what, f = "retry", func() error { _, err := p.engine.Retry(p.ctx, flow, chosen); return err }
	case 1:
		p.world.model.released[version] = true
		what, f = "release", func() error { _, err := p.engine.Release(p.ctx, flow, id, ann, "seen"); return err }
	default:
		p.world.model.closed[version] = true
		what, f = "dismiss", func() error { _, err := p.engine.Dismiss(flow, chosen, ann, "not wanted"); return err }
	}
	return what, f
}

// ear hears what the engine logs. Nobody but the engine writes what it delivers, so no
// change is foreign (R13).
type ear struct {
	slog.Handler
	*simulation
}

func (ear) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (e ear) WithAttrs([]slog.Attr) slog.Handler { return e }

func (e ear) Handle(_ context.Context, line slog.Record) error {
	e.note("  %s", line.Message)
	if line.Message != "foreign changes" {
		return nil
	}
	line.Attrs(func(a slog.Attr) bool {
		if a.Key == "first" {
			e.world.problem("%s: a foreign change is reported, and nobody made any (R13)", a.Value)
		}
		return true
	})
	return nil
}

// note adds to the story of a run that is told when it fails.
func (s *simulation) note(format string, args ...any) {
	if s.telling {
		s.storyMu.Lock()
		defer s.storyMu.Unlock()
		s.story = append(s.story, fmt.Sprintf(format, args...))
	}
}
