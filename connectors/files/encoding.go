package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// codec is how the text of a file is encoded. Its zero value is UTF-8.
type codec struct {
	single *charmap.Charmap // one byte a character
	wide   binary.ByteOrder // UTF-16
	marked bool             // a byte order mark says which UTF-16 it is
}

func encodingNamed(name string) (codec, error) {
	switch strings.ToLower(name) {
	case "utf-8", "":
		return codec{}, nil
	case "utf-16":
		return codec{wide: binary.LittleEndian, marked: true}, nil
	case "utf-16le":
		return codec{wide: binary.LittleEndian}, nil
	case "utf-16be":
		return codec{wide: binary.BigEndian}, nil
	case "windows-1252":
		return codec{single: charmap.Windows1252}, nil
	case "iso-8859-1":
		return codec{single: charmap.ISO8859_1}, nil
	case "iso-8859-15":
		return codec{single: charmap.ISO8859_15}, nil
	}
	return codec{}, fmt.Errorf("there is no encoding %q: use utf-8, utf-16, utf-16le, utf-16be, windows-1252, iso-8859-1 or iso-8859-15", name)
}

var (
	markUTF8 = []byte("\xEF\xBB\xBF")
	markLE   = []byte("\xFF\xFE")
	markBE   = []byte("\xFE\xFF")
)

// errNoMark says that a file does not tell which UTF-16 it is.
var errNoMark = errors.New(`it has no byte order mark: write encoding = "utf-16le" or "utf-16be"`)

// errMarked says that a file is in Unicode, whatever the ruleset says. Read otherwise,
// each umlaut of it would become two wrong letters and nobody would hear of it.
var errMarked = errors.New(`it begins with the byte order mark of UTF-8 or UTF-16, which no file in this encoding has: write encoding = "utf-8" or "utf-16"`)

// decoder returns a reader of the text in UTF-8, without a byte order mark, and
// how many bytes of the mark it passes. start are the first bytes of the file.
// A file that is marked as UTF-16 is read as that, whatever UTF-8 was expected.
func (c codec) decoder(input io.Reader, start []byte) (r io.Reader, mark int, err error) {
	order := c.wide
	switch {
	case c.single != nil && (bytes.HasPrefix(start, markUTF8) || bytes.HasPrefix(start, markLE) || bytes.HasPrefix(start, markBE)):
		return nil, 0, errMarked
	case c.single != nil:
		return transform.NewReader(input, c.single.NewDecoder()), 0, nil
	case bytes.HasPrefix(start, markUTF8) && order == nil:
		return input, len(markUTF8), nil
	case bytes.HasPrefix(start, markLE) && (c.marked || order != binary.BigEndian):
		order, mark = binary.LittleEndian, len(markLE)
	case bytes.HasPrefix(start, markBE) && (c.marked || order != binary.LittleEndian):
		order, mark = binary.BigEndian, len(markBE)
	case c.marked && len(start) > 0:
		return nil, 0, errNoMark
	}
	if order == nil {
		return input, 0, nil
	}
	return &wideReader{input: input, order: order}, mark, nil
}

// wideReader decodes UTF-16. What is no character becomes bytes that are not
// valid UTF-8, so that its row is refused and never silently changed.
type wideReader struct {
	input io.Reader
	order binary.ByteOrder
	raw   []byte // read and not decoded
	out   []byte // decoded and not given
	store []byte // what out is a slice of
	err   error
	space [8 << 10]byte
}

// Read gives decoded text.
func (w *wideReader) Read(p []byte) (int, error) {
	for len(w.out) == 0 && w.err == nil {
		n, err := w.input.Read(w.space[len(w.raw):])
		w.raw = w.space[:len(w.raw)+n]
		w.err = err
		w.store = w.decode(w.store[:0], err == io.EOF)
		w.out = w.store
	}
	if len(w.out) == 0 {
		return 0, w.err
	}
	n := copy(p, w.out)
	w.out = w.out[n:]
	return n, nil
}

// decode decodes what is complete; the rest stays at the beginning of the space.
func (w *wideReader) decode(out []byte, last bool) []byte {
	b := w.raw
	for len(b) >= 2 {
		unit := rune(w.order.Uint16(b))
		if !utf16.IsSurrogate(unit) {
			out, b = utf8.AppendRune(out, unit), b[2:]
			continue
		}
		if len(b) < 4 && !last {
			break
		}
		r := rune(utf8.RuneError)
		if len(b) >= 4 {
			r = utf16.DecodeRune(unit, rune(w.order.Uint16(b[2:])))
		}
		if r == utf8.RuneError { // half a pair
			out, b = append(out, 0xED, byte(0x80|unit>>6&0x3F), byte(0x80|unit&0x3F)), b[2:]
			continue
		}
		out, b = utf8.AppendRune(out, r), b[4:]
	}
	if last && len(b) > 0 { // half a unit
		out, b = append(out, 0xFF), nil
	}
	w.raw = w.space[:copy(w.space[:], b)]
	return out
}

// errEncoding says that a text cannot be written in the encoding of its file.
var errEncoding = errors.New("a character cannot be written in the encoding of the file")

// mark is what stands before all text of a file.
func (c codec) mark() []byte {
	if c.marked {
		return markLE
	}
	return nil
}

// encode returns text, which is in UTF-8, as the file has it; it may use dst.
func (c codec) encode(dst, text []byte) ([]byte, error) {
	switch {
	case !utf8.Valid(text):
		return nil, errEncoding
	case c.single != nil:
		return encodeSingle(dst, text, c.single)
	case c.wide == nil:
		return text, nil
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			dst = appendUnit(appendUnit(dst, c.wide, high), c.wide, low)
			continue
		}
		dst = appendUnit(dst, c.wide, r)
	}
	return dst, nil
}

func encodeSingle(dst, text []byte, single *charmap.Charmap) ([]byte, error) {
	for len(text) > 0 {
		if text[0] < utf8.RuneSelf {
			dst, text = append(dst, text[0]), text[1:]
			continue
		}
		r, size := utf8.DecodeRune(text)
		b, ok := single.EncodeRune(r)
		if !ok {
			return nil, errEncoding
		}
		dst, text = append(dst, b), text[size:]
	}
	return dst, nil
}

func appendUnit(dst []byte, order binary.ByteOrder, unit rune) []byte {
	if order == binary.BigEndian {
		return append(dst, byte(unit>>8), byte(unit))
	}
	return append(dst, byte(unit), byte(unit>>8))
}
