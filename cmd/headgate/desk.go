package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headgate/engine/control"
)

// pauseCommand and resumeCommand are what an operator does to a flow.
func (a *app) pauseCommand() *cobra.Command {
	q := &control.PauseRequest{}
	c := &cobra.Command{
		Use: "pause FLOW --why REASON", Short: "let a flow stand still until it is resumed, whatever restarts meanwhile", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFlows,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Flow = args[0]
			if err := a.ask(cmd.Context(), acts, "pause", q, nil); err != nil || !a.table() {
				return err
			}
			a.printf("%s is paused: `headgate resume %s` lets it go on\n", q.Flow, q.Flow)
			return nil
		},
	}
	c.Flags().StringVar(&q.Why, "why", "", "the reason, shown to whoever finds the flow paused")
	return c
}

func (a *app) resumeCommand() *cobra.Command {
	q := &control.ResumeRequest{}
	var allow []string
	c := &cobra.Command{
		Use: "resume FLOW", Short: "end the pause of a flow", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFlows,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Flow = args[0]
			var err error
			if q.Allow, err = allowed(allow); err != nil {
				return err
			}
			return a.resume(cmd.Context(), q)
		},
	}
	c.Flags().StringArrayVar(&allow, "allow", nil, "raise a limit of the guard until the run that comes has ended, as a ceiling: creates=500, rejects=40%")
	c.Flags().BoolVar(&q.SameRecords, "same-records", false, "the resource has another address and the same records: keep the ledger")
	c.Flags().BoolVar(&q.OtherRecords, "other-records", false, "the resource is another system: forget the ledger and start at the beginning")
	c.Flags().StringVar(&q.Why, "why", "", "the reason, kept with the act")
	c.MarkFlagsMutuallyExclusive("same-records", "other-records")
	return c
}

// allowed reads what --allow was given.
func allowed(texts []string) (map[string]string, error) {
	all := make(map[string]string, len(texts))
	for _, text := range texts {
		name, limit, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usage("--allow %s: write a name and a limit: --allow creates=500", text)
		}
		all[name] = limit
	}
	return all, nil
}

func (a *app) resume(ctx context.Context, q *control.ResumeRequest) error {
	r := &control.Resumed{}
	if err := a.ask(ctx, acts, "resume", q, r); err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(r)
	}
	when := "at its next run"
	if r.Daemon {
		when = "now"
	}
	switch {
	case r.Fresh:
		a.printf("%s forgot its ledger and starts at the beginning\n", q.Flow)
		if r.Forgot > 0 {
			a.printf("%s of it closed: what is wrong in the other system is told anew\n", counted(r.Forgot, "exception"))
		}
	case r.Was == "":
		a.printf("%s was not paused\n", q.Flow)
	default:
		a.printf("%s goes on %s\n", q.Flow, when)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Allow)) {
		a.printf("  %s %s: that many in all until that run ends\n", r.Allow[name], name)
	}
	return nil
}
