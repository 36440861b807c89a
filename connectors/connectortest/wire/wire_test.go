package wire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"headgate/connectors/connectortest/wire"
)

// TestMain holds that no test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFaults asks a server for the double of what is sent, and looks at what each end
// of the line came to know.
func TestFaults(t *testing.T) {
	t.Parallel()
	whole := bytes.Repeat([]byte("q"), 10)
	for name, test := range map[string]struct {
		fate   wire.Fate
		heard  int   // bytes of the question the server had
		got    int   // bytes of the answer the client had
		ended  error // what the client was told; os.ErrDeadlineExceeded: nothing
		silent bool  // the server is told nothing before the client has given up
	}{
		"none":          {wire.Fate{}, 10, 20, nil, false},
		"slow":          {wire.Fate{Fault: wire.Slow, Delay: time.Millisecond}, 10, 20, nil, false},
		"reset":         {wire.Fate{Fault: wire.Reset, After: 4}, -1, 0, syscall.ECONNRESET, false},
		"cut-answer":    {wire.Fate{Fault: wire.CutAnswer, After: 7}, 10, 7, io.ErrUnexpectedEOF, false},
		"lose-question": {wire.Fate{Fault: wire.LoseQuestion, After: 4}, 4, 0, os.ErrDeadlineExceeded, true},
		"lose-answer":   {wire.Fate{Fault: wire.LoseAnswer, After: 7}, 10, 7, os.ErrDeadlineExceeded, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, heard := doubler(t, len(whole))
			p := wire.Start(t, func(int64) wire.Fate { return test.fate }, "tcp", address)
			client, err := net.Dial("tcp", p.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Write(whole); err != nil {
				t.Fatal(err)
			}
			if test.silent {
				_ = client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			}
			got, err := io.ReadFull(client, make([]byte, 2*len(whole)))
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if got != test.got || !errors.Is(err, test.ended) {
				t.Errorf("the client had %d bytes and %v, want %d and %v", got, err, test.got, test.ended)
			}
			if test.silent {
				select {
				case <-heard:
					t.Error("the server heard of the black hole")
				default:
				}
			}
			_ = client.Close()
			if n := <-heard; test.heard >= 0 && n != test.heard {
				t.Errorf("the server had %d bytes, want %d", n, test.heard)
			}
			if fault := test.fate.Fault; fault != wire.None && p.Fired(fault) != 1 {
				t.Errorf("counted: %s", p)
			}
		})
	}
}

// doubler answers one question of n bytes twice over, and says how many bytes it had
// when its line was over.
func doubler(t *testing.T, n int) (address string, heard chan int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard = make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			heard <- -1
			return
		}
		question := make([]byte, n)
		had, err := io.ReadFull(c, question)
		if err == nil {
			_, _ = c.Write(append(question, question...))
			_, _ = io.Copy(io.Discard, c)
		}
		_ = c.Close()
		heard <- had
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), heard
}

// TestSeeded: a plan is the same each time, has every fault, and ends.
func TestSeeded(t *testing.T) {
	t.Parallel()
	one, two, met := wire.Seeded(7, 100), wire.Seeded(7, 100), make(map[wire.Fault]bool)
	for n := int64(1); n <= 100; n++ {
		if one(n) != two(n) {
			t.Errorf("connection %d: %v, and then %v", n, one(n), two(n))
		}
		met[one(n).Fault] = true
	}
	for _, f := range wire.All() {
		if !met[f] {
			t.Errorf("no connection is %s", f)
		}
	}
	if met[wire.None] || one(101) != (wire.Fate{}) {
		t.Error("the plan does not keep to its number")
	}
}
