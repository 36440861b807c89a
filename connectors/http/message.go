package http

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"headgate/connectors"
)

// messageVersion is the first byte of an encoded message. Messages outlive the
// process that made them: a version that was ever released is read for ever.
const messageVersion = 1

// manyBit is set in the second byte, beside the operation.
const manyBit = 0x80

// message is one request that has an effect, with all that is needed to send it and
// to read its answer, but for the address and the secrets of the connector.
type message struct {
	op      connectors.Op
	changes int
	many    bool // they stand in an array, and so do their answers
	method  string
	path    string // escaped, behind the url of the connector
	query   string // encoded, without "?"
	headers [][2]string
	key     string // of idempotency; "": none
	body    []byte
}

var errMessage = errors.New("the stored message is damaged, or of a newer headgate")

// encode returns m as it is kept and sent again.
func (m *message) encode() []byte {
	kind := byte(m.op)
	if m.many {
		kind |= manyBit
	}
	dst := m.appendRequest([]byte{messageVersion, kind})
	dst = binary.AppendUvarint(dst, uint64(m.changes))
	return appendText(dst, m.key)
}

// appendRequest appends what reaches the destination.
func (m *message) appendRequest(dst []byte) []byte {
	dst = appendText(appendText(appendText(dst, m.method), m.path), m.query)
	dst = binary.AppendUvarint(dst, uint64(len(m.headers)))
	for _, h := range m.headers {
		dst = appendText(appendText(dst, h[0]), h[1])
	}
	return appendText(dst, string(m.body))
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// digest tells requests apart. What is not a create is salted with when it was made:
// a value that goes, and comes back, is another request each time, and a destination
// that took it for the first one would do nothing.
func (m *message) digest(salt int64) string {
	text := m.appendRequest(nil)
	if m.op != connectors.Create {
		text = binary.AppendVarint(text, salt)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// decodeMessage reads what encode made, in this process or in one before it.
func decodeMessage(b []byte) (*message, error) {
	if len(b) < 2 || b[0] != messageVersion {
		return nil, errMessage
	}
	d := decoder{rest: b[2:]}
	m := &message{op: connectors.Op(b[1] &^ manyBit), many: b[1]&manyBit != 0, method: d.text(), path: d.text(), query: d.text()}
	for range d.count() {
		m.headers = append(m.headers, [2]string{d.text(), d.text()})
	}
	m.body = []byte(d.text())
	m.changes = d.count()
	m.key = d.text()
	if d.failed || len(d.rest) > 0 || m.op < connectors.Create || m.op > connectors.Delete || m.changes < 1 {
		return nil, fmt.Errorf("read a message of %d bytes: %w", len(b), errMessage)
	}
	return m, nil
}

// decoder reads from rest until something is not as it was written.
type decoder struct {
	rest   []byte
	failed bool
}

// count reads how many there are of something, which never is more than maxMany.
func (d *decoder) count() int {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > maxMany {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return int(n)
}

func (d *decoder) text() string {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > uint64(len(d.rest)-size) {
		d.failed, d.rest = true, nil
		return ""
	}
	text := string(d.rest[size : size+int(n)])
	d.rest = d.rest[size+int(n):]
	return text
}

// maxText is how much of a body people are shown.
const maxText = 16 << 10

// text shows m to people.
func (m *message) text() string {
	var b strings.Builder
	b.WriteString(m.method + " " + m.address())
	for _, h := range m.headers {
		b.WriteString("\n" + h[0] + ": " + h[1])
	}
	if len(m.body) > 0 {
		b.WriteString("\n\n")
		b.WriteString(cut(string(m.body), maxText))
	}
	return b.String()
}

// address is the path with the query.
func (m *message) address() string {
	if m.query == "" {
		return m.path
	}
	return m.path + "?" + m.query
}

// cut shortens a text to whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + connectors.Cut
}
