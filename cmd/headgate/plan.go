package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
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
	c.Flags().StringArrayVar(&f.keys, "key", nil, "only the record with this key, wherever it stands in the source; settled or not")
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
	request := &control.PlanRequest{Flow: flow, Limit: f.limit, Keys: f.keys, FromStart: f.against != "" || len(f.keys) > 0}
	if f.against == "" {
		request.Only = only
	}
	if f.rules != "" {
		if request.Files, err = a.files(f.rules); err != nil {
			return err
		}
	}
	door, err := a.door(cmd.Context(), reads)
	if err != nil {
		return err
	}
	defer func() { _ = door.Close() }()
	plan := &control.Plan{}
	if err := a.refused(door.Ask(cmd.Context(), "plan", request, plan)); err != nil {
		return err
	}
	if f.against != "" {
		return a.planAgainst(cmd, door, request, plan, f)
	}
	switch a.output {
	case outputJSON:
		err = a.printOne(plan)
	case outputLines:
		err = a.printJSON(len(plan.Items), func(i int) any { return &plan.Items[i] })
	default:
		a.printPlan(plan, only == engine.NoOutcome && len(f.keys) == 0)
		if plan.Read == 0 && len(f.keys) > 0 {
			a.printf("The source has no such record now: `headgate trace` tells what became of it.\n")
		}
	}
	if err != nil {
		return err
	}
	return found(f.exitCode && planFinds(plan))
}

// planFinds reports whether a run would change or stop anything.
func planFinds(p *control.Plan) bool {
	left := p.Read
	for _, o := range []engine.Outcome{engine.Unchanged, engine.Skipped, engine.Duplicate, engine.Superseded} {
		left -= p.Outcomes[o.String()]
	}
	return p.Paused != "" || left != 0
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

// printPlan prints a plan; with brief, what is unchanged is only counted.
func (a *app) printPlan(plan *control.Plan, brief bool) {
	p := a.painter()
	a.printf("plan of %s  %s → %s  (%s)\n", p.bold(plan.Flow), plan.From, plan.To, plan.Mode)
	a.printf("  %s\n\n", p.dim(legend))
	for i := range plan.Items {
		item := &plan.Items[i]
		if brief && item.Outcome == engine.Unchanged {
			continue
		}
		a.printItem(p, item)
	}
	if plan.Omitted > 0 {
		a.printf("… and %d more that are not shown: choose some with --key or --only\n", plan.Omitted)
	}
	if plan.Paused != "" {
		a.printf("%s %s\n", p.red("A run would pause here:"), oneLine(plan.Paused))
	}
	a.printf("%s\n", totalLine(plan))
}

// totalLine says what a run would do in all.
func totalLine(plan *control.Plan) string {
	verbs := map[engine.Outcome]string{
		engine.Created: "to create", engine.Updated: "to update", engine.Deleted: "to delete", engine.Rejected: "to reject", engine.Held: "to hold",
	}
	var parts []string
	for _, o := range engine.Outcomes() {
		if n := plan.Outcomes[o.String()]; n > 0 {
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
	if plan.Limited && plan.Paused == "" {
		text += " There is more to read: --limit 0 reads all."
	}
	return text
}

func (a *app) printItem(p painter, item *control.PlanItem) {
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
func columnText(c *control.PlanChange) string {
	if c.Field == "" || c.Field == c.Column {
		return c.Column
	}
	return c.Column + " (" + c.Field + ")"
}

func changeText(p painter, o engine.Outcome, c *control.PlanChange) string {
	old, value := oneLine(c.Old), oneLine(c.New)
	switch {
	case c.Kept:
		return p.dim(fmt.Sprintf("%s  kept: the destination owns it (the source has %s)", old, value))
	case o == engine.Created || old == "":
		return value
	}
	return old + " → " + p.bold(value)
}

func cellsText(cells []control.PlanCell) string {
	var parts []string
	for _, c := range cells {
		parts = append(parts, c.Column+"="+oneLine(c.Value))
	}
	return strings.Join(parts, " ")
}

// planAgainst shows the records whose outcome another ruleset would change.
func (a *app) planAgainst(cmd *cobra.Command, door control.Door, request *control.PlanRequest, before *control.Plan, f *planFlags) error {
	var err error
	if request.Files, err = a.files(f.against); err != nil {
		return err
	}
	after := &control.Plan{}
	if err := a.refused(door.Ask(cmd.Context(), "plan", request, after)); err != nil {
		return err
	}
	only, err := onlyOutcome(f.only)
	if err != nil {
		return err
	}
	changes := slices.DeleteFunc(changedItems(before, after), func(c planDifference) bool {
		return only != engine.NoOutcome && c.To.Outcome != only
	})
	if !a.table() {
		if err := a.printJSON(len(changes), func(i int) any { return &changes[i] }); err != nil {
			return err
		}
		return found(f.exitCode && len(changes) > 0)
	}
	p, first := a.painter(), a.config
	if f.rules != "" {
		first = f.rules
	}
	a.printf("plan of %s: %s against %s, on the same records\n  %s\n\n", p.bold(request.Flow), first, f.against, p.dim(legend))
	for i := range changes {
		a.printChange(p, &changes[i])
	}
	a.printf("%d of %d records would end otherwise.\n", len(changes), after.Read)
	a.printf("  %s: %s\n  %s: %s\n", first, totalLine(before), f.against, totalLine(after))
	return found(f.exitCode && len(changes) > 0)
}

// planDifference is one record whose outcome another ruleset would change.
type planDifference struct {
	From *control.PlanItem `json:"from"` // null: it was not there
	To   *control.PlanItem `json:"to"`
}

// changedItems pairs the records that end otherwise, by key.
func changedItems(before, after *control.Plan) []planDifference {
	was := make(map[string]*control.PlanItem)
	for i := range before.Items {
		was[before.Items[i].Where+"\x00"+before.Items[i].Key] = &before.Items[i]
	}
	all := []planDifference{}
	for i := range after.Items {
		item := &after.Items[i]
		old := was[item.Where+"\x00"+item.Key]
		if old == nil || old.Outcome != item.Outcome || reasonsOf(old) != reasonsOf(item) {
			all = append(all, planDifference{old, item})
		}
	}
	slices.SortStableFunc(all, func(a, b planDifference) int { return cmp.Compare(a.To.Key, b.To.Key) })
	return all
}

func (a *app) printChange(p painter, c *planDifference) {
	old := "· not there"
	if c.From != nil {
		old = mark(p, c.From.Outcome) + " " + c.From.Outcome.String()
	}
	a.printf("%s → ", old)
	a.printItem(p, c.To)
	if c.From != nil && len(c.From.Failures) > 0 {
		a.printf("      before: %s\n", oneLine(c.From.Failures[0].Message))
	}
}

func reasonsOf(item *control.PlanItem) string {
	var codes []string
	for _, f := range item.Failures {
		codes = append(codes, f.Rule+"/"+f.Code)
	}
	return strings.Join(codes, ",")
}
