package wire

import (
	"net"
	"sync"
	"sync/atomic"
)

// line is one connection through the proxy.
type line struct {
	proxy          *Proxy
	fate           Fate
	client, server net.Conn
	lost           atomic.Bool // nothing passes any more, and nobody is told
	slow           sync.Once   // counts a slow line once
}

// run carries both directions until the line is over.
func (l *line) run() {
	var answers sync.WaitGroup
	answers.Go(func() { l.carry(l.server, l.client, false) })
	l.carry(l.client, l.server, true)
	if l.lost.Load() {
		l.proxy.wait(notice)
	}
	l.proxy.forget(l.client, l.server)
	answers.Wait()
}

// carry passes on what one end says until its fate comes, or the end is over: then
// so is the other, unless it is not to hear of it.
func (l *line) carry(from, to net.Conn, questions bool) {
	mine, passed := l.fate.Fault != None && l.fate.Fault != Slow && l.fate.Fault.inQuestion() == questions, int64(0)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		piece := buffer[:n]
		due := mine && passed+int64(n) >= l.fate.After
		if due {
			piece, mine = piece[:l.fate.After-passed], false
		}
		passed += int64(len(piece))
		if n > 0 && l.fate.Fault == Slow {
			l.slow.Do(func() { l.proxy.count(Slow) })
			l.proxy.wait(l.fate.Delay)
		}
		if len(piece) > 0 && !l.lost.Load() {
			if _, failed := to.Write(piece); failed != nil {
				err = failed
			}
		}
		if due {
			l.fall()
		}
		if err != nil {
			if !l.lost.Load() {
				_ = to.Close()
				_ = from.Close()
			}
			return
		}
	}
}

// fall lets the line's fault happen.
func (l *line) fall() {
	l.proxy.count(l.fate.Fault)
	switch l.fate.Fault {
	case LoseQuestion, LoseAnswer:
		l.lost.Store(true)
	case Reset:
		for _, c := range []net.Conn{l.client, l.server} {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // without a farewell
			}
		}
		fallthrough
	case CutAnswer:
		_ = l.client.Close()
		_ = l.server.Close()
	}
}
