package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"headgate/connectors/builtin"
	"headgate/engine/control"
	"headgate/engine/record"
	"headgate/rules"
	"headgate/rules/load"
)

// quietRuleset loads the ruleset for completion, which must not print.
func (a *app) quietRuleset() *rules.Ruleset {
	files, err := load.Read(a.config)
	if err != nil {
		return nil
	}
	set, _ := load.Load(a.config, files, builtin.Kinds())
	return set
}

func (a *app) completeFlows(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if set := a.quietRuleset(); set != nil {
		for _, f := range set.Flows {
			names = append(names, f.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRecords completes an entity, then a key of it.
func (a *app) completeRecords(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	set := a.quietRuleset()
	if set == nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(args) == 0 {
		var all []string
		for _, e := range set.Entities {
			all = append(all, e.Name)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	keys := &control.Keys{}
	if err := a.ask(cmd.Context(), reads, "keys", &control.KeysRequest{Entity: args[0], Begun: begun}, keys); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	// Data must not act on the terminal of whoever presses the tab key.
	plain := slices.DeleteFunc(keys.Keys, func(key string) bool { return safe(key) != key || oneLine(key) != key })
	return plain, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) checkpointCommand() *cobra.Command {
	c := &cobra.Command{Use: "checkpoint", Short: "where each flow stands in its source", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	show := &cobra.Command{Use: "show [FLOW]", Short: "positions by part", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeFlows, RunE: func(cmd *cobra.Command, args []string) error { return a.showCheckpoints(cmd.Context(), args) }}
	var why string
	var yes bool
	rewind := &cobra.Command{Use: "rewind FLOW [PART]", Short: "read a part, or all, again from the beginning; what is unchanged stays unchanged", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeFlows, RunE: func(cmd *cobra.Command, args []string) error {
		q := &control.MoveRequest{Flow: args[0], All: len(args) == 1, Why: why}
		if len(args) > 1 {
			q.Part = args[1]
		}
		return a.moveCheckpoint(cmd.Context(), q, yes)
	}}
	set := &cobra.Command{Use: "set FLOW PART POSITION", Short: "go on reading a part at a position", Args: cobra.ExactArgs(3), ValidArgsFunction: a.completeFlows, RunE: func(cmd *cobra.Command, args []string) error {
		return a.moveCheckpoint(cmd.Context(), &control.MoveRequest{Flow: args[0], Part: args[1], To: record.Position(args[2]), Why: why}, yes)
	}}
	for _, x := range []*cobra.Command{rewind, set} {
		x.Flags().StringVar(&why, "why", "", "the reason, kept in the journal")
		x.Flags().BoolVar(&yes, "yes", false, "do it")
	}
	c.AddCommand(show, rewind, set)
	return c
}

func (a *app) showCheckpoints(ctx context.Context, args []string) error {
	request, all := &control.PositionsRequest{}, &control.Positions{}
	if len(args) > 0 {
		request.Flow = args[0]
	}
	if err := a.ask(ctx, reads, "positions", request, all); err != nil {
		return err
	}
	if !a.table() {
		return a.printJSON(len(all.Flows), func(i int) any { return &all.Flows[i] })
	}
	for _, f := range all.Flows {
		a.printf("%s  pass %d, %d read in all, %d keys known\n", a.painter().bold(f.Flow), f.Pass, f.Read, f.Known)
		if f.Paused != "" {
			a.printf("  PAUSED since %s: %s\n", f.PausedSince.UTC().Format("2006-01-02 15:04:05Z"), oneLine(f.Paused))
		}
		for _, p := range f.Parts {
			a.printf("  %s  %s\n", pad(oneLine(partName(p.Part)), 28), oneLine(string(p.Position)))
		}
	}
	return nil
}

func partName(part string) string {
	if part == "" {
		return "(the whole)"
	}
	return part
}

func (a *app) moveCheckpoint(ctx context.Context, q *control.MoveRequest, yes bool) error {
	if !yes || q.Why == "" {
		return usage("moving a checkpoint needs --why \"…\" and --yes: records are read again or passed over")
	}
	moved := &control.Moved{}
	if err := a.ask(ctx, acts, "move", q, moved); err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(moved)
	}
	for _, part := range moved.Parts {
		a.printf("%s: %s is read again from %s\n", q.Flow, partName(part), orBeginning(q.To))
	}
	return nil
}

func orBeginning(p record.Position) string {
	if p == "" {
		return "the beginning"
	}
	return string(p)
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "audit the state: every record read has an outcome", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context()) }}
}

func (a *app) verify(ctx context.Context) error {
	found := &control.Verified{}
	if err := a.ask(ctx, reads, "verify", nil, found); err != nil {
		return err
	}
	if !a.table() {
		if err := a.printOne(found); err != nil {
			return err
		}
	} else {
		a.printVerified(found)
	}
	if n := found.Violations(); n > 0 {
		return &exit{exitFailed, fmt.Errorf("%s found: keep the state directory as it is and ask for help", counted(n, "violation"))}
	}
	return nil
}

func (a *app) printVerified(found *control.Verified) {
	for _, d := range found.Damaged {
		a.printf("exception log: %s\n", safe(d))
	}
	if len(found.Ledgers) == 0 {
		a.printf("nothing was run yet\n")
	}
	for _, r := range found.Ledgers {
		a.printf("%s: %s, %s read, %s, %d waiting: ", oneLine(r.Ledger), counted(r.Batches, "batch"), counted(r.Read, "record"), counted(r.Entries, "key"), r.Open)
		if len(r.Violations) == 0 {
			a.printf("all accounted for\n")
		} else {
			a.printf("%s\n", counted(len(r.Violations), "violation"))
		}
		for _, v := range r.Violations {
			a.printf("  VIOLATION %s\n", oneLine(v))
		}
		for _, n := range r.Notes {
			a.printf("  note: %s\n", oneLine(n))
		}
	}
}
