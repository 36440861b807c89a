package engine_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/record"
	"headgate/rules"
)

// silent is a connector whose systems take what is asked, and never answer.
type silent struct{}

func (silent) Source(connectors.Resource) (connectors.Source, error)           { return silent{}, nil }
func (silent) Destination(connectors.Resource) (connectors.Destination, error) { return silent{}, nil }
func (silent) Close() error                                                    { return nil }
func (silent) Place() (string, error)                                          { return "silent", nil }

func (silent) Parts(ctx context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) {
		<-ctx.Done()
		yield(connectors.Part{}, ctx.Err())
	}
}

func (silent) Read(context.Context, connectors.Part, record.Position, int) (connectors.Page, error) {
	return nil, errors.New("read before it was listed")
}

func (silent) Apply(context.Context, connectors.Lot) ([]connectors.Receipt, error) {
	return nil, errors.New("a probe writes")
}

func (silent) Find(ctx context.Context, _ connectors.Query) ([]connectors.Found, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestProbeOfSilentSystems: a system that never answers holds nobody up.
func TestProbeOfSilentSystems(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rulesetText{})
	set := d.ruleset()
	for _, c := range set.Connectors {
		c.Timeout = time.Millisecond
	}
	e := engine.New(engine.Config{
		Ruleset: set, State: engine.NoState{}, Clock: d.clock, Log: slog.New(slog.DiscardHandler),
		Open: func(*rules.Connector) (connectors.Connector, error) { return silent{}, nil },
	})
	probed := e.Probe(t.Context())
	if len(probed) == 0 {
		t.Fatal("nothing was probed")
	}
	for _, p := range probed {
		if p.Err == nil || !strings.Contains(p.Err.Error(), "no answer within 1ms") || connectors.HintOf(p.Err) == "" {
			t.Errorf("%s: %v", p.Resource, p.Err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
