package state

import (
	"slices"

	bolt "go.etcd.io/bbolt"

	"headgate/engine"
	"headgate/engine/record"
)

// Settle implements engine.Ledger: one transaction, all of it or nothing.
func (l *ledger) Settle(all ...*engine.Settlement) error {
	return l.db.update(func(tx *bolt.Tx) error {
		b, err := l.make(tx)
		if err != nil {
			return err
		}
		var h engine.Header
		if err := l.readHeader(b, &h); err != nil {
			return err
		}
		l.arena = l.arena[:0]
		for _, s := range all {
			if err := l.settle(tx, b, &h, s); err != nil {
				return err
			}
		}
		sealed, err := sealedJSON(h)
		if err != nil {
			return err
		}
		return b.Put(headerKey, sealed)
	})
}

func (l *ledger) settle(tx *bolt.Tx, b *bolt.Bucket, h *engine.Header, s *engine.Settlement) error {
	l.takeHeader(h, s)
	steps := []func(*bolt.Bucket, *engine.Header, *engine.Settlement) error{
		l.putJournal, l.putEntries, l.putOpens, l.putIntent, l.putSends,
	}
	for _, step := range steps {
		if err := step(b, h, s); err != nil {
			return err
		}
	}
	if err := l.putSuspects(tx, b, s); err != nil {
		return err
	}
	return l.putIDs(tx, s)
}

// make returns the ledger's bucket, made when it is new.
func (l *ledger) make(tx *bolt.Tx) (*bolt.Bucket, error) {
	all, err := tx.CreateBucketIfNotExists(ledgersBucket)
	if err != nil {
		return nil, err
	}
	if b := bucketOf(tx, l.name); b != nil {
		return b, nil
	}
	at, err := freshName(tx, all, l.name)
	if err != nil {
		return nil, err
	}
	b, err := all.CreateBucket([]byte(at))
	if err != nil {
		return nil, err
	}
	for _, name := range [][]byte{entriesBucket, opensBucket, positionsBucket, journalBucket} {
		if _, err := b.CreateBucket(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// takeHeader takes what the engine says of the flow; what is counted here stays.
func (l *ledger) takeHeader(h *engine.Header, s *engine.Settlement) {
	if s.Header != nil {
		known, journal, read, counts, mark := h.Known, h.Journal, h.Read, h.Counts, h.Mark
		*h = *s.Header
		h.Known, h.Journal, h.Read, h.Counts, h.Mark = known, journal, read, counts, mark
	}
	if s.Mark != nil {
		h.Mark = *s.Mark
	}
}

func (l *ledger) putJournal(b *bolt.Bucket, h *engine.Header, s *engine.Settlement) error {
	if s.Journal == nil {
		return nil
	}
	if err := l.countRow(b, h, s.Journal); err != nil {
		return err
	}
	sealed, err := sealedJSON(s.Journal)
	if err != nil {
		return err
	}
	journal := b.Bucket(journalBucket)
	journal.FillPercent = fillPercent
	if err := journal.Put(number(h.Journal), sealed); err != nil {
		return err
	}
	if s.Position == nil {
		return nil
	}
	position := append([]byte{version}, *s.Position...)
	return b.Bucket(positionsBucket).Put(partKey(s.Journal.Part), seal(position, 0))
}

// countRow adds a row to the totals. One that continues the last row stands in its place.
func (l *ledger) countRow(b *bolt.Bucket, h *engine.Header, row *engine.JournalRow) error {
	read, counts := row.Read, row.Counts
	if row.Number > 0 && row.Number == h.Journal {
		var last engine.JournalRow
		if err := unsealJSON(b.Bucket(journalBucket).Get(number(row.Number)), &last); err != nil {
			return l.damaged("journal", number(row.Number), err)
		}
		read -= last.Read
		for o := range counts {
			counts[o] -= last.Counts[o]
		}
	} else {
		h.Journal++
		row.Number = h.Journal
	}
	h.Read += read
	h.Counts.Add(&counts)
	return nil
}

func (l *ledger) putEntries(b *bolt.Bucket, h *engine.Header, s *engine.Settlement) error {
	if len(s.Entries) == 0 {
		return nil
	}
	entries := b.Bucket(entriesBucket)
	entries.FillPercent = fillPercent
	l.arena = slices.Grow(l.arena, 160*len(s.Entries)) // bbolt keeps what it was given until the commit
	for i := range s.Entries {
		e := s.Entries[i].Entry
		if e.Number == 0 {
			h.Known++
			e.Number = uint32(h.Known)
		}
		if s.Journal != nil {
			e.Journal = h.Journal
		}
		start := len(l.arena)
		l.arena = appendEntry(l.arena, e)
		if err := entries.Put([]byte(s.Entries[i].Key), l.arena[start:len(l.arena):len(l.arena)]); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) putOpens(b *bolt.Bucket, _ *engine.Header, s *engine.Settlement) error {
	opens := b.Bucket(opensBucket)
	for _, key := range s.Closed {
		if err := opens.Delete([]byte(key)); err != nil {
			return err
		}
	}
	for i := range s.Open {
		sealed, err := encodeOpen(&s.Open[i])
		if err != nil {
			return err
		}
		if err := opens.Put([]byte(s.Open[i].Key), sealed); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) putIntent(b *bolt.Bucket, _ *engine.Header, s *engine.Settlement) error {
	if s.Intent == nil {
		if b.Get(intentKey) == nil {
			return nil
		}
		return b.Delete(intentKey)
	}
	return b.Put(intentKey, sealedIntent(s.Intent))
}

// putSuspects notes what other flows have to look at, and forgets what this one did.
func (l *ledger) putSuspects(tx *bolt.Tx, b *bolt.Bucket, s *engine.Settlement) error {
	if own := b.Bucket(suspectsBucket); own != nil {
		for _, key := range s.Examined {
			if err := own.Delete([]byte(key)); err != nil {
				return err
			}
		}
	}
	for _, other := range s.Suspects {
		b := bucketOf(tx, other.Ledger)
		if b == nil {
			continue // dropped meanwhile: it delivered nothing that could be changed
		}
		suspects, err := b.CreateBucketIfNotExists(suspectsBucket)
		if err != nil {
			return err
		}
		for _, key := range other.Keys {
			if err := suspects.Put([]byte(key), []byte{version}); err != nil {
				return err
			}
		}
	}
	return nil
}

// putIDs keeps the ids of both resources, and which record each id means.
func (l *ledger) putIDs(tx *bolt.Tx, s *engine.Settlement) error {
	for _, side := range []struct {
		resource string
		ids      []engine.Identifier
	}{{l.from, s.FromIDs}, {l.to, s.ToIDs}} {
		if len(side.ids) == 0 {
			continue
		}
		ids, links, err := idBuckets(tx, side.resource)
		if err != nil {
			return err
		}
		for _, id := range side.ids {
			if id.ID.Missing() { // its link stays, for who looks it up by that
				if err := ids.Delete([]byte(id.Key)); err != nil {
					return err
				}
				continue
			}
			value := seal(record.AppendValue([]byte{version}, id.ID), 0)
			if err := ids.Put([]byte(id.Key), value); err != nil {
				return err
			}
			link := seal(append([]byte{version}, id.Key...), 0)
			if err := links.Put(idKey(id.ID), link); err != nil {
				return err
			}
		}
	}
	return nil
}

func idBuckets(tx *bolt.Tx, resource string) (ids, links *bolt.Bucket, err error) {
	all, err := tx.CreateBucketIfNotExists(idsBucket)
	if err != nil {
		return nil, nil, err
	}
	if ids, err = all.CreateBucketIfNotExists([]byte(resource)); err != nil {
		return nil, nil, err
	}
	if all, err = tx.CreateBucketIfNotExists(linksBucket); err != nil {
		return nil, nil, err
	}
	links, err = all.CreateBucketIfNotExists([]byte(resource))
	return ids, links, err
}

// idKey is an id as a key, by its text: 7 and "7" are one id of a system.
func idKey(id record.Value) []byte { return append([]byte{'/'}, id.Text()...) }
