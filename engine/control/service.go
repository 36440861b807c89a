package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/rules"
)

// Service answers what operators ask.
type Service struct {
	Engine     *engine.Engine
	State      engine.State
	Exceptions string  // directory of the exception log
	Acts       string  // directory of the log of what operators did; "": none
	Audit      Auditor // nil: the state may only be read
	Now        func() time.Time

	// Compile compiles files that came with a request, as if they were in dir. Its
	// error holds the diagnostics as text.
	Compile func(dir string, files []File) (*rules.Ruleset, error)
	// Other makes an engine of another ruleset over the same state, to plan with.
	Other func(*rules.Ruleset) *engine.Engine
	// Secret resolves a secret.
	Secret func(connectors.Secret) (string, error)
	// Reload looks at the files of the ruleset again, at once; nil: no daemon runs.
	Reload func(context.Context) error
	// Uncertain is told that nobody knows what the state holds: the process must end
	// and read it again (R4). nil: it ends anyway.
	Uncertain func(error)
	// Room says why there is too little room for flows; nil: nobody looked.
	Room func() error
	// Spare says why not even an act can be kept: the disk is full to the brim.
	Spare func() error
	// Backups is the directory of the backups of the state.
	Backups func() string
	// Keeper copies the state; nil: it was opened to be read.
	Keeper Keeper
	// Daemon says what is known of the daemon; nil: none runs.
	Daemon func() *Daemon
}

// File is one file of a ruleset.
type File struct {
	Name  string `json:"name"`
	Bytes []byte `json:"bytes"`
}

// Nothing is a request that says nothing, or an answer that needs no words.
type Nothing struct{}

type verb func(*Service, context.Context, engine.Actor, []byte) (any, error)

// verbs is all that can be asked, by name.
var verbs = map[string]verb{
	"status":      of((*Service).Status),
	"plan":        of((*Service).Plan),
	"exceptions":  of((*Service).List),
	"exception":   of((*Service).Show),
	"keys":        of((*Service).Keys),
	"positions":   of((*Service).Positions),
	"move":        acting("checkpoint", (*Service).Move),
	"verify":      of((*Service).Verify),
	"trace":       of((*Service).Trace),
	"doctor":      of((*Service).Doctor),
	"check-state": of((*Service).CheckState),
	"backup":      acting("state backup", (*Service).Backup),
	"reload":      acting("reload", (*Service).reload),
	"pause":       acting("pause", (*Service).Pause),
	"resume":      acting("resume", (*Service).Resume),
	"retry":       acting("retry", (*Service).Retry),
	"release":     acting("release", (*Service).Release),
	"dismiss":     acting("dismiss", (*Service).Dismiss),
	"resolve":     acting("resolve", (*Service).Resolve),
}

// of makes a verb of a method.
func of[Q, A any](f func(*Service, context.Context, engine.Actor, *Q) (*A, error)) verb {
	return func(s *Service, ctx context.Context, actor engine.Actor, body []byte) (any, error) {
		request := new(Q)
		if err := json.Unmarshal(body, request); err != nil {
			return nil, usage("read the request: %v", err)
		}
		return f(s, ctx, actor, request)
	}
}

func (s *Service) do(ctx context.Context, actor engine.Actor, name string, body []byte) (any, error) {
	f := verbs[name]
	if f == nil {
		return nil, usage("nothing is called %q: there are %v", name, slices.Sorted(maps.Keys(verbs)))
	}
	answer, err := f(s, ctx, actor, body)
	if errors.Is(err, engine.ErrStateUncertain) && s.Uncertain != nil {
		s.Uncertain(err)
	}
	if err != nil {
		return nil, passing(err)
	}
	return answer, nil
}

func (s *Service) reload(ctx context.Context, _ engine.Actor, _ *Nothing) (*Nothing, error) {
	if s.Reload == nil {
		return nil, usage("no daemon runs: the ruleset is read anew by every command")
	}
	return &Nothing{}, s.Reload(ctx)
}

// flow returns a flow of the ruleset that runs.
func (s *Service) flow(name string) (*rules.Flow, error) {
	return findFlow(s.Engine.Ruleset(), name)
}

func findFlow(set *rules.Ruleset, name string) (*rules.Flow, error) {
	var names []string
	for _, f := range set.Flows {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return nil, usage("no flow is called %q: there are %s", name, strings.Join(names, ", "))
}

// ledger opens the ledger a flow has in its present mode.
func (s *Service) ledger(f *rules.Flow) (engine.Ledger, error) {
	return s.State.Ledger(engine.LedgerName(f.Name, f.Mode), resourceName(f.From), resourceName(f.To))
}

func resourceName(r *rules.Resource) string { return r.Connector.Name + "." + r.Name }

func asError(err error) (*Error, bool) {
	if refusal, ok := errors.AsType[*engine.Refusal](err); ok {
		e := &Error{Message: refusal.Message, Hint: refusal.Hint}
		if refusal.Usage {
			e.Code = Usage
		}
		return e, true
	}
	return errors.AsType[*Error](err)
}

func codeOf(err error) Code {
	if errors.Is(err, engine.ErrStateUncertain) {
		return Uncertain
	}
	return ""
}

// compile compiles files that came with a request.
func (s *Service) compile(files []File) (*rules.Ruleset, error) {
	set, err := s.Compile(s.Engine.Ruleset().Dir, files)
	if err != nil {
		return nil, &Error{Message: fmt.Sprint(err), Code: BadRuleset}
	}
	return set, nil
}
