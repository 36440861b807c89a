package memory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
)

// sender is a table of an API.
type sender struct {
	destination
	api *API
}

// findingSender is one that can be asked.
type findingSender struct{ sender }

func newSender(d destination, api *API) connectors.Destination {
	if api.Find {
		return &findingSender{sender{d, api}}
	}
	return &sender{d, api}
}

// message is what is sent: the changes, by the columns they were made for.
type message struct {
	Key     string // of idempotency
	Columns []string
	Changes []sentChange
}

type sentChange struct {
	Op        connectors.Op
	Key       []byte
	Values    []byte
	Reference string
}

// Ways says how an unknown answer is settled.
func (s *sender) Ways(op connectors.Op) connectors.Ways { return s.api.ways(op) }

// Prepare renders the changes, as many in a message as the API takes.
func (s *sender) Prepare(lot connectors.Lot) ([]connectors.Message, error) {
	var messages []connectors.Message
	for some := range slices.Chunk(lot.Changes, max(s.api.Many, 1)) {
		m := message{Columns: columnNames(s.resource.Write)}
		text := ""
		for _, c := range some {
			m.Changes = append(m.Changes, sentChange{
				Op: c.Op, Key: record.AppendRow(nil, c.Key), Values: record.AppendRow(nil, c.Values), Reference: c.Reference,
			})
			text += fmt.Sprintf("%s %s\n", c.Op, c.Reference)
		}
		bytes, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(bytes)
		m.Key = some[0].Reference + "-" + hex.EncodeToString(sum[:8])
		if bytes, err = json.Marshal(m); err != nil {
			return nil, err
		}
		messages = append(messages, connectors.Message{Changes: len(some), Bytes: bytes, Text: text})
	}
	return messages, nil
}

// Apply prepares and sends, in order, until the first error.
func (s *sender) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	messages, err := s.Prepare(lot)
	receipts := make([]connectors.Receipt, 0, len(lot.Changes))
	for i := 0; i < len(messages) && err == nil; i++ {
		var some []connectors.Receipt
		some, err = s.Send(ctx, messages[i])
		receipts = append(receipts, some...)
	}
	return append(receipts, make([]connectors.Receipt, len(lot.Changes)-len(receipts))...), err
}

// Send does what the message says, unless it is to fail.
func (s *sender) Send(ctx context.Context, m connectors.Message) ([]connectors.Receipt, error) {
	receipts := make([]connectors.Receipt, m.Changes)
	if err := ctx.Err(); err != nil {
		return receipts, err
	}
	var sent message
	if err := json.Unmarshal(m.Bytes, &sent); err != nil || len(sent.Changes) != m.Changes {
		return receipts, &connectors.Error{Class: connectors.Broken, Op: "send", Err: errors.Join(err, errors.New("this is no message of a memory API"))}
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	now := s.now()
	if err := s.api.doLate(now); err != nil {
		return receipts, err
	}
	send := Send{N: len(s.api.sends) + 1, At: now, Bytes: m.Bytes, Text: m.Text}
	s.api.sends = append(s.api.sends, send)
	var fault *Fault
	if s.api.Fail != nil {
		fault = s.api.Fail(send)
	}
	if fault == nil {
		return s.do(&sent, now)
	}
	if fault.Stores && fault.In > 0 {
		s.api.late = append(s.api.late, lateMessage{now.Add(fault.In), sent, s})
	} else if fault.Stores {
		if _, err := s.do(&sent, now); err != nil {
			return receipts, err
		}
	}
	for i := range receipts {
		receipts[i] = connectors.Receipt{Status: fault.Status, Code: fault.Code, Words: fault.Words}
	}
	return receipts, fault.Err
}

func (s *sender) now() time.Time {
	if s.tools.Now == nil {
		return time.Time{}
	}
	return s.tools.Now()
}

// do applies a message once, or once more.
func (s *sender) do(m *message, now time.Time) ([]connectors.Receipt, error) {
	if receipts, known := s.api.remembered(m.Key, now); known {
		return receipts, nil
	}
	receipts := make([]connectors.Receipt, len(m.Changes))
	resource := s.resource
	resource.Write = make([]record.Column, len(m.Columns))
	for i, name := range m.Columns {
		resource.Write[i] = record.Column{Name: name}
	}
	w, err := (&destination{s.connector, resource}).writer("send to")
	if err != nil {
		return receipts, err
	}
	for i, c := range m.Changes {
		change := connectors.Change{Op: c.Op, Reference: c.Reference}
		key, err := record.DecodeRow(c.Key)
		if err != nil {
			return receipts, err
		}
		values, err := record.DecodeRow(c.Values)
		if err != nil {
			return receipts, err
		}
		change.Key, change.Values = key, values
		receipts[i] = s.effect(w, &change, now)
	}
	s.api.remember(m.Key, now, receipts)
	return receipts, nil
}

// effect does one change, and notes when, for who asks within the lag.
func (s *sender) effect(w *writer, c *connectors.Change, now time.Time) connectors.Receipt {
	t, at := w.table, -1
	if here := w.index()[keyText(c.Key)]; len(here) > 0 && (c.Op != connectors.Create || s.api.Repeat) {
		at = here[0]
	}
	if c.Op == connectors.Create && at < 0 {
		receipt := w.create(*c)
		if receipt.Status == connectors.Applied {
			row := &t.rows[len(t.rows)-1]
			row.changed, row.reference, row.before = now, c.Reference, nil
		}
		return receipt
	}
	change := *c
	if change.Op == connectors.Create {
		change.Op = connectors.Update
	}
	var before record.Row
	if at >= 0 {
		before = t.rows[at].values
	}
	receipt := w.apply(change)
	if receipt.Status == connectors.Applied && change.Op == connectors.Update {
		t.rows[at].before, t.rows[at].changed = before, now
	}
	if c.Op == connectors.Create {
		receipt.Row = pick(t.rows[at].values, w.returning)
	}
	return receipt
}

// Find returns what is there by key, or by reference, as it was before the lag.
func (s *findingSender) Find(ctx context.Context, q connectors.Query) ([]connectors.Found, error) {
	if err := errors.Join(ctx.Err(), q.Check()); err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	now := s.now()
	if err := s.api.doLate(now); err != nil {
		return nil, err
	}
	w, err := s.writer("find in")
	if err != nil {
		return nil, err
	}
	read, err := w.table.positions("find in "+w.table.name, columnNames(s.resource.Read))
	if err != nil {
		return nil, err
	}
	at, err := w.table.positions("find in "+w.table.name, q.Of(s.resource.WriteKey))
	if err != nil {
		return nil, err
	}
	var found []connectors.Found
	answered := make([]bool, len(q.Keys))
	for k, key := range q.Keys {
		if fail := s.api.FailFind; fail != nil && q.References != nil {
			if err := fail(q.References[k]); err != nil {
				return nil, &connectors.PartlyFound{Answered: answered, Found: found, Err: err}
			}
		}
		for i := range w.table.rows {
			row := &w.table.rows[i]
			shown := row.values
			if now.Sub(row.changed) < s.api.Lag {
				shown = row.before
			}
			known := q.References != nil && q.References[k] != "" && q.References[k] == row.reference
			if shown == nil || !known && !matches(shown, at, key) {
				continue
			}
			found = append(found, connectors.Found{At: k, Write: pick(shown, w.write), Read: pick(shown, read), Returning: pick(shown, w.returning)})
		}
		answered[k] = true
	}
	return found, nil
}

var (
	_ connectors.Sender = (*sender)(nil)
	_ connectors.Finder = (*findingSender)(nil)
)
