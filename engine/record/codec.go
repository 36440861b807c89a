package record

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCodec says that bytes are not an encoded value or row.
var ErrCodec = errors.New("not an encoded value")

// maxDepth is how deep lists may stand in each other in an encoding.
const maxDepth = 4

// AppendValue appends a compact encoding of v to dst, from which DecodeValue makes v again.
func AppendValue(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.kind))
	switch v.kind {
	case String:
		dst = binary.AppendUvarint(dst, uint64(len(v.text())))
		return append(dst, v.text()...)
	case Decimal:
		text := v.Number().Append(nil)
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		return append(dst, text...)
	case Int, Bool, Date:
		return binary.AppendVarint(dst, v.num)
	case Time:
		dst = binary.AppendVarint(dst, v.num)
		return binary.AppendVarint(dst, int64(v.scale))
	case List:
		dst = binary.AppendUvarint(dst, uint64(len(v.Lines().Rows)))
		for _, row := range v.Lines().Rows {
			dst = AppendRow(dst, row)
		}
	}
	return dst
}

// AppendRow appends an encoding of a row.
func AppendRow(dst []byte, row Row) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(row)))
	for _, v := range row {
		dst = AppendValue(dst, v)
	}
	return dst
}

// DecodeValue decodes the value at the front of b and returns how many bytes it took.
func DecodeValue(b []byte) (Value, int, error) {
	d := decoder{b: b}
	v := d.value(0)
	return v, len(b) - len(d.b), d.err
}

// DecodeRow decodes a row that fills b.
func DecodeRow(b []byte) (Row, error) {
	d := decoder{b: b}
	row := d.row(0)
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%w: %d bytes too many", ErrCodec, len(d.b))
	}
	return row, d.err
}

type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() { d.b, d.err = nil, ErrCodec }

func (d *decoder) length() int {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(len(d.b)-size) {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) text() string {
	n := d.length()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) row(depth int) Row {
	row := make(Row, d.length())
	for i := range row {
		row[i] = d.value(depth)
	}
	return row
}

func (d *decoder) value(depth int) Value {
	if len(d.b) == 0 || depth > maxDepth {
		d.fail()
		return Value{}
	}
	kind := Kind(d.b[0])
	d.b = d.b[1:]
	switch kind {
	case Absent, Null:
		return Value{kind: kind}
	case String:
		return StringValue(d.text())
	case Decimal:
		n, err := ParseNumber(d.text(), false)
		if err != nil {
			d.fail()
		}
		return DecimalValue(n)
	case Int:
		return IntValue(d.varint())
	case Bool:
		return BoolValue(d.varint() != 0)
	case Date:
		return DateValue(int32(d.varint()))
	case Time:
		seconds := d.varint()
		return Value{kind: Time, num: seconds, scale: int32(d.varint())}
	case List:
		lines := &Lines{Rows: make([][]Value, d.length())}
		for i := range lines.Rows {
			lines.Rows[i] = d.row(depth + 1)
		}
		return ListValue(lines)
	}
	d.fail()
	return Value{}
}
