package http

import (
	"time"

	"headgate/connectors"
)

// Find is how a record is asked for.
type Find struct {
	Path    connectors.Text            `hcl:"path" doc:"for example path = \"/orders/${id}\""`
	Query   map[string]connectors.Text `hcl:"query,optional" doc:"what is asked for, for example { external_id = \"${reference}\" }"`
	Headers map[string]connectors.Text `hcl:"headers,optional" doc:"more headers"`
	OK      connectors.Logic           `hcl:"ok,optional" doc:"what an answer must be to be a success, for example \"body.error == nil\""`
	Records string                     `hcl:"records,optional" doc:"where the found records stand in the answer (it is one, or an array of them)"`
	Lag     time.Duration              `hcl:"lag,optional" doc:"how long after a record was written it may still not be found (0s)"`
}

// Effect is how one kind of change is sent.
type Effect struct {
	Method    string                     `hcl:"method,optional" doc:"the method (POST to create, PATCH to update, DELETE to delete, PUT to upsert)"`
	Path      connectors.Text            `hcl:"path" doc:"for example path = \"/orders/${id}\""`
	Query     map[string]connectors.Text `hcl:"query,optional" doc:"what stands behind the path"`
	Headers   map[string]connectors.Text `hcl:"headers,optional" doc:"more headers"`
	OK        connectors.Logic           `hcl:"ok,optional" doc:"what an answer must be to be a success, for example \"status == 201 && body.id != nil\""`
	Refused   connectors.Logic           `hcl:"refused,optional" doc:"what an answer is that says no for good, for example \"body.error != nil\""`
	Answer    string                     `hcl:"answer,optional" doc:"where the record stands in the answer (it is the answer)"`
	OnUnknown string                     `hcl:"on_unknown,optional" words:"find doubt retry" doc:"find, doubt or retry: what to do where it is not known whether it was done"`
	Many      *Many                      `hcl:"many,block" doc:"several changes in one request"`
}

// How many changes one request carries at most, and where nothing is said.
const (
	maxMany     = 10_000
	defaultMany = 100
)

// Many is how several changes go into one request.
type Many struct {
	Items  string           `hcl:"items,optional" doc:"where the records stand in the body (it is an array of them)"`
	Limit  int              `hcl:"limit,optional" doc:"how many go into one request (100)"`
	Answer string           `hcl:"answer,optional" doc:"where the answers to them stand: each shows its record by reference, key or id, or they are in the same order (the answer is an array of them)"`
	OK     connectors.Logic `hcl:"ok,optional" doc:"what the answer to one of them must be to be a success"`
}

// Idempotency is how a destination is told that a request is the same one again.
type Idempotency struct {
	Header string        `hcl:"header,optional" doc:"the header that carries the key (Idempotency-Key)"`
	Window time.Duration `hcl:"window" doc:"how long the destination remembers a key, for example 24h"`
}

// What the texts and logics of an effect, of a find and of a fetch may use.
var (
	judging  = connectors.Scope{Logics: []string{nameStatus}, Documents: []string{nameBody, nameHeaders}}
	asking   = connectors.Scope{Texts: []string{nameID, nameReference}, Columns: true, Logics: judging.Logics, Documents: judging.Documents}
	fetching = connectors.Scope{Texts: []string{nameCursor}, Logics: judging.Logics, Documents: judging.Documents}
)

// Scope implements connectors.Scoped.
func (*Find) Scope() connectors.Scope   { return asking }
func (*Effect) Scope() connectors.Scope { return asking }
func (*Many) Scope() connectors.Scope   { return judging }
func (*Fetch) Scope() connectors.Scope  { return fetching }
func (*Page) Scope() connectors.Scope   { return fetching }
