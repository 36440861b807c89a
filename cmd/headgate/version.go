package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "what this build is", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		if !a.table() {
			return a.printOne(map[string]string{"version": version(), "go": runtime.Version()})
		}
		a.printf("headgate %s %s\n", version(), runtime.Version())
		return nil
	}}
}

// version names this build: its version, and the commit where that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(no build information)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value
		}
	}
	return info.Main.Version
}
