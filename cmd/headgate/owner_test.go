package main

import (
	"os"
	"strings"
	"testing"
)

// TestRootLeavesNothing: root, who may write anywhere, writes nothing into a state of
// another user, whose daemon could not read it then.
func TestRootLeavesNothing(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may write where it does not belong")
	}
	o := &operator{TB: t, dir: t.TempDir()}
	o.copy("testdata/rotating/shop.hcl")
	o.must(os.Mkdir(o.path("state"), 0o700))
	o.must(os.Chown(o.path("state"), 12345, 12345))
	for _, args := range [][]string{{"run", "--once"}, {"run"}, {"pause", "orders", "--why", "x"}, {"state", "backup"}, {"state", "restore", "x.db", "--yes", "--why", "x"}, {"state", "compact", "--why", "x"}} {
		c := o.command(args...)
		told, err := c.CombinedOutput()
		if exitCode(err) != exitUsage || !strings.Contains(string(told), "belongs to #12345") || !strings.Contains(string(told), "sudo -u '#12345' headgate") {
			t.Errorf("%v left with %v:\n%s", args, err, told)
		}
	}
	if left, err := os.ReadDir(o.path("state")); err != nil || len(left) > 0 {
		t.Errorf("root left %v, %v", left, err)
	}
	o.ask([]int{exitOK}, "status") // to look is free
}
