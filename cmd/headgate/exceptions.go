package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/rules"
)

type exceptionFlags struct {
	flow, rule, code string
	all              bool
}

func (a *app) exceptionsCommand() *cobra.Command {
	var f exceptionFlags
	c := &cobra.Command{Use: "exceptions", Short: "the records that wait for a person", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	list := &cobra.Command{Use: "list", Short: "what waits, grouped by why", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.listExceptions(&f) }}
	export := &cobra.Command{Use: "export", Short: "every open exception as JSON Lines", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.exportExceptions(&f) }}
	for _, x := range []*cobra.Command{list, export} {
		x.Flags().StringVar(&f.flow, "flow", "", "only of this flow")
		x.Flags().StringVar(&f.rule, "rule", "", "only of this rule")
		x.Flags().StringVar(&f.code, "code", "", "only of this code")
	}
	list.Flags().BoolVar(&f.all, "all", false, "one line an exception instead of one a reason")
	show := &cobra.Command{
		Use: "show ID", Short: "all that is known of one exception; the beginning of its id is enough", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeExceptions,
		RunE:              func(_ *cobra.Command, args []string) error { return a.showException(args[0]) },
	}
	c.AddCommand(list, show, export)
	return c
}

// currentExceptions reads what is open in the log.
func (a *app) currentExceptions(f *exceptionFlags) ([]exceptions.State, *rules.Ruleset, error) {
	set, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return nil, nil, err
	}
	open, damaged, err := exceptions.Current(a.exceptionsDir(set))
	for _, d := range damaged {
		_, _ = fmt.Fprintf(a.err, "headgate: %s; it was passed over\n", safe(d.Error()))
	}
	kept := open[:0]
	for _, x := range open {
		if f.wants(&x) {
			kept = append(kept, x)
		}
	}
	return kept, set, err
}

func (f *exceptionFlags) wants(x *exceptions.State) bool {
	return (f.flow == "" || x.Flow == f.flow) && (f.rule == "" || x.Reason.Rule == f.rule) && (f.code == "" || x.Reason.Code == f.code)
}

func (a *app) listExceptions(f *exceptionFlags) error {
	open, _, err := a.currentExceptions(f)
	if err != nil {
		return err
	}
	if a.output != "table" {
		return a.printJSON(len(open), func(i int) any { return open[i].Exception })
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

func (a *app) printExceptions(open []exceptions.State) {
	p := a.painter()
	for _, x := range open {
		a.printf("%s %s  %s %s  %s  %s\n", mark(p, x.Outcome), x.ID[:min(8, len(x.ID))], pad(oneLine(x.Key), 16), pad(oneLine(x.Part+" "+x.Where), 28), pad(nameOf(&x.Exception), 22), oneLine(x.Reason.Message))
	}
}

func nameOf(x *engine.Exception) string {
	if x.Reason.Rule != "" {
		return x.Reason.Rule
	}
	if x.Reason.Field != "" {
		return x.Reason.Code + " " + x.Reason.Field
	}
	return x.Reason.Code
}

type exceptionGroup struct {
	first  exceptions.State
	count  int
	oldest time.Time
}

// printGroups prints one line a reason: many equal lines would be read by nobody.
func (a *app) printGroups(open []exceptions.State) {
	groups := make(map[string]*exceptionGroup)
	for _, x := range open {
		key := x.Flow + "\x00" + x.Outcome.String() + "\x00" + nameOf(&x.Exception)
		g := groups[key]
		if g == nil {
			g = &exceptionGroup{first: x, oldest: x.Time}
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
		return all[i].first.First < all[j].first.First
	})
	p := a.painter()
	flow := ""
	for _, g := range all {
		x := &g.first
		if x.Flow != flow {
			flow = x.Flow
			a.printf("%s\n", p.bold(flow))
		}
		a.printf("  %s %6d  %s  oldest %s  %s\n", mark(p, x.Outcome), g.count, pad(oneLine(nameOf(&x.Exception)), 24), g.oldest.UTC().Format("2006-01-02 15:04"), oneLine(x.Reason.Message))
		a.printf("            %s\n", p.dim("for example "+x.ID[:min(8, len(x.ID))]+": `headgate exceptions show "+x.ID[:min(8, len(x.ID))]+"`"))
	}
	a.printf("%s in all\n", counted(len(open), "exception"))
}

func (a *app) exportExceptions(f *exceptionFlags) error {
	open, _, err := a.currentExceptions(f)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(a.out)
	for i := range open {
		if err := encoder.Encode(&open[i].Exception); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showException(prefix string) error {
	set, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return err
	}
	found, err := exceptions.History(a.exceptionsDir(set), prefix)
	if err != nil {
		return err
	}
	switch {
	case prefix == "" || len(found) == 0:
		return fmt.Errorf("no exception's id begins with %q: `headgate exceptions list --all` names them", prefix)
	case len(found) > 1:
		return fmt.Errorf("%d exceptions have ids that begin with %q: give more of it", len(found), prefix)
	}
	for _, lines := range found {
		if a.output != "table" {
			return a.printJSON(len(lines), func(i int) any { return &lines[i] })
		}
		a.printException(lines)
	}
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
	a.printf("  where    %s\n", oneLine(strings.TrimSpace(x.Part+", "+x.Where)))
	a.printf("  when     %s, under ruleset %s", lines[0].Time.UTC().Format("2006-01-02 15:04:05Z"), x.Ruleset)
	if x.Attempts > 0 {
		a.printf(", judged again %s", counted(x.Attempts, "time"))
	}
	a.printf("\n")
	a.printObject("row", x.Row)
	a.printObject("record", x.Record)
	if x.Raw != "" {
		a.printf("  raw      %s\n", oneLine(x.Raw))
	}
	if x.Answer != "" {
		a.printf("  answer   %s\n", oneLine(x.Answer))
	}
	if last := lines[len(lines)-1]; last.Closed != "" {
		a.printf("  closed   %s, %s\n", last.Closed, last.Time.UTC().Format("2006-01-02 15:04:05Z"))
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

// nextStep says what a person can do about an exception.
func nextStep(x *engine.Exception) string {
	switch {
	case x.Outcome == engine.Held:
		return "it is judged again at every run, and goes on when what it waits for is there"
	case x.Reason.Code == "unit":
		return "nothing of the file was read: send it again whole, under the same name; it is judged at every run"
	case x.Reason.Stage == "source" || x.Reason.Stage == "mapping":
		return "correct it at its source and send it again; or say in `read` how it is to be understood"
	case x.Reason.Stage == "destination":
		return "correct it at its source, or mend what the destination refuses; then send it again"
	case x.Reason.Rule != "":
		return "correct it at its source: the new version closes this; or mend the rule: it is judged again at the next run"
	}
	return "correct it at its source: the new version closes this"
}

func (a *app) completeExceptions(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	set := a.quietRuleset()
	if len(args) > 0 || set == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	open, _, err := exceptions.Current(a.exceptionsDir(set))
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, x := range open {
		ids = append(ids, x.ID+"\t"+oneLine(x.Reason.Message))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
