package state

import (
	"time"

	bolt "go.etcd.io/bbolt"

	"headgate/engine"
	"headgate/engine/record"
)

// The sums of journal rows that were dropped, and where parts stood behind them.
var (
	baseKey    = []byte("base")
	baseBucket = []byte("base positions")
)

// Base implements engine.Ledger.
func (l *ledger) Base() (base engine.Base, err error) {
	err = l.view(func(b *bolt.Bucket) error { return l.readBase(b, &base) })
	return base, err
}

func (l *ledger) readBase(b *bolt.Bucket, base *engine.Base) error {
	base.Positions = make(map[string]record.Position)
	v := b.Get(baseKey)
	if v == nil {
		return nil
	}
	if err := unsealJSON(v, base); err != nil {
		return l.damaged("base", baseKey, err)
	}
	return b.Bucket(baseBucket).ForEach(func(k, v []byte) error {
		text, err := unseal(v)
		if err != nil {
			return l.damaged("base positions", k, err)
		}
		base.Positions[string(k[1:])] = record.Position(text)
		return nil
	})
}

// Prune implements engine.Ledger: rows and their sums change places in one transaction.
func (l *ledger) Prune(before time.Time, most int) (pruned int, err error) {
	old, err := l.oldRows(before, most)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	return len(old), l.db.update(func(tx *bolt.Tx) error {
		b, err := l.make(tx)
		if err != nil {
			return err
		}
		positions, err := b.CreateBucketIfNotExists(baseBucket)
		if err != nil {
			return err
		}
		var base engine.Base
		if err := l.readBase(b, &base); err != nil {
			return err
		}
		journal := b.Bucket(journalBucket)
		for i := range old {
			row := &old[i]
			base.Add(row)
			if err := journal.Delete(number(row.Number)); err != nil {
				return err
			}
			if row.Again {
				continue
			}
			if err := positions.Put(partKey(row.Part), seal(append([]byte{version}, row.To...), 0)); err != nil {
				return err
			}
		}
		base.Positions = nil // they have a bucket of their own
		sealed, err := sealedJSON(&base)
		if err != nil {
			return err
		}
		return b.Put(baseKey, sealed)
	})
}

// oldRows returns the first rows that are older than the time. The last row of all
// stays: the next one may continue it.
func (l *ledger) oldRows(before time.Time, most int) ([]engine.JournalRow, error) {
	base, err := l.Base()
	if err != nil {
		return nil, err
	}
	h, err := l.Header()
	if err != nil {
		return nil, err
	}
	rows, err := l.Journal(base.Row, most)
	for i := range rows {
		if !rows[i].Time.Before(before) || rows[i].Number == h.Journal {
			return rows[:i], err
		}
	}
	return rows, err
}
