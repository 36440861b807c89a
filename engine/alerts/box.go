package alerts

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"headgate/engine"
	"headgate/rules"
)

// maxGroups is how many groups wait for one digest. More are counted together.
const maxGroups = 100

// box is one alert on one channel, and what waits in it.
type box struct {
	name    string // alert/channel
	alert   *rules.Alert
	channel Channel
	pending pending
	flight  *pending // is being sent
	told    Told
	failure *Failure
	retry   time.Time
}

// pending is what waits for a digest.
type pending struct {
	since  time.Time // when its first event was noted; zero: nothing waits
	groups map[group]*Group
	until  map[string]time.Time // by flow: the latest event
}

// group is what makes events one line of a digest.
type group struct{ kind, flow, rule, code string }

func (b *box) add(e engine.Event, now time.Time) {
	g := &Group{Kind: e.Kind, Flow: e.Flow, Rule: e.Rule, Code: e.Code, Count: e.Count, First: e.Time, Last: e.Time, Sample: short(e.Sample)}
	b.pending.add(g, now)
	b.pending.seen(e.Flow, e.Time)
}

func (p *pending) add(g *Group, now time.Time) {
	if p.groups == nil {
		p.since, p.groups, p.until = now, make(map[group]*Group), make(map[string]time.Time)
	}
	key := group{g.Kind, g.Flow, g.Rule, g.Code}
	if p.groups[key] == nil && len(p.groups) >= maxGroups {
		key = group{kind: g.Kind, code: "others"}
		g = &Group{Kind: g.Kind, Code: "others", Count: g.Count, First: g.First, Last: g.Last}
	}
	there := p.groups[key]
	if there == nil {
		p.groups[key] = g
		return
	}
	there.Count += g.Count
	if g.First.Before(there.First) {
		there.First = g.First
	}
	if g.Last.After(there.Last) {
		there.Last, there.Sample = g.Last, g.Sample
	}
}

func (p *pending) seen(flow string, at time.Time) {
	if at.After(p.until[flow]) {
		p.until[flow] = at
	}
}

// untold has what is open and was never told wait in the box.
func (b *box) untold(open []Open, now time.Time) {
	for _, o := range open {
		if slices.Contains(b.alert.On, o.Outcome) && o.Newest.After(b.told.Until[o.Flow]) {
			b.add(engine.Event{Kind: o.Outcome, Flow: o.Flow, Rule: o.Rule, Code: o.Code, Count: o.Count, Sample: o.Sample, Time: o.Newest}, now)
		}
	}
}

// mend takes what the ruleset says now. An alert that was changed is tried at once.
func (b *box) mend(alert *rules.Alert) {
	if !reflect.DeepEqual(b.alert, alert) {
		b.retry = time.Time{}
	}
	b.alert = alert
}

func (b *box) waiting() (n int64) {
	for _, p := range []*pending{&b.pending, b.flight} {
		if p != nil {
			for _, g := range p.groups {
				n += g.Count
			}
		}
	}
	return n
}

// due is when the box sends next; the zero time: nothing waits.
func (b *box) due(gather time.Duration) time.Time {
	if b.pending.since.IsZero() || b.flight != nil {
		return time.Time{}
	}
	due := b.pending.since.Add(gather)
	for _, t := range []time.Time{b.told.Sent.Add(b.alert.Every), b.retry} {
		if t.After(due) {
			due = t
		}
	}
	return due
}

// sendDue starts to send what is due, and returns for how long nothing else is.
func (a *Alerter) sendDue(ctx context.Context, sending *sync.WaitGroup) time.Duration {
	gather := a.Gather
	if gather == 0 {
		gather = DefaultGather
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := longestSleep
	for _, b := range a.boxes {
		due := b.due(gather)
		if due.IsZero() {
			continue
		}
		if left := due.Sub(a.Clock.Now()); left > 0 {
			wait = min(wait, left)
			continue
		}
		flight := b.pending
		b.flight, b.pending = &flight, pending{}
		alert := b.alert // Apply may change it meanwhile
		sending.Go(func() { a.send(ctx, b, alert, flight.sorted()) })
	}
	return wait
}

// send sends one digest and notes how that ended.
func (a *Alerter) send(ctx context.Context, b *box, alert *rules.Alert, groups []Group) {
	open, err := a.Open()
	digest := newDigest(alert, a.Host, a.Clock.Now(), groups, open, err)
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err = a.Send(limited, alert, b.channel, digest)
	a.mu.Lock()
	defer a.mu.Unlock()
	flight := b.flight
	b.flight = nil
	now := a.Clock.Now()
	switch {
	case err == nil:
		a.sent(b, flight, now)
	case ctx.Err() != nil:
		b.restore(flight)
	default:
		b.restore(flight)
		a.failed(b, err, now)
	}
	a.again()
}

// restore has what was not sent wait again, before what came meanwhile.
func (b *box) restore(flight *pending) {
	came := b.pending
	b.pending = *flight
	for _, g := range came.groups {
		b.pending.add(g, came.since)
	}
	for flow, at := range came.until {
		b.pending.seen(flow, at)
	}
}

func (a *Alerter) sent(b *box, flight *pending, now time.Time) {
	until := maps.Clone(b.told.Until)
	if until == nil {
		until = make(map[string]time.Time)
	}
	for flow, at := range flight.until {
		if at.After(until[flow]) {
			until[flow] = at
		}
	}
	b.told = Told{Sent: now, Until: until}
	if b.failure != nil {
		a.Log.Info("the alert is sent again", "alert", b.alert.Name, "channel", b.channel, "failed_for", now.Sub(b.failure.Since))
	}
	b.failure, b.retry = nil, time.Time{}
	a.told[b.name] = b.told
	if err := a.Memory.Save(a.told); err != nil {
		a.Log.Warn("the next start tells this alert again", "alert", b.alert.Name, "error", err)
	}
}

// failed is logged when it begins and when its reason changes, not each time.
func (a *Alerter) failed(b *box, err error, now time.Time) {
	f := b.failure
	if f == nil {
		f = &Failure{Alert: b.alert.Name, Channel: b.channel, Since: now}
		b.failure = f
	}
	if f.Err == nil || f.Err.Error() != err.Error() {
		a.Log.Error("the alert cannot be sent; it is kept and tried again", "alert", b.alert.Name, "channel", b.channel, "error", err)
	}
	b.retry = now.Add(min(firstRetry<<min(f.Tries, 10), lastRetry))
	f.Tries++
	f.Err = err
}
