// Command headgate is a declarative, rule-based sync daemon beside a legacy ERP.
//
// It is wiring only: flags, files, signals, exit codes and what a terminal shows.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"headgate/connectors"
	"headgate/engine"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFindings    = 3
	exitUnreachable = 4
	exitOpen        = 5
	exitUncertain   = 70
	exitBadRuleset  = 78
)

// exit is an error that chooses the exit code; a nil err says nothing more.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// gcPercent is how much garbage there may be, in percent of what is in use. In use are
// the batches on their way, of a thousand records some 30 MiB a flow, however many
// records there are. GOGC says otherwise.
const gcPercent = 150

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(Main())
}

// Main runs the command and returns its exit code.
func Main() int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go obey(signals, stop)
	a := &app{out: os.Stdout, err: os.Stderr}
	root := a.command()
	err := root.ExecuteContext(ctx)
	return a.finish(err)
}

// obey lets the first signal to end finish what is under way, and the second end the
// process at once, however soon it comes.
func obey(signals <-chan os.Signal, finish func()) {
	<-signals
	finish()
	last := <-signals
	signal.Reset(last)
	_ = syscall.Kill(os.Getpid(), last.(syscall.Signal)) // as if nobody had listened
}

// finish says what went wrong, what to do about it, and with which code to leave.
func (a *app) finish(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	e, chosen := errors.AsType[*exit](err)
	switch {
	case chosen:
		code = e.code
	case errors.Is(err, engine.ErrStateUncertain):
		code = exitUncertain
	case errors.Is(err, errUsage):
		code = exitUsage
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintf(a.err, "headgate: %s\n", safe(text))
		if hint := connectors.HintOf(err); hint != "" {
			_, _ = fmt.Fprintf(a.err, "  %s\n", safe(hint))
		}
	}
	return code
}

// errUsage marks a mistake in the command line.
var errUsage = errors.New("usage")

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "headgate",
		Short:         "the gate between a legacy ERP and every system around it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.config, "config", "/etc/headgate", "directory of the ruleset")
	flags.StringVar(&a.stateDir, "state", "", "directory of the state (default: as the ruleset says, or /var/lib/headgate)")
	flags.StringVar(&a.credentials, "credentials", os.Getenv("CREDENTIALS_DIRECTORY"), "directory of credentials")
	flags.StringVar(&a.output, "output", outputTable, "table, json or jsonl")
	flags.BoolVar(&a.asJSON, "json", false, "short for --output json")
	flags.StringVar(&a.socket, "socket", "", "socket of the daemon (default: the one of the daemon that holds the state)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.chooseOutput(cmd.Flags().Changed("output")) }
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{exitUsage, err} })
	root.AddCommand(a.initCommand(), a.checkCommand(), a.fmtCommand(), a.testCommand(), a.planCommand(), a.runCommand(),
		a.exceptionsCommand(), a.traceCommand(), a.checkpointCommand(), a.pauseCommand(), a.resumeCommand(), a.verifyCommand(),
		a.connectorsCommand(), a.versionCommand(), a.statusCommand(), a.stateCommand(), a.checkFileCommand(), a.doctorCommand())
	usageErrors(root)
	return root
}

// usageErrors gives mistakes in arguments the exit code of usage.
func usageErrors(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return &exit{exitUsage, fmt.Errorf("%w\n  usage: %s", err, cmd.UseLine())}
			}
			return nil
		}
	}
	for _, inner := range c.Commands() {
		usageErrors(inner)
	}
}
