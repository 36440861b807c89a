package record

import (
	"encoding/binary"
	"math"

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
		return v.Number().Reduce().appendCanonical(dst)
	case List:
		return v.Lines().appendCanonical(dst)
	case Absent, Null:
		return append(dst, byte(v.kind))
	}
	dst = append(dst, byte(v.kind))
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.num))
	return binary.BigEndian.AppendUint32(dst, uint32(v.scale))
}

// appendCanonical encodes a reduced number. One that fits in 64 bits with its sign
// to spare has one form only; the least of all may stand as either, so it has a text.
func (n Number) appendCanonical(dst []byte) []byte {
	if n.big == nil && n.coef != math.MinInt64 {
		dst = append(dst, 'd', byte(n.scale))
		return binary.BigEndian.AppendUint64(dst, uint64(n.coef))
	}
	dst = n.Append(append(dst, 'n'))
	return append(dst, 0)
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

// HashOf digests an encoding of one value made by AppendCanonical.
func HashOf(canonical []byte) Hash { return Hash(xxh3.Hash(canonical)) }
