package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
)

// deskCommands are what an operator does to records that wait.
func (a *app) deskCommands() []*cobra.Command {
	retried, dismissed, released := &control.Choice{}, &control.Choice{}, &control.ReleaseRequest{}
	retry := &cobra.Command{
		Use: "retry [ID …]", Short: "judge again, from the rows that were kept: those named, or all of --flow, --rule, --code", ValidArgsFunction: a.completeExceptions,
		RunE: func(cmd *cobra.Command, args []string) error {
			retried.IDs = args
			return a.judgeAgain(cmd.Context(), "retry", retried)
		},
	}
	release := &cobra.Command{
		Use: "release ID --why REASON", Short: "let this one content pass the rules that hold it, where their `release` names you", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeExceptions,
		RunE: func(cmd *cobra.Command, args []string) error {
			released.ID = args[0]
			return a.judgeAgain(cmd.Context(), "release", released)
		},
	}
	dismiss := &cobra.Command{
		Use: "dismiss [ID …] --why REASON", Short: "close exceptions: these contents are not delivered; new versions are judged anew", ValidArgsFunction: a.completeExceptions,
		RunE: func(cmd *cobra.Command, args []string) error {
			dismissed.IDs = args
			return a.dismiss(cmd.Context(), dismissed)
		},
	}
	choiceFlags(retry, retried)
	choiceFlags(dismiss, dismissed)
	release.Flags().StringVar(&released.Why, "why", "", "the reason, kept with the record")
	return []*cobra.Command{retry, release, dismiss, a.resolveCommand()}
}

func choiceFlags(c *cobra.Command, q *control.Choice) {
	c.Flags().StringVar(&q.Flow, "flow", "", "all of this flow")
	c.Flags().StringVar(&q.Rule, "rule", "", "all of this rule")
	c.Flags().StringVar(&q.Code, "code", "", "all of this code")
	c.Flags().StringVar(&q.Why, "why", "", "the reason, kept with the act")
}

// judgeAgain lets records be judged again and tells what became of them.
func (a *app) judgeAgain(ctx context.Context, verb string, request any) error {
	judged := &control.Judged{}
	if err := a.ask(ctx, acts, verb, request, judged); err != nil {
		return err
	}
	if a.output != "table" {
		if err := a.printJSON(len(judged.Flows), func(i int) any { return &judged.Flows[i] }); err != nil {
			return err
		}
	} else {
		for i := range judged.Flows {
			a.printJudged(&judged.Flows[i])
		}
	}
	return judgedResult(judged)
}

// judgedResult is the exit code: a system that failed, and a pause, come before
// records that still wait.
func judgedResult(judged *control.Judged) error {
	waits := false
	for i := range judged.Flows {
		f := &judged.Flows[i]
		if f.Failed != "" || f.Paused != "" {
			return &exit{code: exitFailed}
		}
		for _, o := range engine.Outcomes() {
			waits = waits || o.Open() && f.Outcomes[o.String()] > 0
		}
		waits = waits || f.Judged() < int64(f.Chosen)
	}
	if waits {
		return &exit{code: exitOpen}
	}
	return nil
}

// shownJudged is how many records a terminal is shown one by one.
const shownJudged = 20

func (a *app) printJudged(f *control.FlowJudged) {
	p := a.painter()
	a.printf("%s  %d judged again%s\n", p.bold(f.Flow), f.Judged(), outcomesText(f.Outcomes))
	if len(f.Released) > 0 {
		a.printf("  released from %s\n", strings.Join(f.Released, ", "))
	}
	if len(f.Records) <= shownJudged {
		for _, r := range f.Records {
			a.printf("  %s %s  %s %s  %s\n", mark(p, r.Outcome), r.Exception[:min(8, len(r.Exception))], pad(oneLine(orDash(r.Key)), 16), pad(r.Outcome.String(), 10), oneLine(r.Message))
		}
	}
	if left := int64(f.Chosen) - f.Judged(); left > 0 && f.Failed == "" && f.Paused == "" {
		a.printf("  %d not judged: a refused file is judged when it is read, what is in doubt is for `headgate exceptions resolve`, and what another act closed waits no more\n", left)
	}
	if f.Paused != "" {
		a.printf("  %s %s\n", p.red("PAUSED:"), oneLine(f.Paused))
	}
	if f.Failed != "" {
		a.printf("  %s %s\n", p.red("FAILED:"), oneLine(f.Failed))
		if f.Hint != "" {
			a.printf("    %s\n", oneLine(f.Hint))
		}
	}
}

func (a *app) dismiss(ctx context.Context, q *control.Choice) error {
	d := &control.Dismissed{}
	if err := a.ask(ctx, acts, "dismiss", q, d); err != nil {
		return err
	}
	if a.output != "table" {
		return a.printOne(d)
	}
	a.printf("%s dismissed\n", counted(len(d.Exceptions), "exception"))
	if d.InDoubt > 0 {
		a.printf("%d in doubt stay: nobody knows whether the destination has them; `headgate exceptions resolve` settles that\n", d.InDoubt)
		return &exit{code: exitOpen}
	}
	return nil
}

// printAgain says what became of records that waited, for a summary: in all, and by
// what they had waited for.
func (a *app) printAgain(s *engine.Summary) {
	if s.Again.Sum() == 0 {
		return
	}
	a.printf("  %s that waited judged again: %s\n", counted(int(s.Again.Sum()), "record"), againText(&s.Again))
	for i := range s.AgainBy {
		by := &s.AgainBy[i]
		a.printf("    %s  %s\n", pad(fmt.Sprintf("%d × %s", by.Counts.Sum(), cmp.Or(by.Rule, by.Code)), 32), againText(&by.Counts))
	}
}

func againText(counts *engine.Counts) string {
	still := counts[engine.Rejected] + counts[engine.Held] + counts[engine.InDoubt]
	gone := counts[engine.Skipped] + counts[engine.Superseded]
	var parts []string
	for _, part := range []struct {
		n    int64
		text string
	}{{counts.Sum() - still - gone, "delivered"}, {still, "still waiting"}, {gone, "not wanted any more"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	return strings.Join(parts, ", ")
}

func againJSON(all []engine.AgainCount) []map[string]any {
	reasons := make([]map[string]any, len(all))
	for i := range all {
		reasons[i] = map[string]any{"code": all[i].Code, "rule": all[i].Rule, "outcomes": countsJSON(all[i].Counts)}
	}
	return reasons
}
