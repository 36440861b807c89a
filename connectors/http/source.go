package http

import (
	"context"
	"fmt"
	"iter"
	nethttp "net/http"
	"slices"
	"sync"

	"headgate/connectors"
	"headgate/engine/record"
)

// source reads a resource answer by answer. Rows need not come in any order: a pass
// keeps the greatest cursor it saw, and the next one starts before it.
type source struct {
	*connector
	resource connectors.Resource
	fetch    *Fetch
	target   target
	parser   *parser

	mu   sync.Mutex
	kept *fetched // the answer that was read last: its rows are asked for in parts
}

// getter is a source whose rows can be asked for by their key.
type getter struct{ *source }

// Source implements connectors.Connector.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	s := &source{connector: c, resource: r, fetch: r.Settings.(*Resource).Fetch}
	asked := slices.ContainsFunc(r.Settings.(*Resource).Finds, byColumns)
	if s.fetch == nil && !asked {
		return nil, broken(s.op(), errNoFetch)
	}
	if s.fetch == nil {
		return &getter{s}, nil
	}
	method := s.fetch.Method
	if method == "" {
		method = nethttp.MethodGet
	}
	s.target = target{method, s.fetch.Path, s.fetch.Query, s.fetch.Headers}
	s.parser = newParser(&r, s.fetch.Records)
	if asked {
		return &getter{s}, nil
	}
	return s, nil
}

// Place implements connectors.Source.
func (s *source) Place() (string, error) {
	if s.fetch == nil {
		return s.place(s.resource.Settings.(*Resource).Finds[0].Path.Source), nil
	}
	return s.place(s.fetch.Path.Source), nil
}

// Parts implements connectors.Source: a resource is one part.
func (s *source) Parts(context.Context) iter.Seq2[connectors.Part, error] {
	return func(yield func(connectors.Part, error) bool) { yield(connectors.Part{}, nil) }
}

func (s *source) op() string { return "read " + s.resource.Name }

// Read implements connectors.Source. A position that ended starts again: a whole
// resource from its beginning, a cursor from its overlap before the greatest one seen.
func (s *source) Read(ctx context.Context, _ connectors.Part, after record.Position, limit int) (connectors.Page, error) {
	if s.fetch == nil {
		return nil, broken(s.op(), errNoFetch)
	}
	p, err := parsePosition(after)
	if err != nil {
		return nil, err
	}
	if p.End || after == "" {
		p = position{High: p.High, Since: s.since(p.High)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := &page{source: s, from: p}
	for len(rows.texts) < limit && !rows.ended {
		if err = ctx.Err(); err != nil {
			return nil, err
		}
		if p, err = s.more(ctx, rows, p, limit); err != nil {
			break
		}
	}
	if err != nil && (len(rows.texts) == 0 || ctx.Err() != nil) {
		return nil, err
	}
	return rows, nil // of an error behind them the next read will tell
}

// more adds the records behind p to rows, and says where it goes on.
func (s *source) more(ctx context.Context, rows *page, p position, limit int) (position, error) {
	answer, err := s.at(ctx, &p)
	if err != nil {
		return p, err
	}
	for p.Row < len(answer.records) && len(rows.texts) < limit {
		p = s.behind(p, answer.records[p.Row])
		rows.texts, rows.at = append(rows.texts, answer.records[p.Row-1]), append(rows.at, p)
	}
	switch {
	case p.Row < len(answer.records):
	case answer.next == nil:
		rows.ended = true
	case len(rows.texts) < limit:
		high := p.High
		p = *answer.next
		p.High = high
	}
	return p, nil
}

// behind is the position behind the record that p stands before.
func (s *source) behind(p position, text string) position {
	p.Row, p.Last = p.Row+1, digest(text)
	if s.resource.Cursor != "" {
		if v := s.parser.cursor(text); !v.Missing() {
			p.High = s.later(p.High, v.Text())
		}
	}
	return p
}

// at returns the answer that p stands in: the one that is kept, or another. Where
// that is not as it was, and p stands within it, it is read from its beginning.
func (s *source) at(ctx context.Context, p *position) (*fetched, error) {
	if s.kept != nil && p.Row > 0 && s.kept.at == p.answer() {
		return s.kept, nil
	}
	answer, err := s.ask(ctx, p)
	if err != nil {
		return nil, err
	}
	if p.Row > len(answer.records) || p.Row > 0 && digest(answer.records[p.Row-1]) != p.Last {
		p.Row, p.Last = 0, ""
	}
	s.kept = answer
	return answer, nil
}

// fetched is one answer: its records, and what comes behind it.
type fetched struct {
	at      answerAt
	records []string
	next    *position // of the answer behind it; nil: there is none
}

// ask sends the request of an answer.
func (s *source) ask(ctx context.Context, p *position) (*fetched, error) {
	m, err := s.message(p)
	if err != nil {
		return nil, broken(s.op(), err)
	}
	a, err := s.do(ctx, s.op(), m, false)
	if err != nil {
		return nil, err
	}
	records, err := s.parser.records(s.connector, s.op(), a, s.fetch.OK)
	if err != nil {
		return nil, err
	}
	f := &fetched{at: p.answer(), records: records}
	f.next, err = s.next(p, m, a, records)
	return f, err
}

// shape says that an answer is not as it was declared.
func shape(op string, format string, args ...any) *connectors.Error {
	return &connectors.Error{Class: connectors.Unclear, Code: "shape", Op: op, Err: fmt.Errorf(format, args...)}
}

var (
	_ connectors.Source    = (*source)(nil)
	_ connectors.Selective = (*getter)(nil)
)
