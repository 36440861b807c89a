package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/audit"
	"headgate/engine/record"
	"headgate/engine/state"
	"headgate/rules"
	"headgate/rules/expression"
)

// forgetful keeps nothing of what operators did.
type forgetful struct{}

func (forgetful) Begin(*audit.Act) error                                       { return nil }
func (forgetful) End(*audit.Act, json.RawMessage, []audit.Record, error) error { return nil }

// FuzzVerbs: whatever is asked, and however, is answered: with JSON, or with an error
// that says something.
func FuzzVerbs(f *testing.F) {
	for verb := range verbs {
		for _, body := range []string{`null`, `{}`, `[]`, `{`, `{"flow":"stock"}`, `{"flow":"stock","why":"w","part":"a","to":"9"}`, `{"flow":"stock","all":true,"why":"w"}`, `{"entity":"item","name":"A"}`, `{"entity":"item","name":""}`, `{"id":""}`, `{"id":"0"}`, `{"flow":"stock","keys":["a/b",""],"limit":3,"from_start":true}`, `{"flow":"stock","files":[{"name":"../x.hcl","bytes":"Zg=="}]}`, `{"flow":"stock","why":"w","allow":{"creates":"500","x":"-1%"},"same_records":true}`} {
			f.Add(verb, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, verb string, body []byte) {
		s := fuzzed(t)
		result, err := s.do(context.Background(), engine.Actor{Name: "fuzz"}, verb, body)
		if err != nil {
			if told := passing(err); told.Message == "" {
				t.Errorf("%s %q failed without a word: %v", verb, body, err)
			}
			return
		}
		if _, err := json.Marshal(result); err != nil {
			t.Errorf("%s %q: %v", verb, body, err)
		}
		if verbs[verb] == nil || !json.Valid(bytes.TrimSpace(body)) {
			t.Errorf("%s %q was done", verb, body)
		}
	})
}

// TestUnwrittenActs: what cannot be written down does not take effect. Reading needs
// no act.
func TestUnwrittenActs(t *testing.T) {
	t.Parallel()
	s := fuzzed(t)
	s.Audit = full{}
	reading := []string{"status", "plan", "exceptions", "exception", "keys", "positions", "verify", "trace", "doctor", "check-state"}
	for verb := range verbs {
		_, err := s.do(context.Background(), engine.Actor{Name: "ann"}, verb, []byte(`{"flow":"stock","why":"w","all":true}`))
		if full := err != nil && strings.Contains(err.Error(), errFull.Error()); full == slices.Contains(reading, verb) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	_, _ = s.do(context.Background(), engine.Actor{Name: "ann"}, "pause", []byte(`{"flow":"stock","why":"w"}`)) // behind whatever may have resumed it
	l, err := s.State.Ledger("stock", "shop.stock", "erp.stock")
	if err != nil {
		t.Fatal(err)
	}
	if h, err := l.Header(); err != nil || h.Paused != "" {
		t.Errorf("the flow is paused: %q, %v", h.Paused, err)
	}
}

// TestLongActs: the longest act that is taken can be read from the log of them.
func TestLongActs(t *testing.T) {
	t.Parallel()
	s, dir := fuzzed(t), t.TempDir()
	log, err := audit.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	s.Audit = log
	const about = len(`{"flow":"stock","why":""}`)
	for length, taken := range map[int]bool{maxAct: true, maxAct + 2: false} {
		why := strings.Repeat("\u009b", (length-about)/2) // each takes three times the room when it is escaped
		_, err := s.do(context.Background(), engine.Actor{Name: "ann"}, "pause", []byte(`{"flow":"stock","why":"`+why+`"}`))
		if (err == nil) != taken {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	read := 0
	for a, err := range audit.Read(dir) {
		if read++; err != nil || !a.Ended || a.Error != "" {
			t.Errorf("the act cannot be read: %v %s", err, a.Error)
		}
	}
	if read != 1 {
		t.Errorf("%d acts are kept, want 1", read)
	}
}

// TestPlanOfOthers: who may only ask the daemon does not have it ask, with its rights
// and secrets, a system that its own ruleset does not name so.
func TestPlanOfOthers(t *testing.T) {
	t.Parallel()
	root, own, other := 0, os.Getuid(), os.Getuid()+1
	for _, test := range []struct {
		uid      *int
		declared string // how the other ruleset declares the source
		asked    bool
	}{{&root, "x", true}, {&own, "x", true}, {&other, "x", false}, {nil, "x", false}, {&other, "", true}} {
		s := fuzzed(t)
		asked := false
		set, running := &rules.Ruleset{}, s.Engine.Ruleset()
		flow, from, connector := *running.Flows[0], *running.Flows[0].From, *running.Flows[0].From.Connector
		connector.Digest, from.Connector, flow.From = test.declared, &connector, &from
		set.Flows, set.Connectors = []*rules.Flow{&flow}, []*rules.Connector{&connector, flow.To.Connector}
		s.Compile = func(string, []File) (*rules.Ruleset, error) { return set, nil }
		s.Other = func(set *rules.Ruleset) *engine.Engine {
			return engine.New(engine.Config{Ruleset: set, State: s.State, Clock: still{}, Open: func(*rules.Connector) (connectors.Connector, error) {
				asked = true
				return nil, errors.New("no system can be reached")
			}})
		}
		_, err := s.do(context.Background(), engine.Actor{Name: "ann", UID: test.uid}, "plan", []byte(`{"flow":"stock","files":[{"name":"x.hcl","bytes":"Zg=="}]}`))
		if asked != test.asked || err == nil {
			t.Errorf("%+v: asked %v, %v", test, asked, err)
		}
	}
}

var errFull = errors.New("no space left on device")

// full can keep nothing of what operators do.
type full struct{ forgetful }

func (full) Begin(*audit.Act) error { return errFull }

// fuzzed is a service over a flow whose systems cannot be opened.
func fuzzed(t *testing.T) *Service {
	entity := &rules.Entity{
		Name: "item", Version: -1, Fields: []rules.Field{{Scale: -1}},
		Schema: record.NewSchema("item", []record.Field{{Name: "sku", Kind: record.String}}, []int{0}),
	}
	resource := func(connector string) *rules.Resource {
		c := &rules.Connector{Name: connector, Type: "none"}
		r := &rules.Resource{
			Connector: c, Name: "stock", Entity: entity, Has: []bool{true}, Read: []rules.Reading{{Column: 0}},
			Write: []rules.Writing{{Column: "sku", Kind: record.String, Uses: []int{0}, Key: true}}, ReadKey: []string{"sku"}, WriteKey: []string{"sku"},
		}
		c.Resources = []*rules.Resource{r}
		return r
	}
	from, to := resource("shop"), resource("erp")
	from.Columns, to.Columns = &expression.Columns{Names: []string{"sku"}}, &expression.Columns{Names: []string{"sku"}}
	set := &rules.Ruleset{
		Entities: []*rules.Entity{entity}, Connectors: []*rules.Connector{from.Connector, to.Connector},
		Flows: []*rules.Flow{{Name: "stock", From: from, To: to, Mode: rules.Live, Create: true}},
	}
	db, err := state.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	e := engine.New(engine.Config{Ruleset: set, State: db, Clock: still{}, Open: func(*rules.Connector) (connectors.Connector, error) {
		return nil, errors.New("no system can be reached")
	}})
	return &Service{
		Engine: e, State: db, Exceptions: t.TempDir(), Now: time.Now, Audit: forgetful{},
		Compile: func(_ string, files []File) (*rules.Ruleset, error) {
			if len(files) == 0 || slices.ContainsFunc(files, func(f File) bool { return len(f.Bytes) > 0 }) {
				return nil, errors.New("these files do not compile")
			}
			return set, nil
		},
		Other: func(*rules.Ruleset) *engine.Engine {
			return engine.New(engine.Config{Ruleset: set, State: db, Clock: still{}, Open: e.Open})
		},
		Secret: func(connectors.Secret) (string, error) { return "", errors.New("no secret") },
	}
}

// still is a clock that stands still.
type still struct{}

func (still) Now() time.Time                                   { return time.Unix(1_800_000_000, 0) }
func (still) Sleep(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
