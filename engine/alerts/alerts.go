// Package alerts tells people what waits for them: events are grouped, and each
// alert of the ruleset sends a digest of them, at most once in its time, to a
// webhook, a command or mail.
//
// A digest that could not be sent is kept and sent later, with what came meanwhile.
// Memory grows with groups, of which there are few, never with records. It judges
// nothing and reads no state: it is told events, and asks for what is open.
package alerts

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"headgate/engine"
	"headgate/rules"
)

// Open is a group of exceptions that wait for a person.
type Open struct {
	Outcome string    `json:"outcome"`
	Flow    string    `json:"flow"`
	Rule    string    `json:"rule,omitempty"`
	Code    string    `json:"code,omitempty"`
	Count   int64     `json:"count"`
	Oldest  time.Time `json:"oldest"`
	Newest  time.Time `json:"newest"`
	Sample  string    `json:"sample,omitempty"`
}

// Failure says that an alert reaches nobody.
type Failure struct {
	Alert   string
	Channel Channel
	Since   time.Time
	Tries   int
	Waiting int64 // events that are not told yet
	Err     error // without any secret
}

// The pace of alerts.
const (
	DefaultGather = 5 * time.Second // from the first event to its digest, so that one failure is one message
	sendTimeout   = 30 * time.Second
	firstRetry    = 30 * time.Second // doubled each time
	lastRetry     = 15 * time.Minute // no such wait is longer
	longestSleep  = time.Hour
)

// Alerter groups events and sends them. Set the fields before the first call.
type Alerter struct {
	Clock  engine.Clock
	Log    *slog.Logger
	Send   func(context.Context, *rules.Alert, Channel, *Digest) error // as Sender.Send
	Open   func() ([]Open, error)                                      // what is open now
	Memory Memory
	Host   string        // whose alerts they are
	Gather time.Duration // 0: DefaultGather

	mu    sync.Mutex
	boxes []*box
	told  map[string]Told // by name of box; nil: not loaded yet
	wake  chan struct{}
	once  sync.Once
}

// Apply makes alerts the ones that are sent. One that stays, by name and channel,
// keeps what waits in it. What is open and was never told by an alert waits in it
// from now on: a restart forgets nothing.
func (a *Alerter) Apply(alerts []*rules.Alert) {
	open := a.open()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.load()
	before := a.boxes
	a.boxes = nil
	for _, alert := range alerts {
		for _, channel := range channels(alert) {
			name := alert.Name + "/" + string(channel)
			i := slices.IndexFunc(before, func(b *box) bool { return b.name == name })
			if i >= 0 {
				before[i].mend(alert)
				a.boxes = append(a.boxes, before[i])
				continue
			}
			b := &box{name: name, alert: alert, channel: channel, told: a.told[name]}
			b.untold(open, a.Clock.Now())
			a.boxes = append(a.boxes, b)
		}
	}
	a.again()
}

// Note takes an event, from any goroutine. It does not wait for anything.
func (a *Alerter) Note(e engine.Event) {
	now := a.Clock.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	e.Count = max(e.Count, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.boxes {
		if slices.Contains(b.alert.On, e.Kind) {
			b.add(e, now)
		}
	}
	a.again()
}

// Failing returns the alerts that reach nobody, by name.
func (a *Alerter) Failing() []Failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Failure
	for _, b := range a.boxes {
		if f := b.failure; f != nil {
			f.Waiting = b.waiting()
			all = append(all, *f)
		}
	}
	slices.SortFunc(all, func(x, y Failure) int {
		return cmp.Or(cmp.Compare(x.Alert, y.Alert), cmp.Compare(x.Channel, y.Channel))
	})
	return all
}

// Run sends digests as they are due, until the context ends. What could not be sent
// by then is told after the next start, as far as it is still open.
func (a *Alerter) Run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for ctx.Err() == nil {
		a.idle(ctx, a.sendDue(ctx, &sending))
	}
}

// idle sleeps, at most until something is noted.
func (a *Alerter) idle(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	woken := a.woken()
	waiting.Go(func() {
		select {
		case <-woken:
			cancel()
		case <-ctx.Done():
		}
	})
	_ = a.Clock.Sleep(ctx, d) // either way it is time to look
}

func (a *Alerter) woken() chan struct{} {
	a.once.Do(func() { a.wake = make(chan struct{}, 1) })
	return a.wake
}

func (a *Alerter) again() {
	select {
	case a.woken() <- struct{}{}:
	default:
	}
}

// open returns what is open, or nothing where that cannot be told.
func (a *Alerter) open() []Open {
	open, err := a.Open()
	if err != nil {
		a.Log.Warn("alerts cannot see what is open", "error", err)
	}
	return open
}

// load reads what was told before the start, once. Where that cannot be read, all
// that is open is told again.
func (a *Alerter) load() {
	if a.told != nil {
		return
	}
	told, err := a.Memory.Load()
	if err != nil {
		a.Log.Warn("it is not known which alerts were sent: all that is open is told again", "error", err)
	}
	if a.told = told; told == nil {
		a.told = make(map[string]Told)
	}
}
