package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"headgate/connectors/http/shopapi"
)

// token is who may use the two APIs.
const token = "t0ken"

// server is one of the two APIs, on loopback.
type server struct {
	*shopapi.Shop
	declared string // its address in the ruleset
	listener net.Listener
}

// serve starts an API whose n-th POST has the given fate, from 1.
func serve(declared string, fates map[int64]shopapi.Fault) (*server, error) {
	var posts atomic.Int64
	shop, err := shopapi.Open(shopapi.Config{
		Token: token,
		Fault: func(_ int64, r *http.Request) shopapi.Fault {
			if r.Method != http.MethodPost {
				return shopapi.None
			}
			return fates[posts.Add(1)]
		},
	})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start an API: %w", err)
	}
	go func() { _ = http.Serve(l, shop) }() // until it is closed
	return &server{shop, declared, l}, nil
}

func (s *server) address() string { return s.listener.Addr().String() }

// show prints what the API has of an order, as its own users see it.
func (s *server) show(out io.Writer, number string) error {
	found := 0
	for _, o := range s.Orders() {
		if o.Text("number") != number {
			continue
		}
		found++
		text, err := json.Marshal(o.Fields)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%d: %s\n", o.ID, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d found\n", found)
	return err
}

// count prints what the API went through and what it has.
func (s *server) count(out io.Writer, name string) error {
	stats := s.Stats()
	_, err := fmt.Fprintf(out, "%s: %d orders stored, %d of them twice; %d requests came before a Retry-After had passed; it failed by %v\n",
		name, stats.Orders, stats.Doubles, stats.Early, stats.Faults)
	return err
}
