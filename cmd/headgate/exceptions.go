package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
)

type exceptionFlags struct {
	flow, rule, code string
	all              bool
}

func (a *app) exceptionsCommand() *cobra.Command {
	var f exceptionFlags
	c := &cobra.Command{Use: "exceptions", Short: "the records that wait for a person", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	list := &cobra.Command{Use: "list", Short: "what waits, grouped by why", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return a.listExceptions(cmd.Context(), &f) }}
	export := a.exportCommand(&f)
	for _, x := range []*cobra.Command{list, export} {
		x.Flags().StringVar(&f.flow, "flow", "", "only of this flow")
		x.Flags().StringVar(&f.rule, "rule", "", "only of this rule")
		x.Flags().StringVar(&f.code, "code", "", "only of this code")
	}
	list.Flags().BoolVar(&f.all, "all", false, "one line an exception instead of one a reason")
	show := &cobra.Command{
		Use: "show ID", Short: "all that is known of one exception; the beginning of its id is enough", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeExceptions,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.showException(cmd.Context(), args[0]) },
	}
	c.AddCommand(list, show, export)
	c.AddCommand(a.deskCommands()...)
	return c
}

// openExceptions asks what waits.
func (a *app) openExceptions(ctx context.Context, f *exceptionFlags) ([]engine.Exception, error) {
	list := &control.List{}
	if err := a.ask(ctx, reads, "exceptions", &control.ListRequest{Flow: f.flow, Rule: f.rule, Code: f.code}, list); err != nil {
		return nil, err
	}
	for _, d := range list.Damaged {
		_, _ = fmt.Fprintf(a.err, "headgate: %s; it was passed over\n", safe(d))
	}
	return list.Exceptions, nil
}

func (a *app) listExceptions(ctx context.Context, f *exceptionFlags) error {
	open, err := a.openExceptions(ctx, f)
	if err != nil {
		return err
	}
	if !a.table() {
		return a.printJSON(len(open), func(i int) any { return &open[i] })
	}
	if len(open) == 0 && (f.flow != "" || f.rule != "" || f.code != "") {
		a.printf("nothing waits of what was asked for: `headgate exceptions list` shows all\n")
		return nil
	}
	if len(open) == 0 {
		a.printf("nothing waits\n")
		return nil
	}
	if f.all {
		a.printExceptions(open)
		return nil
	}
	a.printGroups(open)
	return nil
}

func (a *app) printExceptions(open []engine.Exception) {
	p := a.painter()
	for _, x := range open {
		a.printf("%s %s  %s %s  %s  %s\n", mark(p, x.Outcome), x.ID[:min(8, len(x.ID))], pad(oneLine(x.Key), 16), pad(oneLine(x.Part+" "+x.Where), 28), pad(nameOf(&x), 22), oneLine(x.Reason.Message))
	}
}

func nameOf(x *engine.Exception) string {
	switch {
	case x.Reason.Rule != "" && x.Reason.Code != "rule" && x.Reason.Code != "unit": // held for too long, or it cannot be evaluated
		return x.Reason.Rule + " " + x.Reason.Code
	case x.Reason.Rule != "":
		return x.Reason.Rule
	}
	if x.Reason.Field != "" {
		return x.Reason.Code + " " + x.Reason.Field
	}
	return x.Reason.Code
}

type exceptionGroup struct {
	first  engine.Exception
	place  int // among the groups
	count  int
	oldest time.Time
}

// printGroups prints one line a reason: many equal lines would be read by nobody.
func (a *app) printGroups(open []engine.Exception) {
	groups := make(map[string]*exceptionGroup)
	for _, x := range open {
		key := x.Flow + "\x00" + x.Outcome.String() + "\x00" + nameOf(&x)
		g := groups[key]
		if g == nil {
			g = &exceptionGroup{first: x, place: len(groups), oldest: x.Time}
			groups[key] = g
		}
		g.count++
		if x.Time.Before(g.oldest) {
			g.oldest = x.Time
		}
	}
	all := make([]*exceptionGroup, 0, len(groups))
	for _, g := range groups {
		all = append(all, g)
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].first.Flow != all[j].first.Flow {
			return all[i].first.Flow < all[j].first.Flow
		}
		if all[i].count != all[j].count {
			return all[i].count > all[j].count
		}
		return all[i].place < all[j].place
	})
	p := a.painter()
	flow := ""
	for _, g := range all {
		x := &g.first
		if x.Flow != flow {
			flow = x.Flow
			a.printf("%s\n", p.bold(flow))
		}
		a.printf("  %s %6d  %s  oldest %s  %s\n", mark(p, x.Outcome), g.count, pad(oneLine(nameOf(x)), 24), g.oldest.UTC().Format("2006-01-02 15:04"), oneLine(x.Reason.Message))
		a.printf("            %s\n", p.dim("for example "+x.ID[:min(8, len(x.ID))]+": `headgate exceptions show "+x.ID[:min(8, len(x.ID))]+"`"))
	}
	a.printf("%s in all\n", counted(len(open), "exception"))
}

func (a *app) showException(ctx context.Context, prefix string) error {
	history := &control.History{}
	if err := a.ask(ctx, reads, "exception", &control.ShowRequest{ID: prefix}, history); err != nil {
		return err
	}
	if !a.table() {
		return a.printJSON(len(history.Lines), func(i int) any { return &history.Lines[i] })
	}
	a.printException(history.Lines)
	return nil
}

func (a *app) printException(lines []engine.Exception) {
	p := a.painter()
	x := &lines[len(lines)-1]
	if x.Closed != "" && len(lines) > 1 {
		x = &lines[len(lines)-2]
	}
	a.printf("%s %s  %s\n", mark(p, x.Outcome), p.bold(x.ID), x.Outcome)
	a.printf("  what     %s %s, flow %s\n", x.Entity, orDash(x.Key), x.Flow)
	a.printf("  why      %s (%s, at %s)\n", oneLine(x.Reason.Message), nameOf(x), x.Reason.Stage)
	for _, f := range x.Failures[min(1, len(x.Failures)):] {
		a.printf("  also     %s (%s)\n", oneLine(f.Message), strings.TrimSpace(f.Rule+" "+f.Code))
	}
	a.printf("  where    %s\n", oneLine(strings.Trim(x.Part+", "+x.Where, ", ")))
	a.printf("  when     %s, under ruleset %s", lines[0].Time.UTC().Format("2006-01-02 15:04:05Z"), x.Ruleset)
	switch {
	case x.Attempts > 0 && x.Outcome == engine.InDoubt:
		a.printf(", tried %s", counted(x.Attempts, "time"))
	case x.Attempts > 0:
		a.printf(", judged again %s", counted(x.Attempts, "time"))
	}
	a.printf("\n")
	a.printObject("row", x.Row)
	a.printObject("record", x.Record)
	if x.Raw != "" {
		a.printf("  raw      %s\n", oneLine(x.Raw))
	}
	if x.Reference != "" {
		a.printf("  known as %s\n", oneLine(x.Reference))
	}
	if x.Sent != "" {
		for i, line := range strings.Split(strings.TrimSpace(x.Sent), "\n") {
			a.printf("  %s %s\n", pad(map[bool]string{true: "sent"}[i == 0], 8), oneLine(line))
		}
	}
	if x.Answer != "" {
		a.printf("  answer   %s\n", oneLine(x.Answer))
	}
	if last := lines[len(lines)-1]; last.Closed != "" {
		a.printf("  closed   %s, %s%s\n", last.Closed, last.Time.UTC().Format("2006-01-02 15:04:05Z"), byWhom(&last))
		return
	}
	a.printf("  next     %s\n", nextStep(x))
}

// printObject prints a JSON object as name=value pairs.
func (a *app) printObject(label string, object json.RawMessage) {
	if len(object) == 0 {
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, object); err == nil {
		a.printf("  %s %s\n", pad(label, 8), oneLine(compact.String()))
	}
}

func orDash(s string) string {
	if s == "" {
		return "(no key)"
	}
	return oneLine(s)
}

// byWhom says who let an exception close, where a person did.
func byWhom(x *engine.Exception) string {
	text := ""
	if x.By != "" {
		text = ", by " + oneLine(x.By)
	}
	if x.Why != "" {
		text += ": " + oneLine(x.Why)
	}
	return text
}

// nextStep says what a person can do about an exception.
func nextStep(x *engine.Exception) string {
	id := x.ID[:min(8, len(x.ID))]
	switch {
	case x.Outcome == engine.InDoubt && x.Sent != "":
		return "look whether the destination has it, then: `headgate exceptions resolve " + id + " --applied --why …`, or `--not-applied` to have it sent as new, or `--send-again` to send the same bytes once more, whatever that doubles"
	case x.Outcome == engine.Held && x.Reason.Code == "not_done":
		return "the next run compares it with the destination and delivers it"
	case x.Outcome == engine.Held:
		return "it is judged again at every run, and goes on when what it waits for is there; whom the rule's `release` names may let it pass: `headgate exceptions release " + id + " --why …`"
	case x.Reason.Code == "unit":
		return "nothing of the file was read: send it again whole, under the same name; it is judged at every run"
	case x.Key == "" && (x.Reason.Stage == "source" || x.Reason.Stage == "mapping"):
		return "correct it at its source and send it again, or say in `read` how it is to be understood; without a key no new version closes it: `headgate exceptions dismiss " + id + " --why …`"
	case x.Reason.Stage == "source" || x.Reason.Stage == "mapping":
		return "correct it at its source and send it again; or say in `read` how it is to be understood"
	case x.Reason.Stage == "destination":
		return "correct it at its source, or mend what the destination refuses: it is sent again from time to time, and at once by `headgate exceptions retry " + id + "`"
	case x.Reason.Rule != "":
		return "correct it at its source: the new version closes this; or mend the rule: it is judged again at the next run"
	}
	return "correct it at its source: the new version closes this"
}

func (a *app) completeExceptions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.quietRuleset() == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	open, err := a.openExceptions(cmd.Context(), &exceptionFlags{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, x := range open {
		ids = append(ids, x.ID+"\t"+oneLine(x.Reason.Message))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
