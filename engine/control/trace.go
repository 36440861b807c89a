package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"headgate/engine"
	"headgate/engine/audit"
	"headgate/engine/record"
	"headgate/rules"
)

// TraceRequest asks what became of a record.
type TraceRequest struct {
	Entity string `json:"entity"`
	Name   string `json:"name"` // its key, an id that a system gave it, or its reference
}

// Trace is what became of the records that a name may mean: nearly always one.
type Trace struct {
	Entity  string         `json:"entity"`
	Name    string         `json:"name"`
	Records []TracedRecord `json:"records"`
}

// TracedRecord is what is known of one record.
type TracedRecord struct {
	Key        string             `json:"key"`
	By         []string           `json:"by"` // what the name is of it: "key", "id in erp.orders", "reference of flow orders"
	IDs        []TracedID         `json:"ids"`
	Flows      []FlowTrace        `json:"flows"`
	Exceptions []engine.Exception `json:"exceptions"` // all lines, in the order written
	Acts       []audit.Act        `json:"acts"`       // of operators on its exceptions, in the order they began
}

// TracedID is the id that a resource gave the record.
type TracedID struct {
	Resource string `json:"resource"`
	ID       string `json:"id"`
}

// FlowTrace is what one flow knows of the record.
type FlowTrace struct {
	Flow      string         `json:"flow"`
	Mode      string         `json:"mode"`
	Outcome   engine.Outcome `json:"outcome,omitzero"` // none: never seen
	Delivered bool           `json:"delivered"`        // the destination has it, maybe an earlier version
	Version   string         `json:"version,omitempty"`
	Reference string         `json:"reference,omitempty"` // where the destination keeps one
	Pass      uint64         `json:"pass,omitempty"`
	Batch     *TracedBatch   `json:"batch,omitempty"`   // that decided the outcome
	Waiting   *TracedWait    `json:"waiting,omitempty"` // for a person
	Sending   time.Time      `json:"sending,omitzero"`  // since when a batch with it is being sent
}

// TracedBatch is the batch that decided an outcome.
type TracedBatch struct {
	Number  uint64    `json:"number"`
	Time    time.Time `json:"time"`
	Ruleset string    `json:"ruleset"`
	Part    string    `json:"part,omitempty"`
	Again   bool      `json:"again,omitempty"` // it was judged again, not read again
}

// TracedWait is how a record waits for a person.
type TracedWait struct {
	Outcome   engine.Outcome `json:"outcome"`
	Exception string         `json:"exception"`
	Since     time.Time      `json:"since"`
	Attempts  int            `json:"attempts"`
	Part      string         `json:"part,omitempty"`
	Where     string         `json:"where,omitempty"`
}

// Trace tells what became of a record, in all flows of its entity.
func (s *Service) Trace(ctx context.Context, _ engine.Actor, q *TraceRequest) (*Trace, error) {
	t := &tracer{service: s}
	if err := t.chooseFlows(q.Entity); err != nil {
		return nil, err
	}
	trace := &Trace{Entity: q.Entity, Name: q.Name, Records: []TracedRecord{}}
	for _, way := range []func(context.Context, string) ([]found, error){t.byName, t.byReference} {
		all, err := way(ctx, q.Name)
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			r, err := t.record(f)
			if err != nil {
				return nil, err
			}
			if r.known() {
				trace.Records = append(trace.Records, *r)
			}
		}
		if len(trace.Records) > 0 {
			return trace, nil
		}
	}
	return nil, &Error{
		Message: fmt.Sprintf("nothing is known of %s %s: no flow saw it by that key, id or reference", q.Entity, quoted(q.Name)),
		Hint:    "its key is " + engine.KeyParts(t.entity) + "; `headgate plan FLOW --key KEY` shows what would become of it",
	}
}

// known reports whether anything is known of the record.
func (r *TracedRecord) known() bool {
	return len(r.IDs) > 0 || len(r.Exceptions) > 0 || slices.ContainsFunc(r.Flows, func(f FlowTrace) bool {
		return f.Outcome != engine.NoOutcome || !f.Sending.IsZero()
	})
}

// tracer looks for the records of one entity.
type tracer struct {
	service *Service
	entity  *rules.Entity
	flows   []*rules.Flow
	ledgers []engine.Ledger // of flows
}

func (t *tracer) chooseFlows(entity string) error {
	var names []string
	for _, f := range t.service.Engine.Ruleset().Flows {
		name := f.From.Entity.Name
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if name != entity {
			continue
		}
		l, err := t.service.ledger(f)
		if err != nil {
			return err
		}
		t.entity, t.flows, t.ledgers = f.From.Entity, append(t.flows, f), append(t.ledgers, l)
	}
	if t.entity == nil {
		return usage("no flow moves an entity called %q: there are %v", entity, names)
	}
	return nil
}

// record tells what is known of one record.
func (t *tracer) record(f found) (*TracedRecord, error) {
	r := &TracedRecord{Key: engine.KeyText(t.entity, f.key), By: f.by, IDs: []TracedID{}, Flows: []FlowTrace{}}
	var err error
	if r.IDs, err = t.ids(f.key); err != nil {
		return nil, err
	}
	for i := range t.flows {
		flow, err := t.flow(i, f.key)
		if err != nil {
			return nil, fmt.Errorf("read the ledger of flow %s: %w", t.flows[i].Name, err)
		}
		r.Flows = append(r.Flows, *flow)
	}
	if r.Exceptions, err = t.exceptions(r); err != nil {
		return nil, err
	}
	r.Acts, err = t.acts(r)
	return r, err
}

// acts are what operators did about the record. What it returned is left out: it may
// speak of other records.
func (t *tracer) acts(r *TracedRecord) ([]audit.Act, error) {
	ids := make(map[string]bool)
	for i := range r.Exceptions {
		ids[r.Exceptions[i].ID] = true
	}
	if len(ids) == 0 || t.service.Acts == "" {
		return []audit.Act{}, nil
	}
	acts, err := audit.Naming(t.service.Acts, ids)
	if err != nil {
		return nil, fmt.Errorf("read what operators did: %w", err)
	}
	for i := range acts {
		acts[i].Request, acts[i].Result = nil, nil
		acts[i].Records = slices.DeleteFunc(acts[i].Records, func(named audit.Record) bool { return !ids[named.Exception] })
	}
	return slices.Clip(append([]audit.Act{}, acts...)), nil
}

func (t *tracer) ids(key record.Key) ([]TracedID, error) {
	all := []TracedID{}
	for _, r := range t.resources() {
		if !engine.ShowsID(r) {
			continue
		}
		resource, ids := resourceName(r), make([]record.Value, 1)
		if err := t.service.State.IDs(resource, []record.Key{key}, ids); err != nil {
			return nil, fmt.Errorf("look up the id in %s: %w", resource, err)
		}
		if !ids[0].Missing() {
			all = append(all, TracedID{resource, ids[0].Text()})
		}
	}
	return all, nil
}

// resources are those the flows move between, each once.
func (t *tracer) resources() []*rules.Resource {
	var all []*rules.Resource
	for _, f := range t.flows {
		for _, r := range []*rules.Resource{f.From, f.To} {
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

func (t *tracer) flow(i int, key record.Key) (*FlowTrace, error) {
	l, keys, entries := t.ledgers[i], []record.Key{engine.LedgerKey(key)}, make([]engine.Entry, 1)
	f := &FlowTrace{Flow: t.flows[i].Name, Mode: t.flows[i].Mode.String()}
	if err := l.Find(keys, entries); err != nil {
		return nil, err
	}
	if err := t.sending(f, l, keys[0]); err != nil {
		return nil, err
	}
	e := &entries[0]
	if !e.Known() {
		return f, nil
	}
	f.Outcome, f.Delivered, f.Pass = e.Outcome, e.Delivered, e.Pass
	if !e.Version.Missing() && !t.hides(t.entity.Version) {
		f.Version = e.Version.Text()
	}
	rows, err := l.Journal(e.Journal-1, 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 1 && rows[0].Number == e.Journal { // it may be forgotten
		f.Batch = &TracedBatch{Number: rows[0].Number, Time: rows[0].Time, Ruleset: rows[0].Digest, Part: rows[0].Part, Again: rows[0].Again}
	}
	names, err := t.namer(i)
	if err != nil {
		return nil, err
	}
	if names.worker.ShowsReference() {
		f.Reference = names.of(key)
	}
	return f, t.waiting(f, l, keys)
}

// hides reports whether a field is one whose values nobody is shown.
func (t *tracer) hides(field int) bool { return field >= 0 && t.entity.Schema.Fields[field].Sensitive }

func (t *tracer) sending(f *FlowTrace, l engine.Ledger, key record.Key) error {
	intent, err := l.Intent()
	if err == nil && intent != nil && slices.Contains(intent.Keys, key) {
		f.Sending = intent.Time
		return nil
	}
	if err == nil {
		f.Sending, err = engine.SendingSince(l, key)
	}
	return err
}

func (t *tracer) waiting(f *FlowTrace, l engine.Ledger, keys []record.Key) error {
	opens := make([]engine.OpenRecord, 1)
	if err := l.OpenAt(keys, opens); err != nil {
		return err
	}
	if o := &opens[0]; o.Exception != "" {
		f.Waiting = &TracedWait{Outcome: o.Outcome, Exception: o.Exception, Since: o.Since, Attempts: o.Attempts, Part: o.Part, Where: o.Where}
	}
	return nil
}
