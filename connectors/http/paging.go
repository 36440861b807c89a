package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// message is the request of the answer at p.
func (s *source) message(p *position) (*message, error) {
	names := connectors.Names{}
	if p.Since != "" {
		names[nameCursor] = record.StringValue(p.Since)
	}
	asked := s.target
	asked.query = make(map[string]connectors.Text, len(s.target.query))
	for name, text := range s.target.query {
		if p.Since != "" || !slices.Contains(text.Uses, nameCursor) {
			asked.query[name] = text
		}
	}
	m, err := asked.render(names)
	if err != nil {
		return nil, fmt.Errorf("%w: write start = …, what it is before anything was read", err)
	}
	m.headers = append(s.accepts(), m.headers...)
	if s.fetch.Body.Source != "" {
		if m.body, err = s.body(p); err != nil {
			return nil, err
		}
	}
	return m, s.turn(m, p)
}

func (s *source) accepts() [][2]string {
	switch s.resource.Settings.(*Resource).Format {
	case formatXML:
		return [][2]string{{"Accept", "application/xml, text/xml"}}
	case formatJSONL:
		return [][2]string{{"Accept", "application/x-ndjson, application/jsonl, application/json"}}
	}
	return nil
}

// body renders what is posted: the cursor is escaped as a part of a JSON text.
func (s *source) body(p *position) ([]byte, error) {
	quoted, err := json.Marshal(p.Since)
	if err != nil {
		return nil, err
	}
	text, err := rendered(s.fetch.Body, connectors.Names{nameCursor: record.StringValue(string(quoted[1 : len(quoted)-1]))})
	return []byte(text), err
}

// turn makes the request one for the page that p stands in.
func (s *source) turn(m *message, p *position) error {
	g := s.fetch.Page
	if g == nil {
		return nil
	}
	if p.Token != "" && g.Cursor == "" {
		path, query, _ := strings.Cut(p.Token, "?")
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q is no place of the next page", p.Token)
		}
		m.path, m.query = s.origin()+path, query
		return nil
	}
	query, err := url.ParseQuery(m.query)
	if err != nil {
		return err
	}
	set := func(name, value string) {
		if name != "" {
			query.Set(name, value)
		}
	}
	set(g.Size, strconv.Itoa(g.Limit))
	set(g.Number, strconv.Itoa(g.First+p.Page))
	set(g.Offset, strconv.Itoa(p.Before))
	if p.Token != "" {
		set(g.Cursor, p.Token)
	}
	m.query = query.Encode()
	return nil
}

func (c *connector) origin() string { return c.url.Scheme + "://" + c.url.Host }

// next says where the answer behind this one is, or nil. Only an answer without
// records, or one that says so, is the last one by number or offset: a system may
// give fewer records than it is asked for.
func (s *source) next(p *position, m *message, a *answer, records []string) (*position, error) {
	g := s.fetch.Page
	if g == nil {
		return nil, nil
	}
	if g.Last.Eval != nil {
		last, err := s.isLast(a)
		if last || err != nil {
			return nil, err
		}
	}
	counted := g.Number != "" || g.Offset != ""
	if counted && len(records) == 0 {
		return nil, nil
	}
	next := position{Since: p.Since, Page: p.Page + 1, Before: p.Before + len(records), Seen: p.Seen}
	mark := ""
	if counted {
		mark = digest(strings.Join(records, "\n"))
	} else {
		token, err := s.token(m, a)
		if token == "" || err != nil {
			return nil, err
		}
		next.Token, mark = token, digest(token)
	}
	// Brent: each answer is compared with the one whose number is the last power of two.
	if mark == p.Seen || next.Token != "" && next.Token == p.Token {
		return nil, s.loop(p)
	}
	if p.Page&(p.Page-1) == 0 {
		next.Seen = mark
	}
	return &next, nil
}

func (s *source) loop(p *position) error {
	e := broken(s.op(), fmt.Errorf("page %d brings back one that was read before: it would never end", p.Page+1))
	e.Code, e.Hint = "loop", "the system does not take the page as the page block names it"
	return e
}

func (s *source) isLast(a *answer) (bool, error) {
	names, err := a.names(s.fetch.Page.Last.Uses)
	if err != nil {
		return false, shape(s.op(), "%w", err)
	}
	v, err := s.fetch.Page.Last.Eval(names)
	if err != nil {
		return false, shape(s.op(), "whether it is the last page cannot be told: %w", err)
	}
	return v.Bool(), nil
}

// token is what an answer names as the next, or "".
func (s *source) token(m *message, a *answer) (string, error) {
	g := s.fetch.Page
	if g.Link {
		return s.sameOrigin(m, linked(a.header.Values("Link")))
	}
	text, ok, err := document.At(a.body, g.Next)
	if err != nil || !ok || text == "null" || text == "false" {
		return "", err
	}
	if text[0] == '{' || text[0] == '[' {
		return "", shape(s.op(), "what the answer has at %q names no page", g.Next)
	}
	text = document.Plain(text)
	if g.Cursor != "" {
		return text, nil
	}
	return s.sameOrigin(m, text)
}

var errElsewhere = errors.New("the next page is said to be at another place, which is not asked")

// sameOrigin returns path and query of an address, which may be relative to the
// request it answers. Only they are kept: what is asked is always our own origin.
func (s *source) sameOrigin(m *message, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	base, err := url.Parse(s.address(m))
	if err != nil {
		return "", broken(s.op(), unwrapped(err))
	}
	u, err := base.Parse(text)
	if err != nil {
		return "", shape(s.op(), "the address of the next page is none")
	}
	if u.Host != s.url.Host || u.Scheme != s.url.Scheme || u.User != nil {
		e := broken(s.op(), errElsewhere)
		e.Code = "redirect"
		return "", e
	}
	u.Scheme, u.Host, u.Fragment = "", "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// linked finds the address that a Link header names as next.
func linked(headers []string) string {
	for _, header := range headers {
		for rest := header; ; {
			_, after, found := strings.Cut(rest, "<")
			if !found {
				break
			}
			address, parameters, closed := strings.Cut(after, ">")
			if !closed {
				break
			}
			rest = parameters
			if end := strings.Index(parameters, "<"); end >= 0 {
				parameters = parameters[:end]
			}
			if isNext(parameters) {
				return strings.TrimSpace(address)
			}
		}
	}
	return ""
}

// isNext reports whether the parameters of a link have rel=next.
func isNext(parameters string) bool {
	for _, parameter := range strings.FieldsFunc(parameters, func(r rune) bool { return r == ';' || r == ',' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") && slices.Contains(strings.Fields(strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`))), "next") {
			return true
		}
	}
	return false
}
