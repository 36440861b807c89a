package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
)

// resolveCommand settles what is in doubt, by what a person found out.
func (a *app) resolveCommand() *cobra.Command {
	q := &control.ResolveRequest{}
	said := make(map[engine.Resolution]*bool)
	c := &cobra.Command{
		Use: "resolve ID … --applied|--not-applied|--send-again --why REASON", Short: "settle records in doubt, once you looked whether the destination has them", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeExceptions,
		RunE: func(cmd *cobra.Command, args []string) error {
			for as, yes := range said {
				switch {
				case *yes && q.As != "":
					return usage("say one of --applied, --not-applied and --send-again")
				case *yes:
					q.As = as
				}
			}
			if len(args) > 1 && q.ToID != "" {
				return usage("--id is of one record: resolve each of them alone")
			}
			return a.resolve(cmd.Context(), q, args)
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
	return c
}

// resolve settles one after the other. What was settled before one cannot be stays so.
func (a *app) resolve(ctx context.Context, q *control.ResolveRequest, ids []string) error {
	var all []*control.Resolved
	for _, id := range ids {
		r := &control.Resolved{}
		q.ID = id
		if err := a.ask(ctx, acts, "resolve", q, r); err != nil {
			return errors.Join(a.printResolvedJSON(all), err)
		}
		if all = append(all, r); a.table() {
			a.printResolved(r)
		}
	}
	return a.printResolvedJSON(all)
}

// printResolvedJSON prints one as what it is, several as a list.
func (a *app) printResolvedJSON(all []*control.Resolved) error {
	switch {
	case a.table() || len(all) == 0:
		return nil
	case len(all) == 1:
		return a.printOne(all[0])
	}
	return a.printJSON(len(all), func(i int) any { return all[i] })
}

func (a *app) printResolved(r *control.Resolved) {
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
}
