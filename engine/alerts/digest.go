package alerts

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"headgate/engine/record"
	"headgate/rules"
)

// Digest is one message of an alert: what happened since the last, and what is open
// now. It is sent as JSON to webhooks and commands. Text says the same to people,
// under the name that chat systems read.
type Digest struct {
	Alert   string    `json:"alert"`
	Host    string    `json:"host"`
	Time    time.Time `json:"time"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Events  []Group   `json:"events"`
	Open    []Open    `json:"open"`
	// OpenUnknown says why what is open could not be told.
	OpenUnknown string `json:"open_unknown,omitempty"`
}

// Group is events of one kind, flow, rule and code.
type Group struct {
	Kind   string    `json:"kind"`
	Flow   string    `json:"flow,omitempty"`
	Rule   string    `json:"rule,omitempty"`
	Code   string    `json:"code,omitempty"`
	Count  int64     `json:"count"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Sample string    `json:"sample,omitempty"` // of the last
}

func newDigest(alert *rules.Alert, host string, now time.Time, groups []Group, open []Open, unknown error) *Digest {
	d := &Digest{Alert: alert.Name, Host: host, Time: now, Events: groups, Open: []Open{}}
	for _, o := range open {
		if slices.Contains(alert.On, o.Outcome) {
			o.Sample = short(o.Sample)
			d.Open = append(d.Open, o)
		}
	}
	if unknown != nil {
		d.OpenUnknown = short(unknown.Error())
	}
	d.Subject = d.subject()
	d.Text = d.text()
	return d
}

// sorted returns the groups by the order in which kinds matter.
func (p *pending) sorted() []Group {
	var all []Group
	for _, g := range p.groups {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(x, y Group) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rules.AlertKinds, x.Kind), slices.Index(rules.AlertKinds, y.Kind)),
			cmp.Compare(x.Flow, y.Flow), cmp.Compare(y.Count, x.Count), cmp.Compare(x.Rule, y.Rule), cmp.Compare(x.Code, y.Code),
		)
	})
	return all
}

// subject counts the events by kind: "headgate on erp-1: 1 paused, 12 rejected".
func (d *Digest) subject() string {
	counts := make(map[string]int64)
	for _, g := range d.Events {
		counts[g.Kind] += g.Count
	}
	var parts []string
	for _, kind := range rules.AlertKinds {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return fmt.Sprintf("headgate on %s: %s", d.Host, strings.Join(parts, ", "))
}

// text is the digest for people.
func (d *Digest) text() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n\n", d.Subject)
	for _, g := range d.Events {
		fmt.Fprintf(&s, "%d × %s%s", g.Count, g.Kind, where(g.Flow, g.Rule, g.Code))
		if g.Sample != "" {
			fmt.Fprintf(&s, ": %s", g.Sample)
		}
		s.WriteString("\n")
	}
	switch {
	case d.OpenUnknown != "":
		fmt.Fprintf(&s, "\nWhat is open could not be told: %s\n", d.OpenUnknown)
	case len(d.Open) > 0:
		d.writeOpen(&s)
	}
	fmt.Fprintf(&s, "\nAlert %q. Look with `headgate status` and `headgate exceptions list`.\n", d.Alert)
	return s.String()
}

// writeOpen sums what is open by flow and outcome.
func (d *Digest) writeOpen(s *strings.Builder) {
	type line struct{ flow, outcome string }
	sums := make(map[line]Open)
	for _, o := range d.Open {
		key := line{o.Flow, o.Outcome}
		sum, there := sums[key]
		sum.Count += o.Count
		if !there || o.Oldest.Before(sum.Oldest) {
			sum.Oldest = o.Oldest
		}
		sums[key] = sum
	}
	s.WriteString("\nOpen now:\n")
	keys := slices.SortedFunc(maps.Keys(sums), func(x, y line) int {
		return cmp.Or(cmp.Compare(x.flow, y.flow), cmp.Compare(x.outcome, y.outcome))
	})
	for _, key := range keys {
		fmt.Fprintf(s, "%d %s in %s, the oldest since %s\n", sums[key].Count, key.outcome, key.flow, sums[key].Oldest.UTC().Format("2006-01-02 15:04 MST"))
	}
}

// where names what a group is about: " in orders, rule known_customer".
func where(flow, rule, code string) string {
	s := ""
	if flow != "" {
		s = " in " + flow
	}
	switch {
	case rule != "":
		s += ", rule " + rule
	case code != "":
		s += ", " + code
	}
	return s
}

// maxSample is how much of a message is told, in characters.
const maxSample = 300

// short is text in one line, without what a terminal or a mail reader would act on.
func short(text string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		switch n++; {
		case n > maxSample:
			return -1
		case n == maxSample:
			return '…'
		case record.Acts(r):
			return ' '
		}
		return r
	}, text)
}
