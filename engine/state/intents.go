package state

import (
	"encoding/binary"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/record"
)

// Sends implements engine.Ledger.
func (l *ledger) Sends(after record.Key, limit int) (all []engine.SendIntent, err error) {
	err = l.view(func(b *bolt.Bucket) error {
		intents := b.Bucket(intentsBucket)
		if intents == nil {
			return nil
		}
		return walk(intents, []byte(after), limit, func(k, v []byte) error {
			s, err := decodeSend(v)
			if err != nil || string(s.Key()) != string(k) {
				return l.damaged("intents", k, errDamaged)
			}
			all = append(all, *s)
			return nil
		})
	})
	return all, err
}

// putSends keeps messages before they leave, and forgets those that are settled.
func (l *ledger) putSends(b *bolt.Bucket, _ *engine.Header, s *engine.Settlement) error {
	if len(s.Sends) == 0 && len(s.Sent) == 0 {
		return nil
	}
	intents, err := b.CreateBucketIfNotExists(intentsBucket)
	if err != nil {
		return err
	}
	for _, key := range s.Sent {
		if err := intents.Delete([]byte(key)); err != nil {
			return err
		}
	}
	for _, send := range s.Sends {
		if err := intents.Put([]byte(send.Key()), sealedSend(send)); err != nil {
			return err
		}
	}
	return nil
}

// The flags of a message.
const (
	sendAgain = 1 << iota
	sendRepeats
	sendKeyed
	sendFlags = sendAgain | sendRepeats | sendKeyed
)

func sealedSend(s *engine.SendIntent) []byte {
	return seal(appendSend(append(make([]byte, 0, 512+len(s.Bytes)), version), s), 0)
}

func decodeSend(b []byte) (*engine.SendIntent, error) {
	body, err := unseal(b)
	if err != nil {
		return nil, err
	}
	r := reader{b: body}
	s := r.send()
	if r.bad || len(r.b) > 0 {
		return nil, errDamaged
	}
	return s, nil
}

func appendSend(dst []byte, s *engine.SendIntent) []byte {
	dst = append(dst, flagIf(s.Again, sendAgain)|flagIf(s.Repeats, sendRepeats)|flagIf(s.Keyed, sendKeyed))
	dst = appendText(dst, string(s.Bytes))
	dst = appendText(dst, s.Text)
	dst = binary.AppendVarint(dst, nanosOf(s.First))
	dst = binary.AppendVarint(dst, nanosOf(s.Last))
	dst = binary.AppendUvarint(dst, uint64(s.Attempts))
	dst = binary.AppendUvarint(dst, uint64(s.Carries))
	dst = binary.AppendUvarint(dst, uint64(len(s.Changes)))
	for i := range s.Changes {
		dst = appendChange(dst, &s.Changes[i])
	}
	return dst
}

func flagIf(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

func appendChange(dst []byte, c *engine.ChangeIntent) []byte {
	dst = append(appendText(dst, string(c.Key)), byte(c.Op))
	dst = appendText(dst, c.Reference)
	dst = appendText(dst, string(record.AppendRow(nil, record.Row{c.ID})))
	for _, row := range []record.Row{c.Find, c.Sent, c.Row} {
		dst = appendText(dst, string(record.AppendRow(nil, row)))
	}
	for _, names := range [][]string{c.SentTo, c.Columns} {
		dst = binary.AppendUvarint(dst, uint64(len(names)))
		for _, name := range names {
			dst = appendText(dst, name)
		}
	}
	dst = appendText(appendText(dst, c.Part), c.Where)
	dst = appendText(dst, string(appendEntry(nil, &c.Becomes)))
	if c.Answer == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1, byte(c.Answer.Status))
	dst = appendText(dst, string(record.AppendRow(nil, record.Row{c.Answer.ID})))
	return appendText(appendText(dst, c.Answer.Code), c.Answer.Words)
}

func (r *reader) send() *engine.SendIntent {
	flags := r.byte()
	s := &engine.SendIntent{Again: flags&sendAgain != 0, Repeats: flags&sendRepeats != 0, Keyed: flags&sendKeyed != 0}
	s.Bytes, s.Text = []byte(r.text()), r.text()
	s.First, s.Last = r.time(), r.time()
	s.Attempts, s.Carries = r.count(), r.count()
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		s.Changes = append(s.Changes, r.change())
	}
	r.bad = r.bad || flags&^sendFlags != 0 || len(s.Changes) == 0
	return s
}

// count reads how many there are of something.
func (r *reader) count() int {
	n := r.uvarint()
	r.bad = r.bad || n > math.MaxInt32
	return int(n)
}

func (r *reader) change() (c engine.ChangeIntent) {
	c.Key, c.Op, c.Reference = record.Key(r.text()), connectors.Op(r.byte()), r.text()
	r.bad = r.bad || c.Op < connectors.Create || c.Op > connectors.Delete
	c.ID, c.Find, c.Sent, c.Row = r.value(), r.row(), r.row(), r.row()
	c.SentTo, c.Columns = r.names(), r.names()
	c.Part, c.Where = r.text(), r.text()
	if err := decodeEntry([]byte(r.text()), &c.Becomes, &record.Hashes{}); err != nil {
		r.bad = true
	}
	switch r.byte() {
	case 0:
	case 1:
		c.Answer = &engine.Answer{Status: connectors.Status(r.byte()), ID: r.value(), Code: r.text(), Words: r.text()}
		r.bad = r.bad || c.Answer.Status > connectors.Unknown
	default:
		r.bad = true
	}
	return c
}

func (r *reader) time() time.Time {
	nanos, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return time.Time{}
	}
	r.b = r.b[size:]
	return timeOf(nanos)
}

func (r *reader) row() record.Row {
	row, err := record.DecodeRow([]byte(r.text()))
	if err != nil {
		r.bad = true
	}
	return row
}

func (r *reader) value() record.Value {
	row := r.row()
	if len(row) != 1 {
		r.bad = true
		return record.Value{}
	}
	return row[0]
}

func (r *reader) names() (names []string) {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		names = append(names, r.text())
	}
	return names
}
