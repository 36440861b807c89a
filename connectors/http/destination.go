package http

import (
	"fmt"
	nethttp "net/http"
	"slices"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// destination writes a resource by requests.
type destination struct {
	*connector
	resource connectors.Resource
	effects  map[connectors.Op]*effect
	finds    []find

	keyHeader  string          // of the idempotency key
	columns    []record.Column // of a body: those of Resource.Write, and the reference
	writer     *document.Writer
	key        []int            // Resource.WriteKey among the columns; -1: not there
	reference  int              // among the columns; -1: it has none
	id         int              // among the columns, where several changes go into one request; -1: not there
	gone       *document.Writer // what tells that a record is gone; nil: a request does
	goneValues record.Row

	writes, reads, returns, asks *columns // of a record that is found
	naming                       *columns // of a record among the answers to several changes
	unique                       [][]int  // which of naming, together, no other record has
}

// Destination opens a resource to be written, without asking the system.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	d := &destination{connector: c, resource: r}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	if len(d.finds) > 0 {
		return &finder{d}, nil
	}
	return d, nil
}

// prepare compiles what the resource says.
func (d *destination) prepare() error {
	r, s := &d.resource, d.resource.Settings.(*Resource)
	var err error
	d.columns, d.reference, d.id = columnsOf(r)
	d.prepareNaming()
	if d.writer, err = document.NewWriter(d.columns); err != nil {
		return d.unwritable(err)
	}
	for _, name := range r.WriteKey {
		d.key = append(d.key, slices.IndexFunc(d.columns, func(c record.Column) bool { return c.Name == name }))
	}
	if err = d.prepareGone(); err != nil {
		return d.unwritable(err)
	}
	d.writes, d.reads, d.returns = newColumns(r.Write), newColumns(r.Read), newColumns(plain(r.Returning))
	if err := d.prepareFinds(s); err != nil {
		return err
	}
	return d.prepareEffects(s)
}

// prepareGone compiles the columns that tell that a record is gone, and those that name
// it where several are told of in one request.
func (d *destination) prepareGone() (err error) {
	if len(d.resource.Delete) == 0 {
		return nil
	}
	var columns []record.Column
	for _, set := range d.resource.Delete {
		columns = append(columns, record.Column{Name: set.Column})
		d.goneValues = append(d.goneValues, set.Value)
	}
	for _, i := range d.named() {
		columns = append(columns, d.columns[i])
	}
	d.gone, err = document.NewWriter(columns)
	return err
}

// named are the columns by which a record is named in its own change.
func (d *destination) named() (at []int) {
	for _, i := range append(slices.Clone(d.key), d.id) {
		if i >= 0 {
			at = append(at, i)
		}
	}
	return at
}

func (d *destination) unwritable(err error) error {
	e := d.failed(connectors.Broken, "write", "", err)
	e.Hint = "name it otherwise"
	return e
}

func plain(names []string) []record.Column {
	columns := make([]record.Column, len(names))
	for i, name := range names {
		columns[i] = record.Column{Name: name, Kind: record.Unknown}
	}
	return columns
}

// prepareFinds compiles the find blocks. Each must ask by something that a found
// record shows, or nobody could tell whether it is the one that was asked for.
func (d *destination) prepareFinds(s *Resource) error {
	var shown []string
	for _, b := range s.Finds {
		f := find{target: target{nethttp.MethodGet, b.Path, b.Query, b.Headers}, ok: b.OK, records: b.Records, lag: b.Lag, named: len(b.Path.Uses) > 0}
		if !slices.ContainsFunc(f.uses(), func(name string) bool { return d.columnOf(name) != "" }) {
			e := d.failed(connectors.Broken, "find", "", fmt.Errorf("find %s asks by nothing that the found record shows", b.Path.Source))
			e.Hint = "give the resource its `reference` or `id`, or ask by its key"
			return e
		}
		for _, name := range f.uses() {
			shown = append(shown, d.columnOf(name))
		}
		d.finds = append(d.finds, f)
	}
	slices.Sort(shown)
	d.asks = newColumns(plain(slices.DeleteFunc(slices.Compact(shown), func(name string) bool { return name == "" })))
	return nil
}

const defaultKeyHeader = "Idempotency-Key"

// The methods of effects that name none.
var methods = map[connectors.Op]string{
	connectors.Create: nethttp.MethodPost,
	connectors.Update: nethttp.MethodPatch,
	connectors.Delete: nethttp.MethodDelete,
}

// prepareEffects compiles the blocks of effects. An upsert is a create and an update.
func (d *destination) prepareEffects(s *Resource) (err error) {
	d.effects = make(map[connectors.Op]*effect)
	d.keyHeader = defaultKeyHeader
	if s.Idempotency != nil && s.Idempotency.Header != "" {
		d.keyHeader = s.Idempotency.Header
	}
	for op, b := range map[connectors.Op]*Effect{connectors.Create: s.Create, connectors.Update: s.Update, connectors.Delete: s.Delete} {
		if b == nil {
			b = s.Upsert
			if op == connectors.Delete {
				continue
			}
		}
		if b == nil {
			continue
		}
		if d.effects[op], err = d.newEffect(op, b, s); err != nil {
			return err
		}
	}
	if d.gone != nil { // told by an update
		d.effects[connectors.Delete] = d.effects[connectors.Update]
	}
	return nil
}

func (d *destination) newEffect(op connectors.Op, b *Effect, s *Resource) (*effect, error) {
	upsert := b == s.Upsert
	method := b.Method
	switch {
	case method != "":
	case upsert:
		method = nethttp.MethodPut
	default:
		method = methods[op]
	}
	e := &effect{
		target: target{method, b.Path, b.Query, b.Headers}, ok: b.OK, refused: b.Refused, answer: b.Answer,
		absolute: upsert || method == nethttp.MethodPut && op == connectors.Update,
		keyed:    s.Idempotency != nil,
	}
	if b.Many != nil {
		var err error
		if e.many, err = newMany(b.Many); err != nil {
			return nil, d.unwritable(err)
		}
	}
	e.ways = d.ways(op, e, b.OnUnknown, s.Idempotency)
	return e, nil
}

// ways are how an unknown answer is settled. What is absolute, or a delete, is the
// same done twice as done once.
func (d *destination) ways(op connectors.Op, e *effect, onUnknown string, i *Idempotency) connectors.Ways {
	if onUnknown == unknownDoubt {
		return connectors.Ways{}
	}
	w := connectors.Ways{Repeat: e.absolute || e.method == nethttp.MethodDelete, Double: onUnknown == unknownRetry}
	if i != nil {
		w.Window = i.Window
	}
	known := connectors.Names{nameReference: redacted}
	if op != connectors.Create {
		known[nameID] = redacted
	}
	for _, name := range d.resource.WriteKey {
		if op != connectors.Create || !slices.Contains(d.resource.Returning, name) { // the id is a key only once it is given
			known[name] = redacted
		}
	}
	for _, f := range d.finds {
		if f.knows(known) {
			w.Find, w.Lag = true, f.lag
			break
		}
	}
	return w
}

// Place names the address and what is written there.
func (d *destination) Place() (string, error) {
	s := d.resource.Settings.(*Resource)
	for _, b := range []*Effect{s.Create, s.Upsert, s.Update, s.Delete} {
		if b != nil {
			return d.place(b.Path.Source), nil
		}
	}
	return d.place(""), nil
}

// Ways says how an unknown answer to such a change is settled.
func (d *destination) Ways(op connectors.Op) connectors.Ways {
	if e := d.effects[op]; e != nil {
		return e.ways
	}
	return connectors.Ways{}
}

// Replaces reports whether an update makes a record what is sent.
func (d *destination) Replaces() bool { return d.whole(connectors.Update) }

// whole reports whether such a change must carry all of a record.
func (d *destination) whole(op connectors.Op) bool {
	e := d.effects[op]
	return e != nil && e.absolute && op != connectors.Delete
}
