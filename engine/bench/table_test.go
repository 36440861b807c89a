package bench

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"text/tabwriter"
)

// table is what `make bench` prints when all is measured: one line a target.
var table struct {
	sync.Mutex
	lines []line
}

type line struct {
	work, target, measured string
	met                    bool
}

// judge adds a line: measured is met when it is at most the target.
func judge(work string, measured, most float64, format, detail string) {
	add(work, "≤ "+fmt.Sprintf(format, most), fmt.Sprintf(format, measured)+detail, measured <= most)
}

// judgeLeast adds a line: measured is met when it is at least the target.
func judgeLeast(work string, measured, least float64, format, detail string) {
	add(work, "≥ "+fmt.Sprintf(format, least), fmt.Sprintf(format, measured)+detail, measured >= least)
}

func add(work, target, measured string, met bool) {
	table.Lock()
	defer table.Unlock()
	table.lines = append(table.lines, line{work, target, measured, met})
}

func printTable(begin usage) {
	if len(table.lines) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nwork\ttarget\tmeasured\tverdict")
	for _, l := range table.lines {
		verdict := "met"
		if !l.met {
			verdict = "MISSED"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.work, l.target, l.measured, verdict)
	}
	_ = w.Flush()
	if note := others(begin); note != "" {
		fmt.Println(note)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // as cmd/headgate does
	}
	begin, _ := used()
	code := m.Run()
	removeBinary()
	printTable(begin)
	os.Exit(code)
}
