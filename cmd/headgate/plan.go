package main

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/record"
	"headgate/rules"
)

const legend = "+ create  ~ update  - delete  = unchanged  ! reject  ? hold  … in doubt  · skipped, duplicate, superseded"

type planFlags struct {
	limit    int
	keys     []string
	only     string
	rules    string
	against  string
	exitCode bool
}

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use:               "plan FLOW",
		Short:             "what a flow would do to some real records, writing nothing",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFlows,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.plan(cmd, args[0], &f) },
	}
	c.Flags().IntVar(&f.limit, "limit", 20, "read at most so many records; 0 is all")
	c.Flags().StringArrayVar(&f.keys, "key", nil, "only the record with this key")
	c.Flags().StringVar(&f.only, "only", "", "show only this outcome: create, update, reject, hold, unchanged, …")
	c.Flags().StringVar(&f.rules, "rules", "", "plan with the ruleset in this directory instead")
	c.Flags().StringVar(&f.against, "against", "", "compare with the ruleset in this directory, on the same records")
	c.Flags().BoolVar(&f.exitCode, "exit-code", false, "leave with 3 when the plan would change or stop anything")
	return c
}

func (a *app) plan(cmd *cobra.Command, flow string, f *planFlags) error {
	only, err := onlyOutcome(f.only)
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return usage("--limit must not be negative")
	}
	dir := a.config
	if f.rules != "" {
		dir = f.rules
	}
	set, err := a.load(dir, exitBadRuleset)
	if err != nil {
		return err
	}
	if f.rules != "" { // the state stays that of the ruleset in use
		if err := a.keepState(set); err != nil {
			return err
		}
	}
	options := engine.PlanOptions{Limit: f.limit, Keys: f.keys, FromStart: f.against != ""}
	plan, err := a.planOnce(cmd, set, a.statePath(set), flow, options)
	if err != nil {
		return err
	}
	if f.against != "" {
		return a.planAgainst(cmd, set, flow, options, plan, f)
	}
	if a.output != "table" {
		return a.printJSON(len(plan.Items), func(i int) any { return itemJSON(&plan.Items[i]) })
	}
	a.printPlan(plan, only)
	if f.exitCode && planFinds(plan) {
		return &exit{code: exitFindings}
	}
	return nil
}

// keepState makes set use the state of the ruleset in use.
func (a *app) keepState(set *rules.Ruleset) error {
	if a.stateDir != "" {
		return nil
	}
	used, err := a.load(a.config, exitBadRuleset)
	if err != nil {
		return err
	}
	a.stateDir = a.statePath(used)
	return nil
}

func (a *app) planOnce(cmd *cobra.Command, set *rules.Ruleset, stateDir, flow string, options engine.PlanOptions) (_ *engine.Plan, err error) {
	s, closeState, err := planState(stateDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeState()) }()
	e := a.engine(set, s, nil)
	e.Room = nil
	defer func() { err = errors.Join(err, e.Close()) }()
	return e.Plan(cmd.Context(), flow, options)
}

func planFinds(p *engine.Plan) bool {
	return p.Paused != "" || p.Read != p.Counts[engine.Unchanged]+p.Counts[engine.Skipped]+p.Counts[engine.Duplicate]+p.Counts[engine.Superseded]
}

// onlyOutcome reads the word of --only: an outcome, or the verb people use for it.
func onlyOutcome(word string) (engine.Outcome, error) {
	verbs := map[string]string{"create": "created", "update": "updated", "delete": "deleted", "reject": "rejected", "hold": "held", "skip": "skipped"}
	if word == "" {
		return engine.NoOutcome, nil
	}
	if full, ok := verbs[word]; ok {
		word = full
	}
	var o engine.Outcome
	if err := o.UnmarshalText([]byte(word)); err != nil {
		return o, usage("--only: %v", err)
	}
	return o, nil
}

func (a *app) printPlan(plan *engine.Plan, only engine.Outcome) {
	p := a.painter()
	a.printf("plan of %s  %s → %s  (%s)\n", p.bold(plan.Flow), plan.From, plan.To, plan.Mode)
	a.printf("  %s\n\n", p.dim(legend))
	for i := range plan.Items {
		item := &plan.Items[i]
		if only == engine.NoOutcome && item.Outcome == engine.Unchanged || only != engine.NoOutcome && item.Outcome != only {
			continue
		}
		a.printItem(p, item)
	}
	if plan.Paused != "" {
		a.printf("%s %s\n", p.red("A run would pause here:"), oneLine(plan.Paused))
	}
	a.printf("%s\n", totalLine(plan))
}

// totalLine says what a run would do in all.
func totalLine(plan *engine.Plan) string {
	verbs := map[engine.Outcome]string{
		engine.Created: "to create", engine.Updated: "to update", engine.Deleted: "to delete", engine.Rejected: "to reject", engine.Held: "to hold",
	}
	var parts []string
	for _, o := range engine.Outcomes() {
		if n := plan.Counts[o]; n > 0 {
			verb := verbs[o]
			if verb == "" {
				verb = o.String()
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, verb))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	text := fmt.Sprintf("%d read: %s. Nothing was written.", plan.Read, strings.Join(parts, ", "))
	if plan.Limited {
		text += " There is more to read: --limit 0 reads all."
	}
	return text
}

func (a *app) printItem(p painter, item *engine.PlanItem) {
	key := item.Key
	if key == "" {
		key = "(no key)"
	}
	a.printf("%s %s  %s\n", mark(p, item.Outcome), pad(oneLine(key), 16), p.dim(oneLine(item.Where)))
	for _, f := range item.Failures {
		name := f.Rule
		if name == "" {
			name = f.Code
		}
		a.printf("      %s: %s\n", p.bold(name), oneLine(f.Message))
	}
	width := 0
	for _, c := range item.Changes {
		width = max(width, len([]rune(columnText(&c))))
	}
	for _, c := range item.Changes {
		a.printf("      %s  %s\n", pad(columnText(&c), width), changeText(p, item.Outcome, &c))
	}
	if len(item.Changes) == 0 && len(item.Failures) == 0 && !item.Outcome.Open() && item.Outcome != engine.Unchanged {
		a.printf("      %s\n", item.Outcome)
	}
	if item.Outcome.Open() && len(item.Row) > 0 {
		a.printf("      %s\n", p.dim("row: "+cellsText(item.Row)))
	}
}

// columnText is the destination's own name, and ours where it is another.
func columnText(c *engine.PlanChange) string {
	if c.Field == "" || c.Field == c.Column {
		return c.Column
	}
	return c.Column + " (" + c.Field + ")"
}

func changeText(p painter, o engine.Outcome, c *engine.PlanChange) string {
	old, value := shown(c.Old, c.Sensitive), shown(c.New, c.Sensitive)
	switch {
	case c.Kept:
		return p.dim(fmt.Sprintf("%s  kept: the destination owns it (the source has %s)", old, value))
	case o == engine.Created || c.Old.IsAbsent():
		return value
	}
	return old + " → " + p.bold(value)
}

func shown(v record.Value, sensitive bool) string {
	switch {
	case v.IsAbsent():
		return "(nothing)"
	case v.IsNull():
		return "null"
	case sensitive:
		return "[redacted]"
	case v.Kind() == record.String:
		return fmt.Sprintf("%q", safe(v.Str()))
	}
	return oneLine(v.Text())
}

func cellsText(cells []engine.PlanCell) string {
	var parts []string
	for _, c := range cells {
		parts = append(parts, c.Column+"="+shown(c.Value, c.Sensitive))
	}
	return strings.Join(parts, " ")
}

func itemJSON(item *engine.PlanItem) map[string]any {
	m := map[string]any{"key": item.Key, "outcome": item.Outcome, "where": item.Where}
	if len(item.Failures) > 0 {
		m["failures"] = item.Failures
	}
	var changes []map[string]any
	for _, c := range item.Changes {
		changes = append(changes, map[string]any{"column": c.Column, "field": c.Field, "old": shown(c.Old, c.Sensitive), "new": shown(c.New, c.Sensitive), "kept": c.Kept})
	}
	if changes != nil {
		m["changes"] = changes
	}
	return m
}

// planAgainst shows the records whose outcome another ruleset would change.
func (a *app) planAgainst(cmd *cobra.Command, set *rules.Ruleset, flow string, options engine.PlanOptions, before *engine.Plan, f *planFlags) error {
	other, err := a.load(f.against, exitBadRuleset)
	if err != nil {
		return err
	}
	other.Dir = set.Dir // paths mean what they mean in the ruleset in use
	after, err := a.planOnce(cmd, other, a.statePath(set), flow, options)
	if err != nil {
		return err
	}
	p := a.painter()
	a.printf("plan of %s: %s against %s, on the same records\n  %s\n\n", p.bold(flow), a.config, f.against, p.dim(legend))
	changed := a.printChanged(p, before, after)
	a.printf("%d of %d records would end otherwise.\n", changed, after.Read)
	a.printf("  %s: %s\n  %s: %s\n", a.config, totalLine(before), f.against, totalLine(after))
	if f.exitCode && changed > 0 {
		return &exit{code: exitFindings}
	}
	return nil
}

func (a *app) printChanged(p painter, before, after *engine.Plan) int {
	was := make(map[string]*engine.PlanItem)
	for i := range before.Items {
		was[before.Items[i].Where+"\x00"+before.Items[i].Key] = &before.Items[i]
	}
	type change struct{ from, to *engine.PlanItem }
	var all []change
	for i := range after.Items {
		item := &after.Items[i]
		old := was[item.Where+"\x00"+item.Key]
		if old == nil || old.Outcome != item.Outcome || reasonsOf(old) != reasonsOf(item) {
			all = append(all, change{old, item})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].to.Key < all[j].to.Key })
	for _, c := range all {
		old := "· not there"
		if c.from != nil {
			old = mark(p, c.from.Outcome) + " " + c.from.Outcome.String()
		}
		a.printf("%s → ", old)
		a.printItem(p, c.to)
		if c.from != nil && len(c.from.Failures) > 0 {
			a.printf("      before: %s\n", oneLine(c.from.Failures[0].Message))
		}
	}
	return len(all)
}

func reasonsOf(item *engine.PlanItem) string {
	var codes []string
	for _, f := range item.Failures {
		codes = append(codes, f.Rule+"/"+f.Code)
	}
	return strings.Join(codes, ",")
}
