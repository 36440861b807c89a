package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/audit"
	"headgate/engine/control"
)

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "trace ENTITY KEY", Short: "what became of a record, in all flows of the entity",
		Long: "What became of a record, in all flows of the entity: seen, judged, sent, answered, under which ruleset.\n\n" +
			"KEY is its key, parts joined by \"/\" (one in a part is written \\/); or the id that a system gave it; or the reference it has in a destination.",
		Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeRecords,
		RunE: func(cmd *cobra.Command, args []string) error { return a.trace(cmd.Context(), args[0], args[1]) },
	}
}

func (a *app) trace(ctx context.Context, entity, name string) error {
	t := &control.Trace{}
	if err := a.ask(ctx, reads, "trace", &control.TraceRequest{Entity: entity, Name: name}, t); err != nil {
		return err
	}
	if !a.table() {
		return a.printOne(t)
	}
	for i := range t.Records {
		if i > 0 {
			a.printf("\n")
		}
		a.printTraced(t.Entity, &t.Records[i])
	}
	return nil
}

func (a *app) printTraced(entity string, r *control.TracedRecord) {
	p := a.painter()
	a.printf("%s %s  found by its %s\n", entity, p.bold(oneLine(r.Key)), oneLine(strings.Join(r.By, " and its ")))
	for _, id := range r.IDs {
		a.printf("  id in %s: %s\n", id.Resource, oneLine(id.ID))
	}
	for i := range r.Flows {
		a.printf("\n")
		a.printFlowTrace(p, &r.Flows[i])
	}
	if len(r.Exceptions) > 0 {
		a.printf("\nexceptions\n")
	}
	for i := range r.Exceptions {
		a.printTracedException(&r.Exceptions[i])
	}
	if len(r.Acts) > 0 {
		a.printf("\nwhat operators did\n")
	}
	for i := range r.Acts {
		a.printTracedAct(&r.Acts[i])
	}
}

func (a *app) printTracedAct(act *audit.Act) {
	text := act.Act + " by " + act.Actor.Name
	if act.Why != "" {
		text += ": " + act.Why
	}
	for _, r := range act.Records {
		text += " (" + r.Became + ")"
	}
	a.printf("  %s  %s\n", moment(act.Time), oneLine(text))
}

func (a *app) printFlowTrace(p painter, f *control.FlowTrace) {
	a.printf("flow %s (%s)\n", p.bold(f.Flow), f.Mode)
	if !f.Sending.IsZero() {
		a.printf("  a message with it may have been sent since %s, and has no settled answer: the run that goes on settles that, or the next one\n", moment(f.Sending))
	}
	if f.Outcome == engine.NoOutcome {
		if f.Sending.IsZero() {
			a.printf("  never seen, or skipped\n")
		}
		return
	}
	a.printf("  %s %s", mark(p, f.Outcome), f.Outcome)
	if b := f.Batch; b != nil {
		a.printf(" in batch %d of pass %d, %s, under ruleset %s", b.Number, f.Pass, moment(b.Time), b.Ruleset)
		if b.Part != "" {
			a.printf(", from %s", oneLine(b.Part))
		}
		if b.Again {
			a.printf(", judged again")
		}
	}
	a.printf("\n")
	if f.Delivered && f.Outcome.Open() {
		a.printf("  an earlier version was delivered\n")
	}
	if f.Version != "" {
		a.printf("  version delivered: %s\n", oneLine(f.Version))
	}
	if f.Reference != "" {
		label := "reference in the destination"
		if f.Outcome.Open() && f.Outcome != engine.InDoubt && !f.Delivered {
			label = "reference it is sent under" // it may never come there
		}
		a.printf("  %s: %s\n", label, oneLine(f.Reference))
	}
	if w := f.Waiting; w != nil {
		a.printf("  waits since %s, judged again %s: `headgate exceptions show %s`\n", moment(w.Since), counted(w.Attempts, "time"), w.Exception[:min(8, len(w.Exception))])
	}
}

func (a *app) printTracedException(x *engine.Exception) {
	text := x.Outcome.String() + ": " + x.Reason.Message
	if x.Answer != "" {
		text += fmt.Sprintf(" (the destination answered %s)", x.Answer)
	}
	if x.Closed != "" {
		text = "closed: " + x.Closed
		if x.By != "" {
			text += " by " + x.By
		}
		if x.Why != "" {
			text += ": " + x.Why
		}
	}
	a.printf("  %s  %s  flow %s, ruleset %s  %s\n", moment(x.Time), x.ID[:min(8, len(x.ID))], x.Flow, x.Ruleset, oneLine(text))
}

// moment is a time as commands print it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
