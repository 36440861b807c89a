package simulation

import (
	"time"

	"headgate/engine"
	"headgate/engine/record"
)

// gate is what each call to the world goes through: it makes the call, or does not, and
// says how it failed.
type gate func(op string, call func() error) error

// gatedState is a state whose every call goes through a gate.
type gatedState struct {
	engine.State
	gate gate
}

func (s *gatedState) Ledger(name, from, to string) (l engine.Ledger, err error) {
	err = s.gate("state.ledger", func() (err error) {
		l, err = s.State.Ledger(name, from, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &gatedLedger{l, s.gate}, nil
}

func (s *gatedState) Ledgers() (names []string, err error) {
	err = s.gate("state.ledgers", func() (err error) {
		names, err = s.State.Ledgers()
		return err
	})
	return names, err
}

func (s *gatedState) Rename(from, to string) error {
	return s.gate("state.rename", func() error { return s.State.Rename(from, to) })
}

func (s *gatedState) Drop(name string) error {
	return s.gate("state.drop", func() error { return s.State.Drop(name) })
}

func (s *gatedState) IDs(resource string, keys []record.Key, ids []record.Value) error {
	return s.gate("state.ids", func() error { return s.State.IDs(resource, keys, ids) })
}

func (s *gatedState) KeyOf(resource string, id record.Value) (key record.Key, ok bool, err error) {
	err = s.gate("state.key_of", func() (err error) {
		key, ok, err = s.State.KeyOf(resource, id)
		return err
	})
	return key, ok, err
}

// gatedLedger is a ledger whose every call goes through a gate.
type gatedLedger struct {
	engine.Ledger
	gate gate
}

// got makes a call that returns a value, which is nothing where the call failed.
func got[V any](g gate, op string, call func() (V, error)) (v V, err error) {
	err = g(op, func() (err error) {
		v, err = call()
		return err
	})
	if err != nil {
		var none V
		return none, err
	}
	return v, nil
}

func (l *gatedLedger) Header() (engine.Header, error) {
	return got(l.gate, "ledger.header", l.Ledger.Header)
}

func (l *gatedLedger) Find(keys []record.Key, entries []engine.Entry) error {
	return l.gate("ledger.find", func() error { return l.Ledger.Find(keys, entries) })
}

func (l *gatedLedger) Position(part string) (record.Position, error) {
	return got(l.gate, "ledger.position", func() (record.Position, error) { return l.Ledger.Position(part) })
}

func (l *gatedLedger) Positions() (map[string]record.Position, error) {
	return got(l.gate, "ledger.positions", l.Ledger.Positions)
}

func (l *gatedLedger) Opens(after record.Key, limit int) ([]engine.OpenRecord, error) {
	return got(l.gate, "ledger.opens", func() ([]engine.OpenRecord, error) { return l.Ledger.Opens(after, limit) })
}

func (l *gatedLedger) OpenAt(keys []record.Key, opens []engine.OpenRecord) error {
	return l.gate("ledger.open_at", func() error { return l.Ledger.OpenAt(keys, opens) })
}

func (l *gatedLedger) Intent() (*engine.Intent, error) {
	return got(l.gate, "ledger.intent", l.Ledger.Intent)
}

func (l *gatedLedger) Sends(after record.Key, limit int) ([]engine.SendIntent, error) {
	return got(l.gate, "ledger.sends", func() ([]engine.SendIntent, error) { return l.Ledger.Sends(after, limit) })
}

func (l *gatedLedger) Settle(all ...*engine.Settlement) error {
	return l.gate("ledger.settle", func() error { return l.Ledger.Settle(all...) })
}

func (l *gatedLedger) Journal(after uint64, limit int) ([]engine.JournalRow, error) {
	return got(l.gate, "ledger.journal", func() ([]engine.JournalRow, error) { return l.Ledger.Journal(after, limit) })
}

func (l *gatedLedger) Base() (engine.Base, error) {
	return got(l.gate, "ledger.base", l.Ledger.Base)
}

func (l *gatedLedger) Prune(before time.Time, most int) (int, error) {
	return got(l.gate, "ledger.prune", func() (int, error) { return l.Ledger.Prune(before, most) })
}

func (l *gatedLedger) SetPosition(part string, to record.Position, why string) error {
	return l.gate("ledger.set_position", func() error { return l.Ledger.SetPosition(part, to, why) })
}

func (l *gatedLedger) Suspects(after record.Key, limit int) ([]record.Key, error) {
	return got(l.gate, "ledger.suspects", func() ([]record.Key, error) { return l.Ledger.Suspects(after, limit) })
}

func (l *gatedLedger) Entries(after record.Key, limit int) ([]engine.KeyEntry, error) {
	return got(l.gate, "ledger.entries", func() ([]engine.KeyEntry, error) { return l.Ledger.Entries(after, limit) })
}

// gatedLog is an exception log whose every call goes through a gate.
type gatedLog struct {
	engine.ExceptionLog
	gate gate
}

func (l *gatedLog) Append(all []engine.Exception) error {
	return l.gate("log.append", func() error { return l.ExceptionLog.Append(all) })
}

func (l *gatedLog) Prune(before time.Time) error {
	return l.gate("log.prune", func() error { return l.ExceptionLog.Prune(before) })
}

// steppedState lets only what has an effect wait for a turn.
type steppedState struct {
	*gatedState
	process *process
}

func (s *steppedState) Ledger(name, from, to string) (engine.Ledger, error) {
	l, err := s.gatedState.Ledger(name, from, to)
	if err != nil {
		return nil, err
	}
	return &steppedLedger{l, name, s.process}, nil
}

type steppedLedger struct {
	engine.Ledger
	name    string
	process *process
}

func (l *steppedLedger) Settle(all ...*engine.Settlement) error {
	return l.process.gate(l.name+".ledger.settle", func() error { return l.Ledger.Settle(all...) })
}
