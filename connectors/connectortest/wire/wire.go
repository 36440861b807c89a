// Package wire is a network that fails, for tests: a proxy between a client and its
// server whose connections are slow, reset, cut in mid-answer or swallowed, as a
// seeded plan says. It knows nothing of what passes it.
package wire

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// notice is when a server hears that its client is gone behind a black hole: what
// hours of waiting for keep-alives are in the world.
const notice = 300 * time.Millisecond

// Proxy listens on loopback, and passes each connection on to a server, or does not.
type Proxy struct {
	network, server string
	plan            func(n int64) Fate
	listener        net.Listener
	done            chan struct{} // closed when the proxy is
	running         sync.WaitGroup

	mu    sync.Mutex
	n     int64
	fired [faults]int64
	open  map[net.Conn]bool
}

// Start starts a proxy to a server, given as net.Dial takes it. The plan says what
// becomes of its n-th connection, from 1. The proxy ends with the test.
func Start(t testing.TB, plan func(n int64) Fate, network, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{network: network, server: server, plan: plan, listener: l, done: make(chan struct{}), open: make(map[net.Conn]bool)}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients reach the server through the proxy.
func (p *Proxy) Addr() *net.TCPAddr { return p.listener.Addr().(*net.TCPAddr) }

// Connections is how many clients have connected.
func (p *Proxy) Connections() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// Fired is how often a fault befell a connection.
func (p *Proxy) Fired(f Fault) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired[f]
}

// String counts what befell whom.
func (p *Proxy) String() string {
	var counts []string
	for _, f := range All() {
		counts = append(counts, fmt.Sprintf("%d %s", p.Fired(f), f))
	}
	return fmt.Sprintf("%d connections: %s", p.Connections(), strings.Join(counts, ", "))
}

// close ends the proxy and every connection through it.
func (p *Proxy) close() {
	close(p.done)
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client is gone again
		}
		server, err := net.Dial(p.network, p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.n++
		l := &line{proxy: p, fate: p.plan(p.n), client: client, server: server}
		p.mu.Unlock()
		if p.keep(client, server) {
			p.running.Go(l.run)
		}
	}
}

// keep remembers connections to be closed with the proxy, unless it is closed already.
func (p *Proxy) keep(all ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		for _, c := range all {
			_ = c.Close()
		}
		return false
	default:
	}
	for _, c := range all {
		p.open[c] = true
	}
	return true
}

func (p *Proxy) forget(all ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
		delete(p.open, c)
	}
}

func (p *Proxy) count(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fired[f]++
}

// wait waits, and reports whether the proxy goes on.
func (p *Proxy) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.done:
		return false
	}
}

// All are all faults.
func All() (all []Fault) {
	for f := Slow; f < faults; f++ {
		all = append(all, f)
	}
	return all
}
