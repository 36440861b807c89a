// Package http is the connector to systems that are asked by HTTP: what they are
// asked, and what an answer must be to be a success, is declared.
//
// It follows no redirect of a request that has an effect, and lets nobody but the
// engine repeat one. It talks only to addresses it was told of: a name that leads to
// the machine itself, to a private network that is not allowed, or to an address
// where a cloud keeps its secrets is refused when it is dialled.
package http

import (
	"context"
	nethttp "net/http"
	"net/url"
	"sync"
	"time"

	"headgate/connectors"
)

// codes are those of answers and of requests without one, and what refusals carry.
var codes = []string{
	"2xx", "3xx", "4xx", "5xx",
	"dns", "dial", "refused", "tls", "certificate", "timeout", "reset", "eof",
	"address", "redirect", "too_large", "format", "shape", "loop", "secret", "unique", "missing_row",
}

// Kind is the connector type "http".
func Kind() connectors.Kind {
	return connectors.Kind{
		Name: "http", Summary: "an API over HTTP: JSON, JSON Lines or XML",
		Settings: func() any { return &Settings{MaxBody: defaultMaxBody} },
		Resource: func() any { return &Resource{Format: formatJSON} },
		Codes:    codes,
		Sends:    true,
		Open: func(settings any, tools connectors.Tools) (connectors.Connector, error) {
			return open(settings.(*Settings), tools)
		},
	}
}

// connector sends requests to one address, over connections it keeps.
type connector struct {
	settings *Settings
	tools    connectors.Tools
	url      *url.URL
	guard    *guard
	token    token

	mu      sync.Mutex
	clients *clients          // nil before the first request
	secrets map[string]string // by reference, resolved when they are needed first
}

// clients share their connections.
type clients struct {
	transport *nethttp.Transport
	read      *nethttp.Client // follows redirects within its origin
	effect    *nethttp.Client // follows none
}

func open(s *Settings, tools connectors.Tools) (*connector, error) {
	u, err := parseURL(s.URL)
	if err != nil {
		return nil, wrong("url", err)
	}
	if tools.Now == nil {
		tools.Now = time.Now
	}
	if tools.Wait == nil {
		tools.Wait = func(ctx context.Context) error { return ctx.Err() }
	}
	guard, err := newGuard(s)
	if err != nil {
		return nil, err
	}
	return &connector{settings: s, tools: tools, url: u, guard: guard, secrets: make(map[string]string)}, nil
}

// Close ends the connections that are kept.
func (c *connector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients != nil {
		c.clients.transport.CloseIdleConnections()
		c.clients = nil
	}
	return nil
}

// place says where a resource is, for people and as identity, without any secret.
func (c *connector) place(path string) string { return "http " + c.url.String() + path }

var _ connectors.Connector = (*connector)(nil)
