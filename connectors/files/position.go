package files

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"headgate/connectors"
	"headgate/engine/record"
)

// position is where a file was read to. Sum is of all text before Offset, so that
// a file that grew is told from one that was replaced. Offsets count the text
// in UTF-8, without a byte order mark.
type position struct {
	Offset, Line int64
	Sum          uint64
	// Back is the size of the record before Offset when the file ended in it
	// without a line break: if more of that line comes, the record was half of one.
	Back int64
	// Size and Time are of the file when its end was seen; Time is 0 before.
	Size, Time int64
}

// at returns p with the end of a file seen there.
func (p position) at(info fs.FileInfo) position {
	p.Size, p.Time = info.Size(), info.ModTime().UnixNano()
	return p
}

// ended reports whether the end of this very file was seen at p.
func (p position) ended(info fs.FileInfo) bool {
	return p.Time != 0 && info.Size() == p.Size && info.ModTime().UnixNano() == p.Time
}

func (p position) text() record.Position {
	text := fmt.Sprintf("offset=%d line=%d sum=%016x", p.Offset, p.Line, p.Sum)
	if p.Back != 0 {
		text += fmt.Sprintf(" back=%d", p.Back)
	}
	if p.Time != 0 {
		text += fmt.Sprintf(" end size=%d time=%d", p.Size, p.Time)
	}
	return record.Position(text)
}

func parsePosition(text record.Position) (p position, err error) {
	for _, word := range strings.Fields(string(text)) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "offset":
			p.Offset, err = strconv.ParseInt(value, 10, 64)
		case "line":
			p.Line, err = strconv.ParseInt(value, 10, 64)
		case "sum":
			p.Sum, err = strconv.ParseUint(value, 16, 64)
		case "back":
			p.Back, err = strconv.ParseInt(value, 10, 64)
		case "size":
			p.Size, err = strconv.ParseInt(value, 10, 64)
		case "time":
			p.Time, err = strconv.ParseInt(value, 10, 64)
		}
		if err != nil {
			break
		}
	}
	if err != nil || p.Offset < 0 || p.Back < 0 || p.Back > p.Offset || p.Back > greatestRecord+2 {
		return p, &connectors.Error{Class: connectors.Broken, Op: "go on reading", Hint: "`headgate checkpoint rewind` reads the file from its beginning", Err: fmt.Errorf("%q is not a position in a file", text)}
	}
	return p, nil
}
