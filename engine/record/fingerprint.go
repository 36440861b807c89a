package record

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// Fingerprint is a 128-bit digest of the columns a flow may write.
type Fingerprint [16]byte

// IsZero reports whether f is no fingerprint.
func (f Fingerprint) IsZero() bool { return f == Fingerprint{} }

// Hash is a 32-bit digest of one column's value: enough to notice that another
// system changed it, small enough to keep one a column.
type Hash uint32

// Hashes hands out short slices of hashes, cut from longer ones: one allocation
// for many records. Its zero value is ready.
type Hashes struct{ rest []Hash }

// hashesAtOnce is how many hashes are allocated together.
const hashesAtOnce = 4096

// Take returns n hashes, all 0.
func (h *Hashes) Take(n int) []Hash {
	if n > len(h.rest) {
		h.rest = make([]Hash, max(n, hashesAtOnce))
	}
	taken := h.rest[:n:n]
	h.rest = h.rest[n:]
	return taken
}

// AppendCanonical appends an encoding of v in which equal values, and only
// equal values, have equal bytes: numbers by value whatever their kind.
func (v Value) AppendCanonical(dst []byte) []byte {
	switch v.kind {
	case String:
		dst = append(dst, 's')
		dst = binary.AppendUvarint(dst, uint64(len(v.text())))
		return append(dst, v.text()...)
	case Int, Decimal:
		dst = append(dst, 'n')
		dst = v.Number().Reduce().Append(dst)
		return append(dst, 0)
	case List:
		return v.Lines().appendCanonical(dst)
	case Absent, Null:
		return append(dst, byte(v.kind))
	}
	dst = append(dst, byte(v.kind))
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.num))
	return binary.BigEndian.AppendUint32(dst, uint32(v.scale))
}

func (l *Lines) appendCanonical(dst []byte) []byte {
	dst = append(dst, 'l')
	dst = binary.AppendUvarint(dst, uint64(len(l.Rows)))
	for _, row := range l.Rows {
		dst = binary.AppendUvarint(dst, uint64(len(row)))
		for _, v := range row {
			dst = v.AppendCanonical(dst)
		}
	}
	return dst
}

// FingerprintOf digests an encoding made by AppendCanonical.
func FingerprintOf(canonical []byte) Fingerprint { return xxh3.Hash128(canonical).Bytes() }

// HashOf returns the digest of v alone. buf is scratch space that may be reused.
func HashOf(v Value, buf []byte) (Hash, []byte) {
	buf = v.AppendCanonical(buf[:0])
	return Hash(xxh3.Hash(buf)), buf
}
