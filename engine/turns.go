package engine

import (
	"context"
	"sync"
)

// turns lets each flow be worked on by one at a time: a ledger has one writer. A
// run that goes on gives way between batches to whoever else wants the flow.
type turns struct {
	mu    sync.Mutex
	flows map[string]*turn
}

type turn struct {
	free    chan struct{} // holds one while nobody works on the flow
	stop    context.CancelFunc
	waiting int // who wants the flow and is not a run
}

func (t *turns) of(flow string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows == nil {
		t.flows = make(map[string]*turn)
	}
	if t.flows[flow] == nil {
		t.flows[flow] = &turn{free: make(chan struct{}, 1)}
		t.flows[flow].free <- struct{}{}
	}
	return t.flows[flow]
}

// run takes the flow for a run, until done is called. The context it returns ends
// when somebody else wants the flow: the run then ends between batches.
func (t *turns) run(ctx context.Context, flow string) (_ context.Context, done func()) {
	f := t.of(flow)
	<-f.free
	ctx, cancel := context.WithCancel(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.stop = cancel; f.waiting > 0 {
		cancel()
	}
	return ctx, func() {
		t.mu.Lock()
		f.stop = nil
		t.mu.Unlock()
		cancel()
		f.free <- struct{}{}
	}
}

// interrupt asks a run of the flow, if one goes on, to end between batches.
func (t *turns) interrupt(flow string) {
	f := t.of(flow)
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.stop != nil {
		f.stop()
	}
}

// between calls f while no run of the flow goes on. One that does ends between
// batches first, and goes on behind what it settled when it is started again.
func (t *turns) between(flow string, f func() error) error {
	turn := t.of(flow)
	t.mu.Lock()
	turn.waiting++
	if turn.stop != nil {
		turn.stop()
	}
	t.mu.Unlock()
	<-turn.free
	defer func() { turn.free <- struct{}{} }()
	t.mu.Lock()
	turn.waiting--
	t.mu.Unlock()
	return f()
}
