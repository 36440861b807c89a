package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"headgate/engine"
	"headgate/engine/control"
	"headgate/rules"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "is all there that a run needs, and what to do where it is not",
		Long: "Looks at the state, the exception log, secrets, the daemon, the clock and every system. Nothing is written;\n" +
			"one row at most is read of each resource. A running daemon looks by itself, with its own rights.",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

func (a *app) doctor(ctx context.Context) error {
	d := &control.Doctor{}
	door, err := a.door(ctx, reads)
	var chosen *exit
	switch {
	case errors.As(err, &chosen):
		return err // no daemon where one is said to be, or a bad ruleset: there is nothing to look with
	case err != nil:
		d.Checks = []control.Check{{Name: "state", Text: err.Error(), Do: "keep the state directory as it is until this is understood"}}
	default:
		err = errors.Join(a.refused(door.Ask(ctx, "doctor", nil, d)), door.Close())
		if err != nil {
			return err
		}
	}
	if err := a.printChecks(d.Checks); err != nil {
		return err
	}
	return found(!d.Well())
}

func (a *app) printChecks(checks []control.Check) error {
	if !a.table() {
		return a.printJSON(len(checks), func(i int) any { return &checks[i] })
	}
	p := a.painter()
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		word := p.green(pad("ok", 6))
		if !c.OK {
			word = p.red("NOT ok")
		}
		a.printf("%s  %s  %s\n", word, pad(oneLine(c.Name), width), oneLine(c.Text))
		if c.Do != "" {
			a.printf("%s→ %s\n", pad("", width+10), oneLine(c.Do))
		}
	}
	return nil
}

// connect asks every system of a ruleset for what is read and written of it.
func (a *app) connect(ctx context.Context, set *rules.Ruleset) []control.Check {
	e := a.engine(set, engine.NoState{}, nil)
	defer func() { _ = e.Close() }() // nothing was written
	return control.Reached(e.Probe(ctx))
}
