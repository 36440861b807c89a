package simulation

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The environment says what is simulated; without it a share that takes a second.
const (
	seedEnv = "HEADGATE_TEST_SEED" // one plan to run and to tell, as a failure prints it
	runsEnv = "HEADGATE_TEST_RUNS" // how many seeds
	fromEnv = "HEADGATE_TEST_FROM" // the first of them
)

// share is how many seeds a process runs by itself; more are divided among processes,
// one a core: in each one goroutine at a time goes on, so that a seed is always the
// same run.
const share = 400

// TestSimulate runs seed after seed. A seed that fails is shrunk, and told.
func TestSimulate(t *testing.T) {
	if text := os.Getenv(seedEnv); text != "" {
		pl, err := parsePlan(text)
		if err != nil {
			t.Fatal(err)
		}
		problems, story := pl.run(t, true)
		t.Logf("%s\n%s", pl, story)
		if problems != "" {
			t.Errorf("SEED=%s:\n%s", pl, problems)
		}
		return
	}
	runs, from := numberOf(runsEnv, share), numberOf(fromEnv, 0)
	began := time.Now()
	if runs > share && runtime.GOMAXPROCS(0) > 1 {
		divide(t, from, runs)
	} else {
		simulate(t, from, runs)
	}
	t.Logf("%d runs in %s", runs, time.Since(began).Round(time.Millisecond))
}

func simulate(t *testing.T, from, runs int) {
	for seed := from; seed < from+runs; seed++ {
		pl := planOf(uint64(seed))
		if problems, _ := pl.run(t, false); problems == "" {
			continue
		}
		small := pl.shrink(func(try plan) bool {
			problems, _ := try.run(t, false)
			return problems != ""
		})
		problems, story := small.run(t, true)
		t.Fatalf("seed %d, shrunk to SEED=%s:\n%s\n%s", seed, small, story, problems)
	}
}

// divide runs seeds in processes of one core each.
func divide(t *testing.T, from, runs int) {
	n := runtime.GOMAXPROCS(0)
	each := (runs + n - 1) / n
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSimulate$", "-test.timeout=1h")
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprintf("%s=%d", fromEnv, from+i*each), fmt.Sprintf("%s=%d", runsEnv, min(each, runs-i*each)))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
}

func numberOf(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestRegressions runs the plans that once failed, and says what was found then.
func TestRegressions(t *testing.T) {
	t.Parallel()
	for text, what := range map[string]string{
		"78,Register=0": "a retry whose commit failed told nobody that the process must end (R4)",
		"15359,Cursor=0,Batch=3,Changes=2,Acts=1,Register=0":                   "a release sent what was held over what the last process had written (R10)",
		"18868,Flows=1,Changes=3,API=0,Pauses=0,Register=0":                    "what the process before the last one wrote was reported as a foreign change (R13)",
		"93862,Lives=2,Register=0":                                             "the same",
		"39687":                                                                "the same, as calls come now",
		"17961,Flows=1,Cursor=0,API=0,Pauses=0,Register=0":                     "what the last process wrote was forgotten when a newer version was refused (R5)",
		"168,Flows=3,API=0,Pauses=0,Register=0":                                "a retry closed what the last process was about to write of other records (R5)",
		"66904,Lives=1,Crashes=1,Changes=0,API=2,Unique=0,Pauses=0,Register=0": "a Retry-After was not heard that came while its run ended",
		"734,Register=0":                                                       "a no behind an unknown answer was asked for for ever (R7)",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			pl, err := parsePlan(text)
			if err != nil {
				t.Fatal(err)
			}
			if problems, _ := pl.run(t, false); problems != "" {
				t.Errorf("%s:\n%s", what, problems)
			}
		})
	}
}
