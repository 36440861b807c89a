package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/connectors"
	"headgate/engine"
	"headgate/rules"
)

func (a *app) runCommand() *cobra.Command {
	var once bool
	var limit int
	c := &cobra.Command{
		Use:               "run [--once [FLOW …]]",
		Short:             "the daemon; with --once, move what there is to move, settle it, and end",
		ValidArgsFunction: a.completeFlows,
		RunE: func(cmd *cobra.Command, flows []string) error {
			switch {
			case limit < 0:
				return usage("--limit must not be negative")
			case !once && (limit > 0 || len(flows) > 0):
				return usage("flows and --limit go with --once: the daemon runs all flows as they are due")
			case !once:
				return a.daemon(cmd.Context())
			}
			return a.run(cmd, engine.RunOptions{Flows: flows, Limit: limit})
		},
	}
	c.Flags().BoolVar(&once, "once", false, "drain every flow and end")
	c.Flags().IntVar(&limit, "limit", 0, "read at most so many records a flow")
	return c
}

func (a *app) run(cmd *cobra.Command, options engine.RunOptions) (err error) {
	set, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return err
	}
	db, log, err := a.writable(cmd.Context(), set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close(), db.Close()) }()
	e := a.engine(set, db, log)
	e.Progress = a.progress()
	defer func() { err = errors.Join(err, e.Close()) }()
	noted, err := a.noted(e, set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, noted.Close()) }()
	summaries, err := e.RunOnce(cmd.Context(), options)
	if isTerminal(a.err) {
		_, _ = fmt.Fprint(a.err, "\r\x1b[K")
	}
	if err := a.printSummaries(summaries); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return runResult(summaries)
}

// runResult is the exit code of a run: a flow that failed or paused is told before
// exceptions that wait.
func runResult(summaries []engine.Summary) error {
	open := false
	for _, s := range summaries {
		if s.Err != nil || s.Paused != "" {
			return &exit{code: exitFailed}
		}
		open = open || s.Open > 0
	}
	if open {
		return &exit{code: exitOpen}
	}
	return nil
}

// progress shows one line on a terminal, at most a few times a second.
func (a *app) progress() func(engine.Progress) {
	if !isTerminal(a.err) {
		return nil
	}
	last := make(chan time.Time, 1)
	last <- time.Time{}
	return func(p engine.Progress) {
		at := <-last
		if now := time.Now(); now.Sub(at) > 200*time.Millisecond {
			at = now
			_, _ = fmt.Fprintf(a.err, "\r\x1b[K%s: %d read, in %s", p.Flow, p.Read, oneLine(p.Part))
		}
		last <- at
	}
}

func (a *app) printSummaries(all []engine.Summary) error {
	if !a.table() {
		return a.printJSON(len(all), func(i int) any { return summaryJSON(&all[i]) })
	}
	for i := range all {
		if i > 0 {
			a.printf("\n")
		}
		a.printSummary(&all[i])
	}
	return nil
}

func summaryJSON(s *engine.Summary) map[string]any {
	m := map[string]any{
		"flow": s.Flow, "mode": s.Mode.String(), "read": s.Read, "outcomes": countsJSON(s.Counts), "unchanged_asked": s.Asked,
		"warned": s.Warned, "batches": s.Batches, "seconds": s.Elapsed.Seconds(), "paused": s.Paused, "limited": s.Limited, "open": s.Open, "again": againJSON(s.AgainBy),
	}
	if s.Err != nil {
		m["error"] = s.Err.Error()
	}
	return m
}

func countsJSON(c engine.Counts) map[string]int64 {
	m := make(map[string]int64)
	for _, o := range engine.Outcomes() {
		if c[o] > 0 {
			m[o.String()] = c[o]
		}
	}
	return m
}

func (a *app) printSummary(s *engine.Summary) {
	p := a.painter()
	a.printf("%s  %s → %s  (%s)\n", p.bold(s.Flow), s.From, s.To, s.Mode)
	if s.Mode == rules.Observe {
		a.printf("  %s\n", p.yellow("observe: judged everything, wrote nothing; outcomes are what a live run would do"))
	}
	a.printCounts(s)
	a.printStops(p, s.Stops)
	a.printEnd(p, s)
}

func (a *app) printStops(p painter, stops []engine.StopCount) {
	for _, stop := range stops {
		name := stop.Rule
		if name == "" {
			name = strings.TrimSpace(stop.Code + " " + stop.Field)
		}
		a.printf("    %s %s  %s\n", mark(p, stop.Outcome), pad(fmt.Sprintf("%d × %s", stop.Count, name), 30), oneLine(stop.Sample))
	}
}

func (a *app) printCounts(s *engine.Summary) {
	a.printf("  %9d read", s.Read)
	if s.Elapsed > 0 {
		a.printf("  in %s", s.Elapsed.Round(time.Millisecond))
	}
	a.printf("\n")
	for _, o := range engine.Outcomes() {
		if n := s.Counts[o]; n > 0 {
			note := ""
			if o == engine.Unchanged && s.Asked > 0 {
				note = fmt.Sprintf("  (%d equal in the destination, %d settled before)", s.Asked, n-s.Asked)
			}
			a.printf("  %9d %s%s\n", n, o, note)
		}
	}
	balance := "balances: every record read has an outcome"
	if s.Counts.Sum() != s.Read {
		balance = fmt.Sprintf("DOES NOT BALANCE: %d outcomes of %d records; run `headgate verify`", s.Counts.Sum(), s.Read)
	}
	a.printf("  %9d in all: %s\n", s.Counts.Sum(), balance)
}

func (a *app) printEnd(p painter, s *engine.Summary) {
	a.printAgain(s)
	if s.Warned > 0 {
		a.printf("  %d passed with a warning\n", s.Warned)
	}
	if s.Limited && s.Err == nil && s.Paused == "" {
		a.printf("  ended before the end of the source; the next run goes on there\n")
	}
	if s.Paused != "" {
		a.printf("  %s %s\n", p.red("PAUSED:"), oneLine(s.Paused))
		if len(s.Tripped) > 0 {
			a.printf("    nothing of the batch that tripped it is settled or counted above; it would have stopped:\n")
			a.printStops(p, s.Tripped)
		}
		switch s.Pause {
		case engine.PausedByIdentity:
			a.printf("    %s\n", engine.IdentityHint(s.Flow))
		case engine.PausedByRestore:
			a.printf("    %s\n", engine.RestoreHint(s.Flow))
		default:
			a.printf("    look with `headgate plan %s`, mend what is wrong, then `headgate resume %s`\n", s.Flow, s.Flow)
		}
	}
	if s.Err != nil {
		a.printf("  %s %s\n", p.red("FAILED:"), oneLine(s.Err.Error()))
		if hint := connectors.HintOf(s.Err); hint != "" {
			a.printf("    %s\n", oneLine(hint))
		}
		a.printf("    what was settled stays; the next run goes on behind it\n")
	}
	if s.Open > 0 {
		wait := "wait"
		if s.Open == 1 {
			wait = "waits"
		}
		a.printf("  %s %s for a person: `headgate exceptions list --flow %s`\n", p.yellow(counted(int(s.Open), "exception")), wait, s.Flow)
	}
}

// mark is the sign of an outcome, the same everywhere.
func mark(p painter, o engine.Outcome) string {
	switch o {
	case engine.Created:
		return p.green("+")
	case engine.Updated:
		return p.yellow("~")
	case engine.Deleted:
		return p.red("-")
	case engine.Unchanged:
		return "="
	case engine.Rejected:
		return p.red("!")
	case engine.Held:
		return p.yellow("?")
	case engine.InDoubt:
		return p.red("…")
	}
	return p.dim("·")
}
