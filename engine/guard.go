package engine

import (
	"fmt"
	"strings"
	"time"

	"headgate/engine/record"
	"headgate/rules"
)

// judgedEnough is how many records a percentage of judged records needs to mean something.
const judgedEnough = 100

// GuardState is what makes the counters of a guard outlive the process, an act and
// a reload: the outcomes in all when counting began. What came since is counted.
type GuardState struct {
	Open    bool              // the run that is counted has not ended: whoever goes on with it goes on counting
	Since   time.Time         // when it began
	From    Counts            // the outcomes in all then
	Known   int64             // the keys known then
	Resumed time.Time         // when a person last let the flow go on after it tripped: a window reaches no further back
	Allow   map[string]string // limits raised until that run ends, by name
}

// guard counts what a run does and is about to do, and says when that is too much.
type guard struct {
	limits rules.Guard
	known  int64  // records in the ledger when counting began
	counts Counts // of the run, or of the window
	window *window
}

// admit adds the batch to the counts and returns why it must not be settled, or "".
func (g *guard) admit(b *batch, now time.Time) string {
	var counts Counts
	for i := range b.items {
		counts[b.items[i].outcome]++
	}
	g.counts.Add(&counts)
	g.window.slide(now, &g.counts)
	g.window.add(now, &counts)
	for _, c := range g.checks() {
		if reason := g.tripped(&c, b.final); reason != "" {
			return reason
		}
	}
	return ""
}

// guardCheck is one limit of a guard and what is counted against it.
type guardCheck struct {
	name    string
	outcome Outcome
	limit   rules.Limit
	of      int64 // what a percentage is of
	judged  bool  // of the records judged, not of those known
}

func (g *guard) checks() []guardCheck {
	judged := g.counts.Sum() - g.counts[Skipped] - g.counts[Duplicate]
	l := &g.limits
	return []guardCheck{
		{"rejects", Rejected, l.Rejects, judged, true},
		{"holds", Held, l.Holds, judged, true},
		{"creates", Created, l.Creates, g.known, false},
		{"updates", Updated, l.Updates, g.known, false},
		{"deletes", Deleted, l.Deletes, g.known, false},
	}
}

// GuardHint says what a person does about a flow that its guard paused.
func GuardHint(flow string) string {
	return "look with `headgate plan " + flow + "`, mend what is wrong, then `headgate resume " + flow + "`; where that many are right, with `--allow LIMIT=N`, a ceiling for one run"
}

func (g *guard) tripped(c *guardCheck, final bool) string {
	count := g.counts[c.outcome]
	switch {
	case !c.limit.Set || count == 0:
		return ""
	case c.limit.Percent == nil:
		if count > int64(c.limit.Count) {
			return fmt.Sprintf("guard: %d %s %s, the limit is %d", count, c.name, g.span(), c.limit.Count)
		}
		return ""
	}
	sure, base := c.of > 0, "records known"
	if c.judged {
		sure, base = c.of >= judgedEnough || final, "records judged"
	}
	if !sure || !overPercent(count, c.of, *c.limit.Percent) {
		return ""
	}
	return fmt.Sprintf("guard: %d %s of %d %s %s (%s %%), the limit is %s %%", count, c.name, c.of, base, g.span(), percentText(count, c.of), c.limit.Percent)
}

// span says in which time is counted.
func (g *guard) span() string {
	if g.window == nil {
		return "in this run"
	}
	return "within " + DurationText(g.window.per)
}

// DurationText writes a duration as rulesets do: 1h, not 1h0m0s.
func DurationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// overPercent reports whether count is more than percent of a hundred of of, exactly.
func overPercent(count, of int64, percent record.Number) bool {
	allowed, err := percent.Mul(record.IntNumber(of))
	return err == nil && record.IntNumber(count*100).Cmp(allowed) > 0
}

func percentText(count, of int64) string {
	n, err := record.IntNumber(count*100).QuoRound(record.IntNumber(of), 1)
	if err != nil {
		return "all"
	}
	return n.String()
}

// shownKeys is how many records a pause names.
const shownKeys = 3

// samples names some records of the batch that made the guard trip. Sensitive parts
// of keys are hidden.
func (r *run) samples(b *batch, reason string) string {
	var keys []string
	for _, c := range r.guard.checks() {
		if !strings.Contains(reason, " "+c.name+" ") {
			continue
		}
		for i := range b.items {
			it := &b.items[i]
			if it.outcome != c.outcome || len(keys) == shownKeys {
				continue
			}
			key := r.keyText(it)
			if rule := it.ruleName(); key != "" && rule != "" {
				key += " (" + rule + ")"
			}
			if key != "" {
				keys = append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return reason
	}
	return reason + "; for example " + strings.Join(keys, ", ")
}

// ruleName is the rule, or the code, that stopped the item, or "".
func (it *item) ruleName() string {
	if len(it.verdict.Failures) == 0 || !it.stopped() {
		return ""
	}
	if f := it.verdict.Failures[0]; f.Rule == "" {
		return f.Code
	}
	return it.verdict.Failures[0].Rule
}

// beginGuard goes on counting where an interrupted run stopped, or begins anew.
func (r *run) beginGuard() error {
	s := &r.header.Guard
	if !s.Open {
		s.Open, s.Since, s.From, s.Known = true, r.now(), r.header.Counts, r.header.Known
	}
	var err error
	r.guard, err = guardOf(r.ledger, &r.header, r.flow.Guard, r.now())
	return err
}

// guardOf returns the guard as it stands.
func guardOf(l Ledger, h *Header, limits rules.Guard, now time.Time) (g guard, err error) {
	s := &h.Guard
	if g.limits, err = raised(limits, s.Allow); err != nil {
		return g, err
	}
	g.known = s.Known
	if limits.Per > 0 {
		g.window, err = readWindow(l, h.Journal, limits.Per, s.Resumed, now)
		g.counts = g.window.sum()
		return g, err
	}
	for o := range h.Counts {
		g.counts[o] = h.Counts[o] - s.From[o]
	}
	return g, nil
}

// endGuard lets the next run count anew, under the limits of the ruleset.
func (h *Header) endGuard() { h.Guard.Open, h.Guard.Allow = false, nil }

// limitOf returns the limit called name, nil where there is no such.
func limitOf(g *rules.Guard, name string) *rules.Limit {
	switch name {
	case "rejects":
		return &g.Rejects
	case "holds":
		return &g.Holds
	case "creates":
		return &g.Creates
	case "updates":
		return &g.Updates
	case "deletes":
		return &g.Deletes
	}
	return nil
}

// raised is the guard with the limits of allow in place of its own. They only raise:
// a limit that the ruleset raised further meanwhile stays.
func raised(g rules.Guard, allow map[string]string) (rules.Guard, error) {
	for name, text := range allow {
		ceiling, err := rules.ParseLimit(text)
		if err != nil {
			return g, fmt.Errorf("allow %s: %w", name, err)
		}
		limit := limitOf(&g, name)
		if limit.Set && !higher(limit, &ceiling) {
			*limit = ceiling
		}
	}
	return g, nil
}

// higher reports whether a allows all that b does. A count and a percentage cannot
// be compared: neither is higher.
func higher(a, b *rules.Limit) bool {
	switch {
	case a.Percent == nil && b.Percent == nil:
		return a.Count >= b.Count
	case a.Percent != nil && b.Percent != nil:
		return a.Percent.Cmp(*b.Percent) >= 0
	}
	return false
}

// GuardCount is how near a flow is to one limit of its guard.
type GuardCount struct {
	Name   string
	Count  int64
	Limit  rules.Limit
	Of     int64         // what a percentage is of
	Raised bool          // by a person, until the run ends
	Per    time.Duration // counted within so long; 0: in the run
}

// GuardCounts tells how near the flow is to the limits of its guard: in the run
// that goes on, or in the last one.
func GuardCounts(l Ledger, h *Header, limits rules.Guard, now time.Time) ([]GuardCount, error) {
	g, err := guardOf(l, h, limits, now)
	if err != nil {
		return nil, err
	}
	var counts []GuardCount
	for _, c := range g.checks() {
		if c.limit.Set {
			_, byHand := h.Guard.Allow[c.name]
			counts = append(counts, GuardCount{Name: c.name, Count: g.counts[c.outcome], Limit: c.limit, Of: c.of, Raised: byHand, Per: limits.Per})
		}
	}
	return counts, nil
}
