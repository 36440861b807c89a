package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// MaxKey is the greatest length of an encoded key in bytes.
const MaxKey = 1024

// Key is the encoded key of a record. Keys of one entity compare as bytes in the
// order of their values, so that a ledger walks them in natural order.
type Key string

// ErrKey says that a record has no usable key: a part is missing, or it is too long.
var ErrKey = errors.New("unusable key")

// AppendKey appends the encoding of one part of a key to dst:
//
//	string   its bytes, 00 as 00 FF, then 00 01
//	int      8 bytes, sign flipped
//	bool     1 byte
//	date     4 bytes, sign flipped
//	time     8 bytes of seconds, sign flipped, 4 of nanoseconds
//	decimal  sign, number of whole digits, whole digits, fraction digits, 00;
//	         all but the sign inverted when negative, so 1.0 and 1.00 are one key
//
// It returns an error that wraps ErrKey for a missing part, a list, or a key over MaxKey bytes.
func AppendKey(dst []byte, v Value) ([]byte, error) {
	switch v.kind {
	case String:
		dst = appendKeyText(dst, v.text())
	case Int:
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.num)^(1<<63))
	case Bool:
		dst = append(dst, byte(v.num))
	case Date:
		dst = binary.BigEndian.AppendUint32(dst, uint32(int32(v.num))^(1<<31))
	case Time:
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.num)^(1<<63))
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.scale))
	case Decimal:
		dst = appendKeyNumber(dst, v.Number())
	case Absent, Null:
		return dst, fmt.Errorf("%w: it is %s", ErrKey, v.kind)
	default:
		return dst, fmt.Errorf("%w: a %s cannot be part of a key", ErrKey, v.kind)
	}
	if len(dst) > MaxKey {
		return dst, fmt.Errorf("%w: longer than %d bytes", ErrKey, MaxKey)
	}
	return dst, nil
}

func appendKeyText(dst []byte, text string) []byte {
	for {
		i := strings.IndexByte(text, 0)
		if i < 0 {
			dst = append(dst, text...)
			return append(dst, 0, 1)
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, 0, 0xFF)
		text = text[i+1:]
	}
}

func appendKeyNumber(dst []byte, n Number) []byte {
	n = n.Reduce()
	if n.Sign() == 0 {
		return append(dst, 1)
	}
	var buf [MaxDigits + MaxExponent + 4]byte
	whole, fraction, _ := strings.Cut(string(n.Abs().Append(buf[:0])), ".")
	if whole == "0" {
		whole = ""
	}
	sign, flip := byte(2), byte(0)
	if n.Sign() < 0 {
		sign, flip = 0, 0xFF
	}
	dst = append(dst, sign, byte(len(whole))^flip)
	for i := 0; i < len(whole); i++ {
		dst = append(dst, whole[i]^flip)
	}
	for i := 0; i < len(fraction); i++ {
		dst = append(dst, fraction[i]^flip)
	}
	return append(dst, flip)
}

// EncodeKey returns the key made of the fields at the given positions of r.
func EncodeKey(r Record, fields []int) (Key, error) {
	var buf [128]byte
	dst := buf[:0]
	for _, f := range fields {
		var err error
		if dst, err = AppendKey(dst, r[f]); err != nil {
			return "", err
		}
	}
	return Key(dst), nil
}

// DecodeKey returns the parts of key, given the kinds it was made of. It returns
// an error for any bytes that EncodeKey does not make.
func DecodeKey(key Key, kinds []Kind) ([]Value, error) {
	rest := []byte(key)
	values := make([]Value, len(kinds))
	for i, kind := range kinds {
		v, n, ok := decodeKeyPart(rest, kind)
		if !ok {
			return nil, fmt.Errorf("%w: part %d is not a %s", ErrKey, i+1, kind)
		}
		values[i], rest = v, rest[n:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrKey, len(rest))
	}
	return values, nil
}

func decodeKeyPart(b []byte, kind Kind) (v Value, size int, ok bool) {
	switch kind {
	case String:
		return decodeKeyText(b)
	case Decimal:
		return decodeKeyNumber(b)
	case Int:
		if len(b) >= 8 {
			return IntValue(int64(binary.BigEndian.Uint64(b) ^ 1<<63)), 8, true
		}
	case Bool:
		if len(b) >= 1 && b[0] <= 1 {
			return BoolValue(b[0] == 1), 1, true
		}
	case Date:
		if len(b) >= 4 {
			return DateValue(int32(binary.BigEndian.Uint32(b) ^ 1<<31)), 4, true
		}
	case Time:
		if len(b) >= 12 {
			nanos := binary.BigEndian.Uint32(b[8:])
			return Value{kind: Time, num: int64(binary.BigEndian.Uint64(b) ^ 1<<63), scale: int32(nanos)}, 12, nanos <= math.MaxInt32
		}
	}
	return Value{}, 0, false
}

func decodeKeyText(b []byte) (Value, int, bool) {
	var text []byte
	for i := 0; i < len(b); i++ {
		if b[i] != 0 {
			text = append(text, b[i])
			continue
		}
		if i+1 == len(b) {
			break
		}
		switch b[i+1] {
		case 1:
			return StringValue(string(text)), i + 2, true
		case 0xFF:
			text = append(text, 0)
			i++
		default:
			return Value{}, 0, false
		}
	}
	return Value{}, 0, false
}

func decodeKeyNumber(b []byte) (Value, int, bool) {
	if len(b) == 0 || b[0] > 2 {
		return Value{}, 0, false
	}
	if b[0] == 1 {
		return DecimalValue(Number{}), 1, true
	}
	flip, text := byte(0), []byte(nil)
	if b[0] == 0 {
		flip, text = 0xFF, []byte{'-'}
	}
	if len(b) < 2 {
		return Value{}, 0, false
	}
	whole := int(b[1] ^ flip)
	if whole == 0 {
		text = append(text, '0')
	}
	for i := 2; i < len(b); i++ {
		c := b[i] ^ flip
		if c == 0 {
			n, err := ParseNumber(string(text), false)
			return DecimalValue(n), i + 1, err == nil && i-2 >= whole
		}
		if i-2 == whole {
			text = append(text, '.')
		}
		text = append(text, c)
	}
	return Value{}, 0, false
}
