package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "how all flows do, on one screen", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := &control.Status{}
			if err := a.ask(cmd.Context(), reads, "status", nil, s); err != nil {
				return err
			}
			if !a.table() {
				return a.printOne(s)
			}
			a.printStatus(s, time.Now())
			return nil
		},
	}
}

func (a *app) printStatus(s *control.Status, now time.Time) {
	p := a.painter()
	a.printDaemon(p, s, now)
	for i := range s.Flows {
		a.printf("\n")
		a.printFlowStatus(p, &s.Flows[i], now)
	}
}

func (a *app) printDaemon(p painter, s *control.Status, now time.Time) {
	d := s.Daemon
	if d == nil {
		a.printf("no daemon runs; ruleset %s in %s\n", s.Ruleset, s.Dir)
		a.printRoom(p, s)
		return
	}
	a.printf("headgate %s, process %d, runs for %s; ruleset %s in %s", d.Version, d.Process, ago(now, d.Since), s.Ruleset, s.Dir)
	if !d.Reload.IsZero() {
		a.printf(", taken %s ago", ago(now, d.Reload))
	}
	a.printf("\n")
	if d.Failed != nil {
		a.printf("%s for %s; the old rules go on running:\n", p.red(fmt.Sprintf("THE FILES ARE NOT WHAT RUNS: %s", counted(d.Failed.Mistakes, "mistake"))), ago(now, d.Failed.Since))
		a.printMistakes(d.Failed)
	}
	a.printRoom(p, s)
	if d.State != nil {
		a.printState(p, d.State, now)
	}
	for i := range s.Systems {
		a.printSystem(p, &s.Systems[i], now)
	}
	for _, u := range d.Alerts {
		a.printf("%s by %s for %s, %s wait: %s\n", p.red("ALERT "+u.Alert+" REACHES NOBODY"), u.Channel, ago(now, u.Since), counted(int(u.Waiting), "event"), oneLine(u.Why))
	}
}

// printRoom says, once, why all flows stand still.
func (a *app) printRoom(p painter, s *control.Status) {
	if s.Room != "" {
		a.printf("%s: %s\n", p.red("ALL FLOWS STAND STILL"), oneLine(s.Room))
	}
}

// restoredShown is how long a status tells that the state was restored.
const restoredShown = 7 * 24 * time.Hour

// printState says what a person has to know of the state.
func (a *app) printState(p painter, s *control.State, now time.Time) {
	if now.Sub(s.Restored) < restoredShown {
		a.printf("%s %s ago, from a backup of %s\n", p.red("THE STATE WAS RESTORED"), ago(now, s.Restored), s.Backup.UTC().Format("2006-01-02 15:04:05Z"))
	}
	if s.Failed != "" {
		a.printf("%s: %s\n", p.red("THE STATE IS NOT BACKED UP"), oneLine(s.Failed))
	}
}

// printSystem says of a system, once, what all flows that wait for it wait for.
func (a *app) printSystem(p painter, s *control.System, now time.Time) {
	state := map[string]string{"denied": "LETS NOBODY IN", "unclear": "DOES NOT ANSWER"}[s.Class]
	if state == "" {
		state = "IS DOWN"
	}
	next := "it is asked again in " + ago(s.Next, now)
	if s.Asked || !s.Next.After(now) {
		next = "it is being asked now"
	}
	flows := counted(len(s.Flows), "flow") + " waits for it"
	if len(s.Flows) != 1 {
		flows = counted(len(s.Flows), "flow") + " wait for it"
	}
	a.printf("%s for %s, %s, %s: %s\n", p.red(s.System+" "+state), ago(now, s.Since), next, flows, oneLine(s.Why))
	if s.Hint != "" {
		a.printf("  %s\n", oneLine(s.Hint))
	}
	if s.Class == "denied" && len(s.Flows) > 0 {
		a.printf("  when it is mended: `headgate resume %s`, or wait\n", s.Flows[0])
	}
}

// shownMistakes is how many mistakes a screen has room for.
const shownMistakes = 3

func (a *app) printMistakes(f *control.Failed) {
	for i, text := range strings.Split(strings.TrimRight(safe(f.Diagnostics), "\n"), "\n\n") {
		if i == shownMistakes {
			a.printf("  … and %d more: `headgate check` shows all\n", f.Mistakes-shownMistakes)
			return
		}
		for line := range strings.Lines(text) {
			a.printf("  %s\n", strings.TrimRight(line, "\n"))
		}
	}
}

func (a *app) printFlowStatus(p painter, f *control.FlowStatus, now time.Time) {
	a.printf("%s  %s → %s  (%s)  %s\n", p.bold(f.Flow), f.From, f.To, f.Mode, stateText(p, f, now))
	if f.Why != "" && f.Waits == "" { // the system says it, once for all
		a.printf("  %s\n", oneLine(f.Why))
	}
	if f.Hint != "" && f.Waits == "" {
		a.printf("  %s\n", oneLine(f.Hint))
	}
	if f.State == "paused" && f.Hint == "" {
		a.printf("  look with `headgate plan %s`, mend what is wrong, then `headgate resume %s`\n", f.Flow, f.Flow)
	}
	var times []string
	if !f.Success.IsZero() {
		times = append(times, "last success "+ago(now, f.Success)+" ago")
	}
	if !f.Caught.IsZero() {
		times = append(times, "lag at most "+ago(now, f.Caught))
	}
	if f.Due.After(now) && f.State != "paused" {
		times = append(times, "next run in "+ago(f.Due, now))
	}
	if len(times) > 0 {
		a.printf("  %s\n", strings.Join(times, ", "))
	}
	a.printf("  %d read in all%s\n", f.Read, outcomesText(f.Outcomes))
	if guard := guardText(p, f); guard != "" {
		a.printf("  %s\n", guard)
	}
	if f.Unsettled > 0 && f.State != "running" {
		verb := " have"
		if f.Unsettled == 1 {
			verb = " has"
		}
		a.printf("  %s no settled answer: the next run resolves them first\n", p.yellow(counted(f.Unsettled, "message")+" may have been sent and"+verb))
	}
	if f.Suspected > 0 {
		a.printf("  %s in %s; compared when %s is read again: at the next sweep, or `headgate checkpoint rewind %s`\n", p.yellow(counted(f.Suspected, "record")+" may have been changed"), f.To, f.From, f.Flow)
	}
	if waiting := openText(p, f); waiting != "" {
		a.printf("  %s, the oldest for %s: `headgate exceptions list --flow %s`\n", waiting, ago(now, f.Oldest), f.Flow)
	}
	if f.Late > 0 {
		a.printf("  %d late: missing in %s, the oldest for %s\n", f.Late, f.To, ago(now, f.LateSince))
	}
}

func stateText(p painter, f *control.FlowStatus, now time.Time) string {
	text := f.State
	if f.Waits != "" {
		text = p.red("WAITING for " + f.Waits)
		if !f.Since.IsZero() {
			text += " for " + ago(now, f.Since)
		}
		return text + "; it goes on by itself"
	}
	if !f.Since.IsZero() && f.State != "waiting" {
		text += " for " + ago(now, f.Since)
	}
	switch f.State {
	case "paused":
		return p.red("PAUSED" + strings.TrimPrefix(text, "paused"))
	case "failing":
		return p.red("FAILING" + strings.TrimPrefix(text, "failing"))
	case "running":
		return p.green(fmt.Sprintf("%s, %d read", text, f.Reading))
	}
	return text
}

func outcomesText(counts map[string]int64) string {
	var parts []string
	for _, o := range engine.Outcomes() {
		if n := counts[o.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// openText says what waits, by outcome; what is in doubt stands out.
func openText(p painter, f *control.FlowStatus) string {
	var parts []string
	for _, o := range engine.Outcomes() {
		n := f.Open[o.String()]
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", n, o)
		if o == engine.InDoubt {
			text = p.red(text)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return p.yellow("waiting for a person:") + " " + strings.Join(parts, ", ")
}

// guardText says how near the flow came to the limits of its guard, where anything
// was counted or a person raised one.
func guardText(p painter, f *control.FlowStatus) string {
	var parts []string
	per := ""
	for _, c := range f.Guard {
		if c.Count == 0 && !c.Raised {
			continue
		}
		text := fmt.Sprintf("%s %d (limit %s)", c.Name, c.Count, c.Limit)
		if c.Of > 0 {
			text = fmt.Sprintf("%s %d of %d (limit %s)", c.Name, c.Count, c.Of, c.Limit)
		}
		if c.Raised {
			text = p.yellow(strings.TrimSuffix(text, ")") + ", raised)")
		}
		parts, per = append(parts, text), c.Per
	}
	switch {
	case len(parts) == 0:
		return ""
	case per != "":
		return "guard within " + per + ": " + strings.Join(parts, ", ")
	}
	return "guard: " + strings.Join(parts, ", ")
}

// ago is the time from then to now as people say it: "3m", "2h10m", "5d".
func ago(now, then time.Time) string {
	d := now.Sub(then)
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	case d < 48*time.Hour:
		return strings.TrimSuffix(strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s"), "0m")
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}
