package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"headgate/engine"
	"headgate/engine/record"
)

// version is the first byte of every value.
const version = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that bytes are not a value that was written here.
var errDamaged = errors.New("the value does not fit its checksum")

// DamagedError says which value of the state cannot be trusted.
type DamagedError struct {
	Bucket, Key string
	Err         error
}

// Error names the value and what to do.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the state is damaged at %s %q: %v: stop, keep a copy of the file, and restore a backup", e.Bucket, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// seal ends a value that began at start of dst: the checksum covers all of it.
func seal(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// unseal returns the value without version and checksum.
func unseal(b []byte) ([]byte, error) {
	if len(b) < 5 || b[0] != version {
		return nil, errDamaged
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, errDamaged
	}
	return body[1:], nil
}

// sealedJSON seals the JSON of a value that is read by people and rarely.
func sealedJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dst := append(make([]byte, 0, len(text)+5), version)
	return seal(append(dst, text...), 0), nil
}

func unsealJSON(b []byte, into any) error {
	text, err := unseal(b)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errDamaged
	}
	return nil
}

const (
	hasDelivered = 1 << iota
	hasStopped
	hasVersion
	hasShown
	hasRefused
	hasReleased
)

// appendEntry appends a sealed entry to dst.
func appendEntry(dst []byte, e *engine.Entry) []byte {
	start := len(dst)
	var flags byte
	if e.Delivered {
		flags |= hasDelivered
	}
	if !e.Stopped.IsZero() {
		flags |= hasStopped
	}
	if !e.Version.IsAbsent() {
		flags |= hasVersion
	}
	if e.Delivered && len(e.Shown) > 0 {
		flags |= hasShown
	}
	if !e.Refused.IsZero() {
		flags |= hasRefused
	}
	if !e.Released.IsZero() {
		flags |= hasReleased
	}
	dst = append(dst, version, byte(e.Outcome), flags)
	dst = binary.AppendUvarint(dst, e.Pass)
	dst = binary.AppendUvarint(dst, uint64(e.Number))
	dst = binary.AppendUvarint(dst, e.Journal)
	if e.Delivered {
		dst = append(dst, e.Fingerprint[:]...)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Shape))
		dst = binary.AppendUvarint(dst, uint64(len(e.Hashes)))
		dst = appendHashes(dst, e.Hashes)
	}
	if flags&hasShown != 0 {
		dst = appendHashes(binary.AppendUvarint(dst, uint64(len(e.Shown))), e.Shown)
	}
	if flags&hasStopped != 0 {
		dst = append(dst, e.Stopped[:]...)
	}
	if flags&hasRefused != 0 {
		dst = append(dst, e.Refused[:]...)
	}
	if flags&hasReleased != 0 {
		dst = append(dst, e.Released[:]...)
		dst = appendHashes(binary.AppendUvarint(dst, uint64(len(e.Passes))), e.Passes)
	}
	if flags&hasVersion != 0 {
		dst = record.AppendValue(dst, e.Version)
	}
	return seal(dst, start)
}

func appendHashes(dst []byte, hashes []record.Hash) []byte {
	for _, h := range hashes {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(h))
	}
	return dst
}

// decodeEntry decodes an entry. Nothing but its hashes, and a version, is new.
func decodeEntry(b []byte, e *engine.Entry, hashes *record.Hashes) error {
	body, err := unseal(b)
	if err != nil {
		return err
	}
	r := reader{b: body}
	*e = engine.Entry{Outcome: engine.Outcome(r.byte())}
	flags := r.byte()
	e.Pass, e.Number, e.Journal = r.uvarint(), uint32(r.uvarint()), r.uvarint()
	if flags&hasDelivered != 0 {
		e.Delivered = true
		copy(e.Fingerprint[:], r.take(16))
		e.Shape = record.Hash(r.uint32())
		if n := r.uvarint(); n <= uint64(len(r.b)/4) {
			e.Hashes = hashes.Take(int(n))
			for i := range e.Hashes {
				e.Hashes[i] = record.Hash(r.uint32())
			}
		} else {
			r.bad = true
		}
	}
	if flags&hasShown != 0 {
		e.Shown = r.hashes()
		r.bad = r.bad || flags&hasDelivered == 0
	}
	if flags&hasStopped != 0 {
		copy(e.Stopped[:], r.take(16))
	}
	if flags&hasRefused != 0 {
		copy(e.Refused[:], r.take(16))
		r.bad = r.bad || e.Refused.IsZero()
	}
	if flags&hasReleased != 0 {
		copy(e.Released[:], r.take(16))
		e.Passes = r.hashes()
		r.bad = r.bad || e.Released.IsZero()
	}
	if flags&hasVersion != 0 && !r.bad {
		v, n, err := record.DecodeValue(r.b)
		r.bad = r.bad || err != nil
		e.Version = v
		r.take(n)
	}
	if r.bad || len(r.b) != 0 || int(e.Outcome) > len(engine.Outcomes()) {
		return errDamaged
	}
	return nil
}

// reader reads a value from its front; bad says that it was too short.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// hashes reads a list that is not empty.
func (r *reader) hashes() []record.Hash {
	n := r.uvarint()
	if r.bad = r.bad || n == 0 || n > uint64(len(r.b)/4); r.bad {
		return nil
	}
	all := make([]record.Hash, n)
	for i := range all {
		all[i] = record.Hash(r.uint32())
	}
	return all
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

// storedOpen is an open record as it is kept.
type storedOpen struct {
	Outcome                engine.Outcome
	Exception, Part, Where string
	Columns                []string
	Row                    []byte
	Broken, Digest         string
	Damage                 string `json:",omitempty"`
	Code, Rule             string `json:",omitempty"`
	Since, Ruled           int64
	Until, Sent, Missing   int64 `json:",omitempty"`
	Attempts               int
	By, Why                string `json:",omitempty"`
	Doubt                  []byte `json:",omitempty"` // a sealed message
}

// nanosOf is a time as it is kept, 0 for none.
func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// sealedIntent encodes an intent: its keys are no text.
func sealedIntent(intent *engine.Intent) []byte {
	dst := append(make([]byte, 0, 64+48*len(intent.Keys)), version)
	dst = appendText(dst, intent.Part)
	dst = appendText(dst, string(intent.From))
	dst = binary.AppendVarint(dst, intent.Time.UnixNano())
	dst = binary.AppendUvarint(dst, uint64(len(intent.Keys)))
	for i, key := range intent.Keys {
		dst = appendText(dst, string(key))
		dst = append(dst, intent.Hashes[i][:]...)
	}
	return seal(dst, 0)
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	return string(r.take(int(n)))
}

func decodeIntent(b []byte) (*engine.Intent, error) {
	body, err := unseal(b)
	if err != nil {
		return nil, err
	}
	r := reader{b: body}
	intent := &engine.Intent{Part: r.text(), From: record.Position(r.text())}
	nanos, size := binary.Varint(r.b)
	if size <= 0 {
		return nil, errDamaged
	}
	r.take(size)
	intent.Time = time.Unix(0, nanos).UTC()
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		intent.Keys = append(intent.Keys, record.Key(r.text()))
		var hash record.Fingerprint
		copy(hash[:], r.take(16))
		intent.Hashes = append(intent.Hashes, hash)
	}
	if r.bad || len(r.b) > 0 {
		return nil, errDamaged
	}
	return intent, nil
}
