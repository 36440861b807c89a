package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"headgate/engine"
	"headgate/rules"
)

// TestMain holds that no test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of the bubble a test runs in.
type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// memory is a Memory in memory.
type memory struct {
	told map[string]Told
	err  error
}

func (m *memory) Load() (map[string]Told, error) { return maps.Clone(m.told), m.err }
func (m *memory) Save(told map[string]Told) error {
	m.told = maps.Clone(told)
	return m.err
}

// desk is an alerter in fake time, and what it sent.
type desk struct {
	*Alerter
	start  time.Time
	memory *memory
	open   []Open
	stop   func()

	mu     sync.Mutex
	reason map[Channel]string // why it cannot be reached
	sent   []string           // when, to whom, what
	log    bytes.Buffer
}

func newDesk(t *testing.T, m *memory, open ...Open) *desk {
	d := &desk{start: time.Now(), memory: m, open: open}
	d.Alerter = &Alerter{
		Clock: clock{}, Memory: m, Host: "erp-1", Send: d.send,
		Log:  slog.New(slog.NewTextHandler(d, nil)),
		Open: func() ([]Open, error) { return d.open, nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	d.stop = func() { cancel(); running.Wait() }
	t.Cleanup(d.stop)
	running.Go(func() { d.Run(ctx) })
	return d
}

func (d *desk) send(_ context.Context, a *rules.Alert, c Channel, x *Digest) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if reason := d.reason[c]; reason != "" {
		return errors.New(reason)
	}
	_, what, _ := strings.Cut(x.Subject, ": ")
	d.sent = append(d.sent, fmt.Sprintf("%v %s/%s %s", time.Since(d.start), a.Name, c, what))
	return nil
}

// fails has a channel fail from now on; "" is no more.
func (d *desk) fails(c Channel, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reason = map[Channel]string{c: reason}
}

// Write takes what is logged.
func (d *desk) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(b)
}

func (d *desk) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// at waits until a moment after the start, and until all that is due then is done.
func (d *desk) at(after time.Duration) {
	time.Sleep(after - time.Since(d.start))
	synctest.Wait()
}

func (d *desk) wants(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.sent, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(d.sent, "\n"), strings.Join(want, "\n"))
	}
}

func operations(change func(*rules.Alert)) []*rules.Alert {
	a := &rules.Alert{Name: "ops", On: []string{"paused", "rejected", "held"}, Every: 15 * time.Minute, Mail: "ops@example.com"}
	if change != nil {
		change(a)
	}
	return []*rules.Alert{a}
}

func rejected(n int64) engine.Event {
	return engine.Event{Kind: "rejected", Flow: "orders", Rule: "known", Count: n, Sample: "order A-1"}
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

// TestEvery: the first event is told after a short gathering, what follows at most
// once in the alert's time, and a quiet time ends the wait.
func TestEvery(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &memory{})
		d.Apply(operations(nil))
		d.at(time.Minute)
		d.Note(rejected(1))
		d.at(62 * time.Second)
		d.Note(rejected(2))
		d.Note(engine.Event{Kind: "late", Flow: "orders"}) // the alert is not about it
		d.at(3 * time.Minute)
		d.wants(t, "1m5s ops/mail 3 rejected")
		for range 1000 {
			d.Note(rejected(1))
		}
		d.at(5 * time.Minute)
		d.Note(engine.Event{Kind: "paused", Flow: "orders"})
		d.at(2 * time.Hour)
		d.Note(rejected(7))
		d.at(3 * time.Hour)
		d.wants(t, "1m5s ops/mail 3 rejected", "16m5s ops/mail 1 paused, 1000 rejected", "2h0m5s ops/mail 7 rejected")
	})
}

// TestFails: what could not be sent is sent later with what came meanwhile, each
// channel on its own; it is seen, and logged once a reason.
func TestFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &memory{})
		d.fails(Command, "it answers 503")
		d.Apply(operations(func(a *rules.Alert) { a.Command = []string{"notify"} }))
		d.Note(rejected(1))
		d.at(10 * time.Second)
		d.Note(rejected(2))
		d.at(10 * time.Minute)
		d.wants(t, "5s ops/mail 1 rejected")
		synctest.Wait()
		failing := d.Failing()
		if len(failing) != 1 || failing[0].Channel != Command || failing[0].Waiting != 3 || failing[0].Tries != 5 || failing[0].Since.Sub(d.start) != 5*time.Second {
			t.Errorf("%+v", failing)
		}
		d.fails(Command, "it answers 404")
		d.at(14 * time.Minute)
		if n := strings.Count(d.logged(), "cannot be sent"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, d.logged())
		}
		d.at(20 * time.Minute)
		d.wants(t, "5s ops/mail 1 rejected", "15m5s ops/mail 2 rejected")
		if n := strings.Count(d.logged(), "cannot be sent"); n != 2 {
			t.Errorf("logged %d times:\n%s", n, d.logged())
		}
		d.fails(Command, "")
		d.at(time.Hour)
		d.wants(t, "5s ops/mail 1 rejected", "15m5s ops/mail 2 rejected", "30m35s ops/command 3 rejected")
		if len(d.Failing()) != 0 || !strings.Contains(d.logged(), "sent again") {
			t.Errorf("%+v\n%s", d.Failing(), d.logged())
		}
	})
}

// TestMendedAlert: an alert that a reload changed is tried at once; one that stays
// keeps what waits; one that goes is forgotten.
func TestMendedAlert(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &memory{})
		d.fails(Mail, "no")
		d.Apply(operations(nil))
		d.Note(rejected(1))
		d.at(10 * time.Minute)
		d.fails(Mail, "")
		d.Apply(operations(nil))
		d.wants(t)
		d.Apply(operations(func(a *rules.Alert) { a.Mail = "others@example.com" }))
		d.wants(t, "10m0s ops/mail 1 rejected")
		d.Apply(nil)
		d.Note(rejected(1))
		d.at(time.Hour)
		d.wants(t, "10m0s ops/mail 1 rejected")
	})
}

func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		kept := &memory{}
		now := time.Now()
		open := []Open{
			{Outcome: "rejected", Flow: "orders", Rule: "known", Count: 3, Oldest: now.Add(-time.Hour), Newest: now.Add(-time.Minute)},
			{Outcome: "in_doubt", Flow: "orders", Count: 1, Oldest: now, Newest: now}, // the alert is not about it
		}
		first := newDesk(t, kept, open...)
		first.Apply(operations(nil))
		first.at(time.Minute)
		first.wants(t, "5s ops/mail 3 rejected")
		first.stop()

		// All that is open was told.
		second := newDesk(t, kept, open...)
		second.Apply(operations(nil))
		second.at(time.Hour)
		second.wants(t)

		// A newer one is told again, with its group. One that was noted and not told
		// when the daemon stopped is open after the start.
		second.fails(Mail, "no")
		e := rejected(1)
		second.Note(e)
		second.at(time.Hour + time.Minute)
		second.stop()
		open[0].Count, open[0].Newest = 4, second.start.Add(time.Hour)
		third := newDesk(t, kept, open...)
		third.Apply(operations(nil))
		third.at(time.Minute)
		third.wants(t, "5s ops/mail 4 rejected")
		third.stop()

		// A daemon that starts again and again keeps to the alert's time.
		open[0].Newest = time.Now()
		fourth := newDesk(t, kept, open...)
		fourth.Apply(operations(nil))
		fourth.at(20 * time.Minute)
		fourth.wants(t, "14m5s ops/mail 4 rejected")
	})
}

// TestMemoryFails: a memory that cannot be read tells too much, never too little.
func TestMemoryFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &memory{err: errors.New("no room")}, Open{Outcome: "held", Flow: "orders", Count: 2, Newest: time.Now()})
		d.Apply(operations(nil))
		d.at(time.Minute)
		d.wants(t, "5s ops/mail 2 held")
		if s := d.logged(); !strings.Contains(s, "told again") || !strings.Contains(s, "no room") {
			t.Error(s)
		}
	})
}

// TestBounded: groups over a limit are counted together, and no event is lost.
func TestBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &memory{})
		sent := make(chan *Digest, 1)
		d.Send = func(_ context.Context, _ *rules.Alert, _ Channel, x *Digest) error { sent <- x; return nil }
		d.Apply(operations(nil))
		var noting sync.WaitGroup
		for i := range 10 {
			noting.Go(func() {
				for k := range 1000 {
					d.Note(engine.Event{Kind: "rejected", Flow: fmt.Sprint(i), Rule: fmt.Sprint("r", k), Sample: strings.Repeat("x", 10_000)})
				}
			})
		}
		noting.Wait()
		if got := <-sent; len(got.Events) != maxGroups+1 || len(got.Text) > 100<<10 || got.Subject != "headgate on erp-1: 10000 rejected" {
			t.Errorf("%d groups, %d bytes: %s", len(got.Events), len(got.Text), got.Subject)
		}
	})
}

// TestWhileSending: what comes while a sending goes on, and fails, is told with it,
// and remembered as told.
func TestWhileSending(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		kept := &memory{}
		d := newDesk(t, kept)
		answers := make(chan error)
		plain := d.send
		d.Send = func(ctx context.Context, a *rules.Alert, c Channel, x *Digest) error {
			if err := <-answers; err != nil {
				return err
			}
			return plain(ctx, a, c, x)
		}
		d.Apply(operations(nil))
		d.Note(rejected(1))
		d.at(6 * time.Second)
		d.Note(rejected(2))
		d.Note(engine.Event{Kind: "held", Flow: "stock"})
		answers <- errors.New("no")
		d.at(10 * time.Second)
		if f := d.Failing(); len(f) != 1 || f[0].Waiting != 4 {
			t.Errorf("%+v", f)
		}
		answers <- nil
		d.wants(t, "36s ops/mail 3 rejected, 1 held")
		if told := kept.told["ops/mail"].Until; len(told) != 2 || told["stock"].IsZero() {
			t.Errorf("told until %v", told)
		}
	})
}

// TestStopWhileSending: a sending that the end interrupts is no failure, and is told
// after the start.
func TestStopWhileSending(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		kept := &memory{}
		d := newDesk(t, kept)
		d.Send = func(ctx context.Context, _ *rules.Alert, _ Channel, _ *Digest) error {
			<-ctx.Done()
			return ctx.Err()
		}
		d.Apply(operations(nil))
		d.Note(rejected(1))
		d.at(6 * time.Second)
		d.stop()
		if len(d.Failing()) != 0 || len(kept.told) != 0 || d.logged() != "" {
			t.Errorf("%+v, %v, %s", d.Failing(), kept.told, d.logged())
		}
	})
}
