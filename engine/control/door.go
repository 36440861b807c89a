package control

import (
	"context"
	"encoding/json"
	"fmt"

	"headgate/connectors"
	"headgate/engine"
)

// Door is a way to ask the service: in this process, or through a socket.
type Door interface {
	// Ask asks verb with a request and fills answer. Either may be nil.
	Ask(ctx context.Context, verb string, request, answer any) error
	Close() error
}

// Error is what went wrong, as it passes a door.
type Error struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Code    Code   `json:"code,omitempty"`
}

// Code says what kind of error it is, where that matters to whoever asked.
type Code string

// The codes.
const (
	Usage      Code = "usage"       // the request makes no sense
	BadRuleset Code = "bad_ruleset" // files that came with it do not compile; Message holds the diagnostics
	Uncertain  Code = "uncertain"   // the durable state is uncertain
)

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func usage(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Code: Usage}
}

// Inside is the door to a service in this process.
type Inside struct {
	Service *Service
	Actor   engine.Actor
	Closer  func() error // closes what the service works on; nil: nothing
}

// Ask implements Door. Request and answer go through JSON as they do on the socket.
func (d *Inside) Ask(ctx context.Context, verb string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", verb, err)
	}
	result, err := d.Service.do(ctx, d.Actor, verb, body)
	if err != nil {
		return err
	}
	if answer == nil {
		return nil
	}
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("answer %s: %w", verb, err)
	}
	return json.Unmarshal(text, answer)
}

// Close implements Door.
func (d *Inside) Close() error {
	if d.Closer == nil {
		return nil
	}
	return d.Closer()
}

// passing makes an error one that can pass a socket.
func passing(err error) *Error {
	if e, ok := asError(err); ok && codeOf(err) == "" {
		return e
	}
	return &Error{Message: err.Error(), Hint: connectors.HintOf(err), Code: codeOf(err)}
}
