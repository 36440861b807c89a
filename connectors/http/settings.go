package http

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"net/netip"
	"net/url"
	"strings"

	"headgate/connectors"
)

// Settings are those of a connector of this kind.
type Settings struct {
	URL     string   `hcl:"url" doc:"where the paths of all resources begin, for example https://shop.example/api/v2"`
	Auth    *Auth    `hcl:"auth,block" doc:"how headgate logs in: one of these"`
	TLS     *TLS     `hcl:"tls,block" doc:"of an https url"`
	Allow   []string `hcl:"allow,optional" doc:"private networks its name may lead to, for example [\"10.1.0.0/16\"]; an address that stands in url itself needs none"`
	MaxBody int64    `hcl:"max_body,optional" doc:"the longest answer that is read, unpacked, in bytes (33554432)"`
}

// Auth is how headgate logs in.
type Auth struct {
	Bearer connectors.Secret `hcl:"bearer,optional" doc:"a token, sent as Authorization: Bearer"`
	Basic  *Basic            `hcl:"basic,block" doc:"a name and a password"`
	Header *Header           `hcl:"header,block" doc:"a secret in a header of another name"`
	OAuth2 *OAuth2           `hcl:"oauth2,block" doc:"a token is asked for by client credentials, or by refresh_token, and renewed before it ends"`
}

// Basic is a login by name and password.
type Basic struct {
	User     string            `hcl:"user" doc:"the name"`
	Password connectors.Secret `hcl:"password" doc:"the password"`
}

// Header is a login by a secret in a header.
type Header struct {
	Name  string            `hcl:"name" doc:"the header, for example X-Api-Key"`
	Value connectors.Secret `hcl:"value" doc:"the secret"`
}

// OAuth2 is a login by client credentials, or, where a person had to log in once, by the
// refresh token that this gave.
type OAuth2 struct {
	TokenURL     string            `hcl:"token_url" doc:"where a token is asked for"`
	ClientID     string            `hcl:"client_id" doc:"the client"`
	ClientSecret connectors.Secret `hcl:"client_secret" doc:"its secret"`
	RefreshToken connectors.Secret `hcl:"refresh_token,optional" doc:"the first one; the one that each answer replaces it by is kept beside the state before it is needed"`
	Scope        string            `hcl:"scope,optional" doc:"what is asked for by client credentials, separated by blanks"`
	SendIn       string            `hcl:"send_in,optional" words:"header body" doc:"header or body: where client_id and client_secret stand (header)"`
}

// TLS says whom headgate trusts and how it shows who it is.
type TLS struct {
	CA         string            `hcl:"ca,optional" doc:"a PEM file of the authorities to trust instead of those of the system"`
	Cert       string            `hcl:"cert,optional" doc:"a PEM file with headgate's certificate"`
	Key        connectors.Secret `hcl:"key,optional" doc:"its key, in PEM"`
	MinVersion string            `hcl:"min_version,optional" doc:"\"1.2\" or \"1.3\" (1.2)"`
}

// Resource are the settings of a resource.
type Resource struct {
	Format      string       `hcl:"format,optional" words:"json jsonl xml" doc:"json, jsonl or xml: what answers are read as (json)"`
	Fetch       *Fetch       `hcl:"fetch,block" doc:"how many records are read"`
	Finds       []Find       `hcl:"find,block" doc:"how one record is asked for; may stand several times: the first whose names are known is asked"`
	Create      *Effect      `hcl:"create,block" doc:"how a record is created"`
	Update      *Effect      `hcl:"update,block" doc:"how a record is changed"`
	Delete      *Effect      `hcl:"delete,block" doc:"how a record is deleted"`
	Upsert      *Effect      `hcl:"upsert,block" doc:"how a record is made what it should be, by its key, whether it is there or not"`
	Idempotency *Idempotency `hcl:"idempotency,block" doc:"how a request is told to be the same one again"`
}

// Fetch is how many records are read.
type Fetch struct {
	Path    connectors.Text            `hcl:"path" doc:"for example path = \"/orders\""`
	Method  string                     `hcl:"method,optional" doc:"GET, or POST where a search is posted (GET)"`
	Query   map[string]connectors.Text `hcl:"query,optional" doc:"what stands behind the path, for example { updated_since = \"${cursor}\" }; what uses a cursor that is not known yet is left out"`
	Headers map[string]connectors.Text `hcl:"headers,optional" doc:"more headers"`
	Body    connectors.Text            `hcl:"body,optional" doc:"what is posted, of type application/json"`
	Start   string                     `hcl:"start,optional" doc:"what ${cursor} is before anything was read"`
	Records string                     `hcl:"records,optional" doc:"where the records stand in an answer (it is an array of them)"`
	OK      connectors.Logic           `hcl:"ok,optional" doc:"what an answer must be to be a success, for example \"status == 200 && body.error == nil\""`
	Page    *Page                      `hcl:"page,block" doc:"how the next records are asked for: by number, offset, cursor, next or link"`
}

// Page is how the next records are asked for.
type Page struct {
	Number string           `hcl:"number,optional" doc:"the query parameter of the number of a page"`
	First  int              `hcl:"first,optional" doc:"the number of the first page (1)"`
	Offset string           `hcl:"offset,optional" doc:"the query parameter of how many records stand before"`
	Cursor string           `hcl:"cursor,optional" doc:"the query parameter of what an answer has at next"`
	Next   string           `hcl:"next,optional" doc:"where an answer has the value of cursor, or the url of what comes next, for example \"links.next\""`
	Link   bool             `hcl:"link,optional" doc:"the header Link has the url of what comes next (false)"`
	Size   string           `hcl:"size,optional" doc:"the query parameter of how many records are wanted"`
	Limit  int              `hcl:"limit,optional" doc:"how many records are wanted at once (100)"`
	Last   connectors.Logic `hcl:"last,optional" doc:"what an answer is after which none is asked for, for example \"body.page == body.pages\" (one without records)"`
}

// The defaults.
const (
	defaultMaxBody = 32 << 20
	defaultLimit   = 100
	defaultFirst   = 1
)

// Defaults implements the defaults of load.
func (p *Page) Defaults() { p.First, p.Limit = defaultFirst, defaultLimit }

// Validate implements the check of load.
func (s *Settings) Validate() error {
	if _, err := parseURL(s.URL); err != nil {
		return wrong("url", err)
	}
	if _, err := networks(s.Allow); err != nil {
		return wrong("allow", err)
	}
	if s.MaxBody < 1 {
		return wrong("max_body", errors.New("max_body must be at least 1"))
	}
	if s.TLS != nil {
		if err := s.TLS.validate(); err != nil {
			return err
		}
	}
	return s.Auth.validate()
}

func wrong(field string, err error) error { return &connectors.FieldError{Field: field, Err: err} }

// parseURL reads an address that requests may be sent to. It has no login in it: a
// secret is never written into a ruleset.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("it is not an address as https://shop.example/api")
	case u.User != nil:
		return nil, errors.New("a login has no place in an address: write an auth block")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("an address ends before ? and #: write a query where it is asked")
	}
	return u, nil
}

func networks(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network as 10.1.0.0/16", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func (t *TLS) validate() error {
	switch {
	case t.MinVersion != "" && t.MinVersion != "1.2" && t.MinVersion != "1.3":
		return wrong("tls.min_version", errors.New(`min_version is "1.2" or "1.3"`))
	case (t.Cert == "") != t.Key.IsZero():
		return wrong("tls.cert", errors.New("a certificate needs its key, and a key its certificate"))
	}
	return nil
}

func (a *Auth) validate() error {
	if a == nil {
		return nil
	}
	ways := 0
	for _, is := range []bool{!a.Bearer.IsZero(), a.Basic != nil, a.Header != nil, a.OAuth2 != nil} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		return wrong("auth", errors.New("auth has one of bearer, basic, header and oauth2"))
	}
	if a.OAuth2 != nil {
		if _, err := parseURL(a.OAuth2.TokenURL); err != nil {
			return wrong("auth.oauth2.token_url", err)
		}
	}
	return nil
}

// Validate implements the check of load. It also takes the word body from places in
// an answer: body.data.items and data.items are one place, and body is all of it.
func (r *Resource) Validate() error {
	if r.Fetch == nil && len(r.Finds) == 0 && r.Create == nil && r.Update == nil && r.Delete == nil && r.Upsert == nil {
		return wrong("fetch", errors.New("a resource needs a fetch block to be read, or a create, update, delete or upsert block to be written"))
	}
	if r.Upsert != nil && (r.Create != nil || r.Update != nil) {
		return wrong("upsert", errors.New("a resource has an upsert, or create and update, not both"))
	}
	for i := range r.Finds {
		trimBody(&r.Finds[i].Records)
	}
	for _, e := range []*Effect{r.Create, r.Update, r.Delete, r.Upsert} {
		if e != nil {
			trimBody(&e.Answer)
			if e.Many != nil {
				trimBody(&e.Many.Answer)
			}
		}
	}
	if err := r.validateWriting(); err != nil || r.Fetch == nil {
		return err
	}
	return r.Fetch.validate(r.Format)
}

// errNoFetch says why a resource cannot be read.
var errNoFetch = errors.New("the resource has no fetch block: it does not say how its records are read")

// Readable and Writable implement connectors.Directed.
func (r *Resource) Readable() error {
	if r.Fetch == nil {
		return errNoFetch
	}
	return nil
}

func (r *Resource) Writable() error {
	if r.Create == nil && r.Update == nil && r.Delete == nil && r.Upsert == nil {
		return errors.New("the resource has none of create, update, upsert and delete: it does not say how records are written")
	}
	return nil
}

// Replacing implements connectors.Replacing.
func (r *Resource) Replacing() (replaces, asked bool) {
	return r.Upsert != nil || r.Update != nil && r.Update.Method == nethttp.MethodPut, len(r.Finds) > 0
}

func trimBody(place *string) {
	if rest, ok := strings.CutPrefix(*place, nameBody+"."); ok {
		*place = rest
	} else if *place == nameBody {
		*place = ""
	}
}

func (f *Fetch) validate(format string) error {
	trimBody(&f.Records)
	if err := validateTarget("fetch", f.Path, f.Headers); err != nil {
		return err
	}
	if f.Method != "" && f.Method != nethttp.MethodGet && f.Method != nethttp.MethodPost {
		return wrong("fetch.method", errors.New("records are fetched by GET or by POST"))
	}
	if f.Body.Source != "" && f.Method != nethttp.MethodPost {
		return wrong("fetch.body", errors.New(`a body needs method = "POST"`))
	}
	if format == formatJSONL && f.Records != "" {
		return wrong("fetch.records", errors.New("each line of jsonl is a record: there is no place in it to say"))
	}
	if f.Page == nil {
		return nil
	}
	trimBody(&f.Page.Next)
	return f.Page.validate(format)
}

func (p *Page) validate(format string) error {
	ways := 0
	for _, is := range []bool{p.Number != "", p.Offset != "", p.Cursor != "", p.Next != "" && p.Cursor == "", p.Link} {
		if is {
			ways++
		}
	}
	switch {
	case ways != 1:
		return wrong("fetch.page", errors.New("a page block has one of number, offset, cursor with next, next, and link"))
	case p.Cursor != "" && p.Next == "":
		return wrong("fetch.page.cursor", errors.New("cursor needs next: where an answer has its value"))
	case p.Next != "" && format == formatJSONL:
		return wrong("fetch.page.next", errors.New("jsonl has no place for it: use link, number or offset"))
	case p.Limit < 1:
		return wrong("fetch.page.limit", errors.New("limit must be at least 1"))
	}
	return nil
}

var (
	_ connectors.Directed  = (*Resource)(nil)
	_ connectors.Replacing = (*Resource)(nil)
)
