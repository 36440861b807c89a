package state

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"headgate/engine"
	"headgate/engine/record"
)

// The buckets of a ledger, and its single values.
var (
	entriesBucket   = []byte("entries")
	opensBucket     = []byte("open")
	positionsBucket = []byte("positions")
	journalBucket   = []byte("journal")
	suspectsBucket  = []byte("suspects")
	intentsBucket   = []byte("intents")
	headerKey       = []byte("header")
	intentKey       = []byte("intent")
)

// fillPercent is how full pages are left: keys grow, so pages are filled from the left.
const fillPercent = 0.9

// ledger is the durable memory of one flow.
type ledger struct {
	db       *DB
	name     string
	from, to string
	arena    []byte // encoded entries of one settlement; bbolt reads it until the commit
}

func (l *ledger) view(f func(*bolt.Bucket) error) error {
	return l.db.view(func(tx *bolt.Tx) error {
		b := bucketOf(tx, l.name)
		if b == nil {
			return nil // nothing was settled yet
		}
		return f(b)
	})
}

func (l *ledger) damaged(bucket string, key []byte, err error) error {
	return &DamagedError{Bucket: l.name + "/" + bucket, Key: string(key), Err: err}
}

// Header implements engine.Ledger.
func (l *ledger) Header() (h engine.Header, err error) {
	err = l.view(func(b *bolt.Bucket) error { return l.readHeader(b, &h) })
	return h, err
}

func (l *ledger) readHeader(b *bolt.Bucket, h *engine.Header) error {
	v := b.Get(headerKey)
	if v == nil {
		return nil
	}
	if err := unsealJSON(v, h); err != nil {
		return l.damaged("header", headerKey, err)
	}
	return nil
}

// Find implements engine.Ledger: one walk of a cursor, since keys are in order.
func (l *ledger) Find(keys []record.Key, entries []engine.Entry) error {
	clear(entries)
	if len(keys) == 0 {
		return nil
	}
	return l.view(func(b *bolt.Bucket) error {
		var hashes record.Hashes
		c := b.Bucket(entriesBucket).Cursor()
		k, v := c.Seek([]byte(keys[0]))
		for i, key := range keys {
			if k == nil {
				return nil
			}
			if order := bytes.Compare(k, []byte(key)); order < 0 {
				if k, v = c.Next(); k == nil || bytes.Compare(k, []byte(key)) < 0 {
					k, v = c.Seek([]byte(key))
				}
			}
			if string(k) == string(key) {
				if err := decodeEntry(v, &entries[i], &hashes); err != nil {
					return l.damaged("entries", k, err)
				}
			}
		}
		return nil
	})
}

// Entries implements engine.Ledger.
func (l *ledger) Entries(after record.Key, limit int) (all []engine.KeyEntry, err error) {
	var hashes record.Hashes
	err = l.view(func(b *bolt.Bucket) error {
		return walk(b.Bucket(entriesBucket), []byte(after), limit, func(k, v []byte) error {
			e := engine.KeyEntry{Key: record.Key(k), Entry: new(engine.Entry)}
			if err := decodeEntry(v, e.Entry, &hashes); err != nil {
				return l.damaged("entries", k, err)
			}
			all = append(all, e)
			return nil
		})
	})
	return all, err
}

// walk calls f with at most limit pairs whose keys come after the given one.
func walk(b *bolt.Bucket, after []byte, limit int, f func(k, v []byte) error) error {
	c := b.Cursor()
	k, v := c.Seek(after)
	if k != nil && len(after) > 0 && bytes.Equal(k, after) {
		k, v = c.Next()
	}
	for ; k != nil && limit > 0; k, v = c.Next() {
		if err := f(k, v); err != nil {
			return err
		}
		limit--
	}
	return nil
}

// Position implements engine.Ledger.
func (l *ledger) Position(part string) (p record.Position, err error) {
	err = l.view(func(b *bolt.Bucket) error {
		v := b.Bucket(positionsBucket).Get(partKey(part))
		if v == nil {
			return nil
		}
		text, err := unseal(v)
		if err != nil {
			return l.damaged("positions", []byte(part), err)
		}
		p = record.Position(text)
		return nil
	})
	return p, err
}

// partKey is a part as a key: bbolt takes no empty one.
func partKey(part string) []byte { return append([]byte{'/'}, part...) }

// Positions implements engine.Ledger.
func (l *ledger) Positions() (map[string]record.Position, error) {
	all := make(map[string]record.Position)
	err := l.view(func(b *bolt.Bucket) error {
		return b.Bucket(positionsBucket).ForEach(func(k, v []byte) error {
			text, err := unseal(v)
			if err != nil {
				return l.damaged("positions", k, err)
			}
			all[string(k[1:])] = record.Position(text)
			return nil
		})
	})
	return all, err
}

// Opens implements engine.Ledger.
func (l *ledger) Opens(after record.Key, limit int) (all []engine.OpenRecord, err error) {
	err = l.view(func(b *bolt.Bucket) error {
		return walk(b.Bucket(opensBucket), []byte(after), limit, func(k, v []byte) error {
			o, err := l.decodeOpen(k, v)
			all = append(all, o)
			return err
		})
	})
	return all, err
}

// OpenAt implements engine.Ledger.
func (l *ledger) OpenAt(keys []record.Key, opens []engine.OpenRecord) error {
	clear(opens)
	return l.view(func(b *bolt.Bucket) (err error) {
		bucket := b.Bucket(opensBucket)
		for i, key := range keys {
			if v := bucket.Get([]byte(key)); v != nil {
				if opens[i], err = l.decodeOpen([]byte(key), v); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (l *ledger) decodeOpen(k, v []byte) (engine.OpenRecord, error) {
	var s storedOpen
	if err := unsealJSON(v, &s); err != nil {
		return engine.OpenRecord{}, l.damaged("open", k, err)
	}
	row, err := record.DecodeRow(s.Row)
	if err != nil {
		return engine.OpenRecord{}, l.damaged("open", k, err)
	}
	var doubt *engine.SendIntent
	if len(s.Doubt) > 0 {
		if doubt, err = decodeSend(s.Doubt); err != nil {
			return engine.OpenRecord{}, l.damaged("open", k, err)
		}
	}
	return engine.OpenRecord{
		Key: record.Key(k), Outcome: s.Outcome, Exception: s.Exception, Part: s.Part, Where: s.Where, Row: row, Columns: s.Columns,
		Broken: s.Broken, Damage: s.Damage, Digest: s.Digest, Code: s.Code, Rule: s.Rule,
		Since: timeOf(s.Since), Ruled: timeOf(s.Ruled), Until: timeOf(s.Until), Sent: timeOf(s.Sent), Missing: timeOf(s.Missing),
		Attempts: s.Attempts, By: s.By, Why: s.Why, Doubt: doubt,
	}, nil
}

func encodeOpen(o *engine.OpenRecord) ([]byte, error) {
	var doubt []byte
	if o.Doubt != nil {
		doubt = sealedSend(o.Doubt)
	}
	return sealedJSON(storedOpen{
		Outcome: o.Outcome, Exception: o.Exception, Part: o.Part, Where: o.Where, Row: record.AppendRow(nil, o.Row), Columns: o.Columns,
		Broken: o.Broken, Damage: o.Damage, Digest: o.Digest, Code: o.Code, Rule: o.Rule,
		Since: nanosOf(o.Since), Ruled: nanosOf(o.Ruled), Until: nanosOf(o.Until), Sent: nanosOf(o.Sent), Missing: nanosOf(o.Missing),
		Attempts: o.Attempts, By: o.By, Why: o.Why, Doubt: doubt,
	})
}

// Suspects implements engine.Ledger.
func (l *ledger) Suspects(after record.Key, limit int) (keys []record.Key, err error) {
	err = l.view(func(b *bolt.Bucket) error {
		suspects := b.Bucket(suspectsBucket)
		if suspects == nil {
			return nil
		}
		return walk(suspects, []byte(after), limit, func(k, _ []byte) error {
			keys = append(keys, record.Key(k))
			return nil
		})
	})
	return keys, err
}

// Intent implements engine.Ledger.
func (l *ledger) Intent() (intent *engine.Intent, err error) {
	err = l.view(func(b *bolt.Bucket) error {
		v := b.Get(intentKey)
		if v == nil {
			return nil
		}
		var err error
		if intent, err = decodeIntent(v); err != nil {
			return l.damaged("intent", intentKey, err)
		}
		return nil
	})
	return intent, err
}

// Journal implements engine.Ledger.
func (l *ledger) Journal(after uint64, limit int) (rows []engine.JournalRow, err error) {
	err = l.view(func(b *bolt.Bucket) error {
		return walk(b.Bucket(journalBucket), number(after), limit, func(k, v []byte) error {
			var row engine.JournalRow
			if err := unsealJSON(v, &row); err != nil {
				return l.damaged("journal", k, err)
			}
			rows = append(rows, row)
			return nil
		})
	})
	return rows, err
}

// SetPosition implements engine.Ledger: the jump has a journal row of its own.
func (l *ledger) SetPosition(part string, to record.Position, why string) error {
	from, err := l.Position(part)
	if err != nil {
		return err
	}
	row := &engine.JournalRow{Part: part, From: from, To: to, Why: why, Time: l.db.Now().UTC()}
	return l.Settle(&engine.Settlement{Journal: row, Position: &to})
}

var _ engine.Ledger = (*ledger)(nil)
