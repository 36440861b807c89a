package http

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"headgate/connectors"
	"headgate/engine/record"
)

// errNotUTF8 says that a text is no text of a document.
var errNotUTF8 = errors.New("a text is not valid UTF-8")

var redacted = record.StringValue(connectors.Redacted)

// Prepare renders each change as a request, or as many as its block lets into one
// where they go to the same place.
func (d *destination) Prepare(lot connectors.Lot) ([]connectors.Message, error) {
	p := packer{destination: d}
	for i := range lot.Changes {
		p.add(&lot.Changes[i])
	}
	p.flush()
	return p.messages, nil
}

// packer makes messages of changes, in their order.
type packer struct {
	*destination
	messages []connectors.Message
	open     *pack // the one that may take more; nil: none
}

// pack is a message in the making.
type pack struct {
	effect *effect
	sent   *message
	shown  *message // the same as people may see it; it is sent where they may see all
	name   string   // the reference of its first change
}

// add packs one change. One that cannot be rendered is refused by itself.
func (p *packer) add(c *connectors.Change) {
	one, err := p.pack(c)
	switch {
	case err != nil:
		p.flush()
		refusal := refused("unsendable", "it cannot be sent: "+err.Error())
		p.messages = append(p.messages, connectors.Message{Changes: 1, Refusal: &refusal})
	case p.open != nil && p.open.takes(one):
		p.open.take(one)
	default:
		p.flush()
		p.open = one
	}
}

// flush closes the message that is open.
func (p *packer) flush() {
	if p.open == nil {
		return
	}
	one := p.open
	p.open = nil
	if many := one.effect.many; many != nil {
		one.each(func(m *message) { m.body = many.wrap(m.body) })
	}
	if one.effect.keyed {
		one.sent.key = one.name + "-" + one.sent.digest(p.tools.Now().UnixNano())
	}
	p.messages = append(p.messages, connectors.Message{Changes: one.sent.changes, Bytes: one.sent.encode(), Text: one.shown.text()})
}

// pack renders one change.
func (p *packer) pack(c *connectors.Change) (*pack, error) {
	e := p.effects[c.Op]
	if e == nil {
		return nil, fmt.Errorf("the resource says nothing of how to %s", c.Op)
	}
	if e.keyed && strings.ContainsFunc(c.Reference, isControl) {
		return nil, fmt.Errorf("the header %s cannot hold a control character, and the reference has one", p.keyHeader)
	}
	values := p.valuesOf(c)
	sent, err := p.render(e, c, values)
	if err != nil {
		return nil, err
	}
	one := &pack{effect: e, sent: sent, shown: sent, name: c.Reference}
	if slices.Contains(p.resource.Sensitive, true) {
		one.shown, err = p.render(e, p.masked(c), p.maskedValues(values))
	}
	return one, err
}

func (p *packer) render(e *effect, c *connectors.Change, values record.Row) (*message, error) {
	m, err := e.render(p.names(c, values))
	if err != nil {
		return nil, err
	}
	m.op, m.changes, m.many = c.Op, 1, e.many != nil
	m.body, err = p.body(e, c, values)
	return m, err
}

// body is the object that write makes. A delete has none, but for the columns that are
// set instead. Where several go into one request, each has its key and its id in it.
func (p *packer) body(e *effect, c *connectors.Change, values record.Row) ([]byte, error) {
	w := p.writer
	switch {
	case c.Op != connectors.Delete:
	case p.gone != nil:
		gone := slices.Clone(p.goneValues)
		for _, i := range p.named() {
			if e.many == nil {
				gone = append(gone, record.Value{})
			} else {
				gone = append(gone, values[i])
			}
		}
		w, values = p.gone, gone
	case e.many == nil:
		return nil, nil
	}
	body, ok := w.Append(nil, values)
	if !ok {
		return nil, errNotUTF8
	}
	return body, nil
}

// takes reports whether the request has room for another change.
func (p *pack) takes(other *pack) bool {
	m, o := p.sent, other.sent
	return p.effect == other.effect && p.effect.many != nil && m.op == o.op && m.changes < p.effect.many.limit &&
		m.path == o.path && m.query == o.query && slices.Equal(m.headers, o.headers)
}

func (p *pack) take(other *pack) {
	p.sent.changes++
	p.sent.body = append(append(p.sent.body, ','), other.sent.body...)
	if p.shown != p.sent {
		p.shown.body = append(append(p.shown.body, ','), other.shown.body...)
	}
}

// each calls f with what is sent, and with what is shown where that is another one.
func (p *pack) each(f func(*message)) {
	if f(p.sent); p.shown != p.sent {
		f(p.shown)
	}
}

// valuesOf are the values of the columns of the writer: those of the change, its key
// and its id, and headgate's reference, where no expression made that of a create.
func (d *destination) valuesOf(c *connectors.Change) record.Row {
	values := make(record.Row, len(d.columns))
	if c.Op != connectors.Delete {
		copy(values, c.Values)
	}
	several := c.Op != connectors.Create && d.effects[c.Op] != nil && d.effects[c.Op].many != nil
	for i, at := range d.key {
		if at >= 0 && i < len(c.Key) && (c.Op == connectors.Delete || d.whole(c.Op) || several) {
			values[at] = c.Key[i]
		}
	}
	if several && d.id >= 0 {
		values[d.id] = c.ID
	}
	if at := d.reference; at >= 0 && values[at].Missing() && c.Reference != "" && (c.Op == connectors.Create || d.whole(c.Op)) {
		values[at] = record.StringValue(c.Reference)
	}
	return values
}

// names are what templates may use of a change.
func (d *destination) names(c *connectors.Change, values record.Row) connectors.Names {
	names := make(connectors.Names, len(d.columns)+2)
	for i, column := range d.columns {
		names[column.Name] = values[i]
	}
	for i, name := range d.resource.WriteKey {
		if i < len(c.Key) && names[name].Missing() {
			names[name] = c.Key[i]
		}
	}
	names[nameID] = c.ID
	if c.Reference != "" {
		names[nameReference] = record.StringValue(c.Reference)
	}
	return names
}

// masked is the change as people may see it, but for its values.
func (d *destination) masked(c *connectors.Change) *connectors.Change {
	shown := *c
	shown.Key = slices.Clone(c.Key)
	for i, at := range d.key {
		if d.isSensitive(at) && i < len(shown.Key) {
			shown.Key[i] = redacted
		}
	}
	if d.isSensitive(d.reference) && c.Reference != "" {
		shown.Reference = connectors.Redacted
	}
	return &shown
}

// maskedValues are the values as people may see them.
func (d *destination) maskedValues(values record.Row) record.Row {
	shown := slices.Clone(values)
	for i := range shown {
		if d.isSensitive(i) && !shown[i].Missing() {
			shown[i] = redacted
		}
	}
	return shown
}

func (d *destination) isSensitive(column int) bool {
	return column >= 0 && column < len(d.resource.Sensitive) && d.resource.Sensitive[column]
}

// columnsOf are the columns of a body: those that are written, the reference, and the
// id, which names a record among several.
func columnsOf(r *connectors.Resource) (columns []record.Column, reference, id int) {
	columns = slices.Clone(r.Write)
	add := func(name string, kind record.Kind) int {
		at := slices.IndexFunc(columns, func(c record.Column) bool { return c.Name == name })
		if at < 0 {
			at = len(columns)
			columns = append(columns, record.Column{Name: name, Kind: kind})
		}
		return at
	}
	reference, id = -1, -1
	if r.Reference != "" {
		reference = add(r.Reference, record.String)
	}
	if s := r.Settings.(*Resource); len(r.Returning) == 1 && (s.Update.several() || s.Delete.several()) {
		id = add(r.Returning[0], record.Unknown)
	}
	return columns, reference, id
}

// several reports whether several changes go into one request.
func (e *Effect) several() bool { return e != nil && e.Many != nil }
