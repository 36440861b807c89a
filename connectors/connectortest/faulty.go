package connectortest

import (
	"context"
	"iter"
	"sync"

	"headgate/connectors"
	"headgate/engine/record"
)

// Call is one call of a connector.
type Call struct {
	Op string // parts, read, envelope, get, apply, send, find, mark, restore or finish
	N  int    // which call of all, from 1

	About string // send: the message's text; find: the keys
}

// Fault is how a call fails.
type Fault struct {
	Err  error
	Lost bool // the call is made, and its answer is lost
}

// Faults says which calls fail. It is used by one test, by many goroutines.
type Faults struct {
	// Fail is asked before each call; nil lets it pass.
	Fail func(Call) *Fault
	// Around, when not nil, is asked instead of Fail: it makes the call or does not, and
	// returns how it failed. It may wait.
	Around func(Call, func() error) error

	mu    sync.Mutex
	calls []Call
}

// FailAt makes the n-th call of all fail, and no other; with lost it is made first.
func FailAt(n int, err error, lost bool) *Faults {
	return &Faults{Fail: func(c Call) *Fault {
		if c.N != n {
			return nil
		}
		return &Fault{Err: err, Lost: lost}
	}}
}

// Calls returns the calls made so far.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

// do makes a call, unless it is to fail before it.
func (f *Faults) do(op string, call func() error) error { return f.doAbout(op, "", call) }

func (f *Faults) doAbout(op, about string, call func() error) error {
	f.mu.Lock()
	c := Call{Op: op, N: len(f.calls) + 1, About: about}
	f.calls = append(f.calls, c)
	if f.Around != nil {
		f.mu.Unlock()
		return f.Around(c, call)
	}
	var fault *Fault
	if f.Fail != nil {
		fault = f.Fail(c)
	}
	f.mu.Unlock()
	if fault == nil {
		return call()
	}
	if fault.Lost {
		_ = call()
	}
	return fault.Err
}

// Faulty returns a kind whose connectors fail as faults say. They keep every
// ability of those of kind, and gain none.
func Faulty(kind connectors.Kind, faults *Faults) connectors.Kind {
	open := kind.Open
	kind.Open = func(settings any, tools connectors.Tools) (connectors.Connector, error) {
		conn, err := open(settings, tools)
		return &faultyConnector{conn, faults}, err
	}
	return kind
}

type faultyConnector struct {
	connectors.Connector
	faults *Faults
}

// Source returns the source with its faults.
func (c *faultyConnector) Source(r connectors.Resource) (connectors.Source, error) {
	inner, err := c.Connector.Source(r)
	if err != nil {
		return nil, err
	}
	s := faultySource{inner, c.faults}
	getter, isGetter := inner.(connectors.Getter)
	enveloped, isEnveloped := inner.(connectors.Enveloped)
	g, e := faultyGetter{getter, c.faults}, faultyEnveloped{enveloped, c.faults}
	switch {
	case isGetter && isEnveloped:
		return struct {
			connectors.Source
			connectors.Getter
			connectors.Enveloped
		}{s, g, e}, nil
	case isGetter:
		return struct {
			connectors.Source
			connectors.Getter
		}{s, g}, nil
	case isEnveloped:
		return struct {
			connectors.Source
			connectors.Enveloped
		}{s, e}, nil
	}
	return s, nil
}

// Destination returns the destination with its faults.
func (c *faultyConnector) Destination(r connectors.Resource) (connectors.Destination, error) {
	inner, err := c.Connector.Destination(r)
	if err != nil {
		return nil, err
	}
	d := faultyDestination{inner, c.faults}
	finder, isFinder := inner.(connectors.Finder)
	app, isAppender := inner.(connectors.Appender)
	f, a := faultyFinder{finder, c.faults}, faultyAppender{app, c.faults}
	if sender, ok := inner.(connectors.Sender); ok {
		s := faultySender{faultyDestination: d, inner: sender}
		if !isFinder {
			return s, nil
		}
		return struct {
			connectors.Sender
			connectors.Finder
		}{s, f}, nil
	}
	switch {
	case isFinder && isAppender:
		return struct {
			connectors.Destination
			connectors.Finder
			connectors.Appender
		}{d, f, a}, nil
	case isFinder:
		return struct {
			connectors.Destination
			connectors.Finder
		}{d, f}, nil
	case isAppender:
		return struct {
			connectors.Destination
			connectors.Appender
		}{d, a}, nil
	}
	return d, nil
}

type faultySource struct {
	connectors.Source
	faults *Faults
}

func (s faultySource) Parts(ctx context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) {
		if err := s.faults.do("parts", func() error { return nil }); err != nil {
			yield(connectors.Part{}, err)
			return
		}
		s.Source.Parts(ctx)(yield)
	}
}

func (s faultySource) Read(ctx context.Context, part connectors.Part, after record.Position, limit int) (page connectors.Page, err error) {
	err = s.faults.do("read", func() (err error) {
		page, err = s.Source.Read(ctx, part, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

type faultyGetter struct {
	connectors.Getter
	faults *Faults
}

func (g faultyGetter) Get(ctx context.Context, columns []string, keys [][]record.Value) (got []connectors.Got, err error) {
	err = g.faults.do("get", func() (err error) {
		got, err = g.Getter.Get(ctx, columns, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

type faultyEnveloped struct {
	connectors.Enveloped
	faults *Faults
}

func (e faultyEnveloped) Envelope(ctx context.Context, part connectors.Part) (head, tail record.Row, err error) {
	err = e.faults.do("envelope", func() (err error) {
		head, tail, err = e.Enveloped.Envelope(ctx, part)
		return err
	})
	return head, tail, err
}

type faultyDestination struct {
	connectors.Destination
	faults *Faults
}

// Apply applies the lot, unless it is to fail.
func (d faultyDestination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	return d.effect(Call{Op: "apply"}, len(lot.Changes), func() ([]connectors.Receipt, error) { return d.Destination.Apply(ctx, lot) })
}

// effect keeps to the contract when it fails: a lost answer is Unknown for every
// change, a call that was not made is Untried.
func (d faultyDestination) effect(c Call, changes int, call func() ([]connectors.Receipt, error)) ([]connectors.Receipt, error) {
	var receipts []connectors.Receipt
	made, answered := false, false
	err := d.faults.doAbout(c.Op, c.About, func() (err error) {
		made = true
		receipts, err = call()
		answered = err != nil
		return err
	})
	if err == nil || answered {
		return receipts, err
	}
	receipts = make([]connectors.Receipt, changes)
	for i := range receipts {
		if made {
			receipts[i].Status = connectors.Unknown
		}
	}
	return receipts, err
}

// faultySender is a sender with its faults. What is prepared reaches no system.
type faultySender struct {
	faultyDestination
	inner connectors.Sender
}

func (s faultySender) Ways(op connectors.Op) connectors.Ways { return s.inner.Ways(op) }

func (s faultySender) Prepare(lot connectors.Lot) ([]connectors.Message, error) {
	return s.inner.Prepare(lot)
}

// Send keeps to the contract when it fails, as Apply does.
func (s faultySender) Send(ctx context.Context, m connectors.Message) ([]connectors.Receipt, error) {
	return s.effect(Call{Op: "send", About: m.Text}, m.Changes, func() ([]connectors.Receipt, error) { return s.inner.Send(ctx, m) })
}

type faultyFinder struct {
	connectors.Finder
	faults *Faults
}

func (f faultyFinder) Find(ctx context.Context, q connectors.Query) (found []connectors.Found, err error) {
	err = f.faults.doAbout("find", aboutKeys(q.Keys), func() (err error) {
		found, err = f.Finder.Find(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func aboutKeys(keys [][]record.Value) string {
	var about []byte
	for _, key := range keys {
		for _, v := range key {
			about = append(append(about, v.Text()...), ' ')
		}
	}
	return string(about)
}

type faultyAppender struct {
	connectors.Appender
	faults *Faults
}

func (a faultyAppender) Mark(ctx context.Context) (mark string, err error) {
	err = a.faults.do("mark", func() (err error) {
		mark, err = a.Appender.Mark(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	return mark, nil
}

func (a faultyAppender) Sync(ctx context.Context) error {
	return a.faults.do("sync", func() error { return a.Appender.Sync(ctx) })
}

func (a faultyAppender) Restore(ctx context.Context, mark string) error {
	return a.faults.do("restore", func() error { return a.Appender.Restore(ctx, mark) })
}

func (a faultyAppender) Finish(ctx context.Context) error {
	return a.faults.do("finish", func() error { return a.Appender.Finish(ctx) })
}
