package engine

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"headgate/engine/record"
)

// overlay is a map over a ledger: it takes settlements and shows them as settled,
// and the ledger below never hears of them. A plan runs over it.
type overlay struct {
	mu        sync.RWMutex // stages read while the last one settles
	below     Ledger
	header    Header
	entries   map[record.Key]Entry
	opens     map[record.Key]*OpenRecord // nil: closed here
	positions map[string]record.Position
}

func newOverlay(below Ledger) (*overlay, error) {
	header, err := below.Header()
	return &overlay{
		below: below, header: header,
		entries:   make(map[record.Key]Entry),
		opens:     make(map[record.Key]*OpenRecord),
		positions: make(map[string]record.Position),
	}, err
}

func (o *overlay) Header() (Header, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.header, nil
}

func (o *overlay) Find(keys []record.Key, entries []Entry) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if err := o.below.Find(keys, entries); err != nil {
		return err
	}
	for i, key := range keys {
		if e, ok := o.entries[key]; ok {
			entries[i] = e
		}
	}
	return nil
}

func (o *overlay) Position(part string) (record.Position, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if p, ok := o.positions[part]; ok {
		return p, nil
	}
	return o.below.Position(part)
}

func (o *overlay) Positions() (map[string]record.Position, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all, err := o.below.Positions()
	if err == nil {
		if all = maps.Clone(all); all == nil {
			all = make(map[string]record.Position)
		}
		maps.Copy(all, o.positions)
	}
	return all, err
}

func (o *overlay) Opens(after record.Key, limit int) ([]OpenRecord, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	below, err := o.below.Opens(after, limit+len(o.opens))
	if err != nil {
		return nil, err
	}
	below = slices.DeleteFunc(below, func(r OpenRecord) bool { _, here := o.opens[r.Key]; return here })
	for key, r := range o.opens {
		if r != nil && key > after {
			below = append(below, *r)
		}
	}
	slices.SortFunc(below, func(a, b OpenRecord) int { return compareText(string(a.Key), string(b.Key)) })
	return below[:min(limit, len(below))], nil
}

func (o *overlay) OpenAt(keys []record.Key, opens []OpenRecord) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if err := o.below.OpenAt(keys, opens); err != nil {
		return err
	}
	for i, key := range keys {
		if r, ok := o.opens[key]; ok {
			opens[i] = OpenRecord{}
			if r != nil {
				opens[i] = *r
			}
		}
	}
	return nil
}

func (o *overlay) Intent() (*Intent, error) { return nil, nil }

func (o *overlay) Sends(record.Key, int) ([]SendIntent, error) { return nil, nil }

// Settle keeps the settlements in memory only.
func (o *overlay) Settle(all ...*Settlement) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range all {
		o.settle(s)
	}
	return nil
}

func (o *overlay) settle(s *Settlement) {
	if s.Journal != nil {
		o.header.Journal++
		s.Journal.Number = o.header.Journal
		o.header.Read += s.Journal.Read
		o.header.Counts.Add(&s.Journal.Counts)
		if s.Position != nil {
			o.positions[s.Journal.Part] = *s.Position
		}
	}
	if s.Header != nil {
		h := *s.Header
		h.Known, h.Read, h.Counts, h.Journal, h.Mark = o.header.Known, o.header.Read, o.header.Counts, o.header.Journal, o.header.Mark
		o.header = h
	}
	for i := range s.Entries {
		o.put(s.Entries[i])
	}
	for _, key := range s.Closed {
		o.opens[key] = nil
	}
	for i := range s.Open {
		o.opens[s.Open[i].Key] = &s.Open[i]
	}
}

func (o *overlay) put(e KeyEntry) {
	if e.Entry.Number == 0 {
		o.header.Known++
		e.Entry.Number = uint32(o.header.Known)
	}
	e.Entry.Journal = o.header.Journal
	o.entries[e.Key] = *e.Entry
}

func (o *overlay) Journal(after uint64, limit int) ([]JournalRow, error) {
	return o.below.Journal(after, limit)
}

func (o *overlay) Base() (Base, error) { return o.below.Base() }

func (o *overlay) Prune(time.Time, int) (int, error) { return 0, errUnwritten }

func (o *overlay) SetPosition(part string, to record.Position, _ string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.positions[part] = to
	return nil
}

func (o *overlay) Entries(after record.Key, limit int) ([]KeyEntry, error) {
	return o.below.Entries(after, limit)
}

func (o *overlay) Suspects(after record.Key, limit int) ([]record.Key, error) {
	return o.below.Suspects(after, limit)
}

// unwritten is a ledger that nothing was settled into.
type unwritten struct{}

func (unwritten) Header() (Header, error)                           { return Header{}, nil }
func (unwritten) Position(string) (record.Position, error)          { return "", nil }
func (unwritten) Positions() (map[string]record.Position, error)    { return nil, nil }
func (unwritten) Opens(record.Key, int) ([]OpenRecord, error)       { return nil, nil }
func (unwritten) Intent() (*Intent, error)                          { return nil, nil }
func (unwritten) Sends(record.Key, int) ([]SendIntent, error)       { return nil, nil }
func (unwritten) Journal(uint64, int) ([]JournalRow, error)         { return nil, nil }
func (unwritten) Entries(record.Key, int) ([]KeyEntry, error)       { return nil, nil }
func (unwritten) Base() (Base, error)                               { return Base{}, nil }
func (unwritten) Prune(time.Time, int) (int, error)                 { return 0, errUnwritten }
func (unwritten) Suspects(record.Key, int) ([]record.Key, error)    { return nil, nil }
func (unwritten) Settle(...*Settlement) error                       { return errUnwritten }
func (unwritten) SetPosition(string, record.Position, string) error { return errUnwritten }

func (unwritten) Find(_ []record.Key, entries []Entry) error {
	clear(entries)
	return nil
}

func (unwritten) OpenAt(_ []record.Key, opens []OpenRecord) error {
	clear(opens)
	return nil
}

var errUnwritten = errors.New("nothing is written below an overlay")
