package files

import (
	"unicode/utf8"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// parseJSONL finds limit lines in the buffer, makes one block of them, and rows of that.
func (r *reading) parseJSONL(p *page, limit int) error {
	s := r.newScan(limit)
	long, err := r.scanLines(s)
	if err != nil {
		return err
	}
	if long != nil && len(s.found) == 0 {
		return r.skipLong(p, long)
	}
	p.end = r.done(s.at)
	p.take(r, s.at, s.line-r.line)
	p.grow(len(s.found))
	valid := utf8.ValidString(p.block)
	for _, f := range s.found {
		at, row := len(p.spans), p.add(f.span)
		if f.err == nil {
			f.err = parseLine(p.block[f.span.from:f.span.to], valid, r.wanted, row)
		}
		if f.err != nil {
			p.fail(at, f.err)
		}
	}
	return nil
}

// scanLines finds lines until there are enough, or enough text. A line that is
// longer than a record may be ends it: that one has a page of its own.
func (r *reading) scanLines(s *scan) (long *connectors.RowError, err error) {
	most := r.source.settings.JSONL.MaxRecord
	for len(s.found) < s.more && !r.done(s.at) {
		if s.at >= pageSize && len(s.found) > 0 {
			return nil, nil
		}
		end, after, err := line(r.buf[s.at:], r.eof, most)
		if err == errMore {
			if err := r.fill(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil && after == 0 {
			return tooLong(most), nil
		}
		if err == nil && blankLine(r.buf[s.at:s.at+end]) {
			if full := r.blank(s, after); full {
				return nil, nil
			}
			continue
		}
		at := span{s.at, s.at + end, s.at + after, s.line, s.line + 1}
		if r.buf[s.at+after-1] != '\n' {
			at.next--
		}
		found := pending{span: at}
		if err != nil {
			found.err = tooLong(most)
		}
		s.found = append(s.found, found)
		s.at, s.line = at.after, at.next
	}
	return nil, nil
}

func blankLine(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// parseLine takes what is wanted of one object. Whatever is no JSON object is the
// line's own error; valid says that it is known to be UTF-8.
func parseLine(text string, valid bool, wanted *document.Reader, row record.Row) *connectors.RowError {
	if !valid && !utf8.ValidString(text) {
		return &connectors.RowError{Code: "encoding", Message: "the line is not valid UTF-8"}
	}
	if err := wanted.Read(text, row); err != nil {
		return &connectors.RowError{Code: "json", Message: "the line is no JSON object: " + err.Error()}
	}
	return nil
}
