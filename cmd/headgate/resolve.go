package main

import (
	"context"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
)

// resolveCommand settles what is in doubt, by what a person found out.
func (a *app) resolveCommand() *cobra.Command {
	q := &control.ResolveRequest{}
	said := make(map[engine.Resolution]*bool)
	c := &cobra.Command{
		Use: "resolve ID --applied|--not-applied|--send-again --why REASON", Short: "settle a record in doubt, once you looked whether the destination has it", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeExceptions,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.ID = args[0]
			for as, yes := range said {
				if *yes {
					q.As = as
				}
			}
			return a.resolve(cmd.Context(), q)
		},
	}
	for as, usage := range map[engine.Resolution]string{
		engine.WasApplied: "the destination has it",
		engine.NotApplied: "it has not: the next run sends the record as new",
		engine.SendAgain:  "nobody knows: send the same bytes once more, whatever that doubles",
	} {
		said[as] = c.Flags().Bool(string(as), false, usage)
	}
	c.Flags().StringVar(&q.ToID, "id", "", "with --applied: the id that the destination gave the record")
	c.Flags().StringVar(&q.Why, "why", "", "the reason, kept with the record")
	c.MarkFlagsMutuallyExclusive(string(engine.WasApplied), string(engine.NotApplied), string(engine.SendAgain))
	return c
}

func (a *app) resolve(ctx context.Context, q *control.ResolveRequest) error {
	r := &control.Resolved{}
	if err := a.ask(ctx, acts, "resolve", q, r); err != nil {
		return err
	}
	if a.output != "table" {
		return a.printOne(r)
	}
	next := "the next run"
	if r.Daemon {
		next = "the run that begins now"
	}
	a.printf("%s %s: ", r.Entity, orDash(r.Key))
	switch {
	case r.As == engine.SendAgain:
		a.printf("%s sends its message once more\n", next)
	case r.Newer:
		a.printf("a newer version waited, which %s delivers\n", next)
	case r.Outcome == engine.Held:
		a.printf("%s sends it as new\n", next)
	default:
		a.printf("%s\n", r.Outcome)
	}
	if r.Paused != "" {
		a.printf("  %s %s\n", a.painter().red("PAUSED:"), oneLine(r.Paused))
	}
	return nil
}
