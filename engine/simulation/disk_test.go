package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"headgate/engine"
	"headgate/engine/record"
)

// disk is what is durable of the state and of the exception log: it outlives the
// processes that write it. A transaction is there as a whole or not at all.
type disk struct {
	mu    sync.Mutex
	books map[string]*book
	ids   map[string]map[record.Key]record.Value
	links map[string]map[string]record.Key
	log   []engine.Exception
}

// book is the durable content of one ledger.
type book struct {
	header    engine.Header
	entries   map[record.Key]engine.Entry
	opens     map[record.Key]engine.OpenRecord
	positions map[string]record.Position
	journal   []engine.JournalRow
	intent    *engine.Intent
	sends     map[record.Key]engine.SendIntent
	suspects  map[record.Key]bool
}

func newDisk() *disk {
	return &disk{
		books: make(map[string]*book),
		ids:   make(map[string]map[record.Key]record.Value),
		links: make(map[string]map[string]record.Key),
	}
}

func newBook() *book {
	return &book{
		entries: make(map[record.Key]engine.Entry), opens: make(map[record.Key]engine.OpenRecord),
		positions: make(map[string]record.Position), suspects: make(map[record.Key]bool),
		sends: make(map[record.Key]engine.SendIntent),
	}
}

// lock is for one line: defer d.lock()().
func (d *disk) lock() (unlock func()) {
	d.mu.Lock()
	return d.mu.Unlock
}

func (d *disk) Ledger(name, from, to string) (engine.Ledger, error) {
	return &ledger{d, name, from, to}, nil
}

func (d *disk) Ledgers() ([]string, error) {
	defer d.lock()()
	return slices.Sorted(maps.Keys(d.books)), nil
}

func (d *disk) Rename(from, to string) error {
	defer d.lock()()
	if d.books[from] != nil && d.books[to] == nil {
		d.books[to] = d.books[from]
		delete(d.books, from)
	}
	return nil
}

func (d *disk) Drop(name string) error {
	defer d.lock()()
	delete(d.books, name)
	return nil
}

func (d *disk) IDs(resource string, keys []record.Key, ids []record.Value) error {
	defer d.lock()()
	for i, key := range keys {
		ids[i] = d.ids[resource][key]
	}
	return nil
}

func (d *disk) KeyOf(resource string, id record.Value) (record.Key, bool, error) {
	defer d.lock()()
	key, ok := d.links[resource][id.Text()]
	return key, ok, nil
}

// Append keeps exceptions.
func (d *disk) Append(all []engine.Exception) error {
	defer d.lock()()
	d.log = append(d.log, all...)
	return nil
}

// Prune forgets nothing.
func (d *disk) Prune(time.Time) error { return nil }

// told folds the log as Verify wants it: true where no line closes an exception.
func (d *disk) told(flow string) map[string]bool {
	told := make(map[string]bool)
	for _, x := range d.log {
		if x.Flow == flow {
			told[x.ID] = x.Closed == ""
		}
	}
	return told
}

// announced reports whether an open intent names the item.
func (d *disk) announced(item string) bool {
	defer d.lock()()
	for _, b := range d.books {
		if b.intent != nil && slices.ContainsFunc(b.intent.Keys, func(k record.Key) bool { return strings.Contains(string(k), item) }) {
			return true
		}
	}
	return false
}

// ledger is a door to one book of the disk.
type ledger struct {
	disk           *disk
	name, from, to string
}

// read calls f with the book, with an empty one where there is none.
func (l *ledger) read(f func(*book)) {
	defer l.disk.lock()()
	if b := l.disk.books[l.name]; b != nil {
		f(b)
		return
	}
	f(newBook())
}

func (l *ledger) Header() (h engine.Header, err error) {
	l.read(func(b *book) { h = b.header })
	h.Guard.Allow = maps.Clone(h.Guard.Allow)
	return h, nil
}

func (l *ledger) Find(keys []record.Key, entries []engine.Entry) error {
	l.read(func(b *book) {
		for i, key := range keys {
			entries[i] = cloneEntry(b.entries[key])
		}
	})
	return nil
}

func (l *ledger) Position(part string) (p record.Position, err error) {
	l.read(func(b *book) { p = b.positions[part] })
	return p, nil
}

func (l *ledger) Positions() (all map[string]record.Position, err error) {
	l.read(func(b *book) { all = maps.Clone(b.positions) })
	return all, nil
}

func (l *ledger) Opens(after record.Key, limit int) (all []engine.OpenRecord, err error) {
	l.read(func(b *book) {
		for _, key := range pageOf(b.opens, after, limit) {
			all = append(all, cloneOpen(b.opens[key]))
		}
	})
	return all, nil
}

func (l *ledger) OpenAt(keys []record.Key, opens []engine.OpenRecord) error {
	l.read(func(b *book) {
		for i, key := range keys {
			opens[i] = cloneOpen(b.opens[key])
		}
	})
	return nil
}

func (l *ledger) Intent() (intent *engine.Intent, err error) {
	l.read(func(b *book) { intent = cloneIntent(b.intent) })
	return intent, nil
}

func (l *ledger) Sends(after record.Key, limit int) (all []engine.SendIntent, err error) {
	l.read(func(b *book) {
		for _, key := range pageOf(b.sends, after, limit) {
			all = append(all, cloneSend(b.sends[key]))
		}
	})
	return all, nil
}

func (l *ledger) Journal(after uint64, limit int) (rows []engine.JournalRow, err error) {
	l.read(func(b *book) {
		from := min(int(after), len(b.journal))
		rows = slices.Clone(b.journal[from:min(from+limit, len(b.journal))])
	})
	return rows, nil
}

func (l *ledger) Base() (engine.Base, error) { return engine.Base{}, nil }

func (l *ledger) Prune(time.Time, int) (int, error) { return 0, nil }

func (l *ledger) SetPosition(part string, to record.Position, why string) error {
	from, _ := l.Position(part)
	row := &engine.JournalRow{Part: part, From: from, To: to, Why: why}
	return l.Settle(&engine.Settlement{Journal: row, Position: &to})
}

func (l *ledger) Suspects(after record.Key, limit int) (keys []record.Key, err error) {
	l.read(func(b *book) { keys = pageOf(b.suspects, after, limit) })
	return keys, nil
}

func (l *ledger) Entries(after record.Key, limit int) (all []engine.KeyEntry, err error) {
	l.read(func(b *book) {
		for _, key := range pageOf(b.entries, after, limit) {
			e := cloneEntry(b.entries[key])
			all = append(all, engine.KeyEntry{Key: key, Entry: &e})
		}
	})
	return all, nil
}

func (l *ledger) Settle(all ...*engine.Settlement) error {
	defer l.disk.lock()()
	b := l.disk.books[l.name]
	if b == nil {
		b = newBook()
		l.disk.books[l.name] = b
	}
	for _, s := range all {
		if err := b.settle(s); err != nil {
			return err
		}
		l.settleElsewhere(b, s)
		for i := range s.Open {
			if id := s.Open[i].Exception; !slices.ContainsFunc(l.disk.log, func(x engine.Exception) bool { return x.ID == id }) {
				return fmt.Errorf("record %q waits, and its exception is not on disk (R2)", s.Open[i].Key)
			}
		}
	}
	return nil
}

func (b *book) settle(s *engine.Settlement) error {
	h := &b.header
	if s.Header != nil {
		before := *h
		*h = *s.Header
		h.Known, h.Journal, h.Read, h.Counts, h.Mark = before.Known, before.Journal, before.Read, before.Counts, before.Mark
		h.Guard.Allow = maps.Clone(h.Guard.Allow)
	}
	if s.Mark != nil {
		h.Mark = *s.Mark
	}
	if s.Journal != nil {
		b.settleRow(s)
	}
	for i := range s.Entries {
		e := s.Entries[i].Entry
		if e.Number == 0 {
			h.Known++
			e.Number = uint32(h.Known)
		}
		if s.Journal != nil {
			e.Journal = h.Journal
		}
		if i > 0 && s.Entries[i-1].Key >= s.Entries[i].Key {
			return fmt.Errorf("entries are not in key order: %q", s.Entries[i].Key)
		}
		b.entries[s.Entries[i].Key] = cloneEntry(*e)
	}
	for _, key := range s.Closed {
		delete(b.opens, key)
	}
	for i := range s.Open {
		b.opens[s.Open[i].Key] = cloneOpen(s.Open[i])
	}
	b.intent = cloneIntent(s.Intent)
	for _, key := range s.Sent {
		delete(b.sends, key)
	}
	for _, send := range s.Sends {
		b.sends[send.Key()] = cloneSend(*send)
	}
	return nil
}

// settleRow takes the journal row, in place of the last one where it continues that.
func (b *book) settleRow(s *engine.Settlement) {
	h, row := &b.header, s.Journal
	read, counts := row.Read, row.Counts
	if row.Number > 0 && row.Number == h.Journal {
		last := &b.journal[row.Number-1]
		read -= last.Read
		for o := range counts {
			counts[o] -= last.Counts[o]
		}
		*last = *row
	} else {
		h.Journal++
		row.Number = h.Journal
		b.journal = append(b.journal, *row)
	}
	h.Read += read
	h.Counts.Add(&counts)
	if s.Position != nil {
		b.positions[row.Part] = *s.Position
	}
}

// settleElsewhere keeps what a settlement says beside its own book.
func (l *ledger) settleElsewhere(b *book, s *engine.Settlement) {
	for _, key := range s.Examined {
		delete(b.suspects, key)
	}
	for _, other := range s.Suspects {
		if at := l.disk.books[other.Ledger]; at != nil {
			for _, key := range other.Keys {
				at.suspects[key] = true
			}
		}
	}
	l.keepIDs(l.from, s.FromIDs)
	l.keepIDs(l.to, s.ToIDs)
}

func (l *ledger) keepIDs(resource string, ids []engine.Identifier) {
	if l.disk.ids[resource] == nil {
		l.disk.ids[resource], l.disk.links[resource] = make(map[record.Key]record.Value), make(map[string]record.Key)
	}
	for _, id := range ids {
		if id.ID.Missing() {
			delete(l.disk.ids[resource], id.Key)
			continue
		}
		l.disk.ids[resource][id.Key] = id.ID
		l.disk.links[resource][id.ID.Text()] = id.Key
	}
}

// pageOf returns at most limit keys of m behind the given one, in order.
func pageOf[V any](m map[record.Key]V, after record.Key, limit int) []record.Key {
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(k record.Key) bool { return after != "" && k <= after })
	return keys[:min(limit, len(keys))]
}

// What is settled is copied: the engine uses its memory again.

func cloneEntry(e engine.Entry) engine.Entry {
	e.Hashes, e.Shown, e.Passes = slices.Clone(e.Hashes), slices.Clone(e.Shown), slices.Clone(e.Passes)
	return e
}

func cloneOpen(o engine.OpenRecord) engine.OpenRecord {
	o.Row, o.Columns = slices.Clone(o.Row), slices.Clone(o.Columns)
	if o.Doubt != nil {
		doubt := cloneSend(*o.Doubt)
		o.Doubt = &doubt
	}
	return o
}

func cloneSend(s engine.SendIntent) engine.SendIntent {
	s.Bytes, s.Changes = slices.Clone(s.Bytes), slices.Clone(s.Changes)
	for i := range s.Changes {
		c := &s.Changes[i]
		c.Find, c.Sent, c.SentTo = slices.Clone(c.Find), slices.Clone(c.Sent), slices.Clone(c.SentTo)
		c.Row, c.Columns, c.Becomes = slices.Clone(c.Row), slices.Clone(c.Columns), cloneEntry(c.Becomes)
		if c.Answer != nil {
			answer := *c.Answer
			c.Answer = &answer
		}
	}
	return s
}

func cloneIntent(i *engine.Intent) *engine.Intent {
	if i == nil {
		return nil
	}
	c := *i
	c.Keys, c.Hashes = slices.Clone(i.Keys), slices.Clone(i.Hashes)
	return &c
}

var (
	_ engine.State        = (*disk)(nil)
	_ engine.ExceptionLog = (*disk)(nil)
)
