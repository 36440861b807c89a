package main

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"headgate/engine/state"
)

// pageSize is what bbolt writes at a time.
const pageSize = 4096

// damages change a state file. The first is none.
var damages = []struct {
	name   string
	change func(dice *rand.Rand, file []byte) []byte
}{
	{"nothing", func(_ *rand.Rand, file []byte) []byte { return file }},
	{"a bit", func(dice *rand.Rand, file []byte) []byte {
		file[dice.IntN(len(file))] ^= 1 << dice.IntN(8)
		return file
	}},
	{"a zeroed page", func(dice *rand.Rand, file []byte) []byte { clear(anyPage(dice, file)); return file }},
	{"a random page", func(dice *rand.Rand, file []byte) []byte {
		page := anyPage(dice, file)
		for i := range page {
			page[i] = byte(dice.Uint32())
		}
		return file
	}},
	{"pages swapped", func(dice *rand.Rand, file []byte) []byte {
		a, b := anyPage(dice, file), anyPage(dice, file)
		kept := bytes.Clone(a)
		copy(a, b)
		copy(b, kept)
		return file
	}},
	{"a truncation", func(dice *rand.Rand, file []byte) []byte { return file[:dice.IntN(len(file))] }},
}

func anyPage(dice *rand.Rand, file []byte) []byte {
	at := dice.IntN(len(file)/pageSize) * pageSize
	return file[at : at+pageSize]
}

// TestDamage damages the state file in many ways, each time after a clean stop and after
// another one, with a backup and without, and runs headgate on it. It always says what
// is wrong, or nothing is: the destination holds what it held, and the state verifies.
// HEADGATE_TEST_DAMAGES says how many.
func TestDamage(t *testing.T) {
	t.Parallel()
	dice, count := dice(t), times(t, "HEADGATE_TEST_DAMAGES", 18)
	erp := sqliteTill(t)
	sales := manySales(dice, 400)
	o := beginImport(t, "sqlite", erp, sales)
	o.ask([]int{exitOpen}, "run", "--once")
	o.ask([]int{exitOK}, "state", "backup")
	want := accountOf(o, erp).Lines
	o.must(os.Rename(o.path("state"), o.path("saved")))
	file, err := os.ReadFile(o.path("saved/" + state.FileName))
	o.must(err)
	file = used(file)
	ends := make(map[string]int)
	for n := range count {
		d := damages[n%len(damages)]
		clean, backup := dice.IntN(2) == 0, dice.IntN(3) > 0
		o.must(os.RemoveAll(o.path("state")))
		o.must(os.CopyFS(o.path("state"), os.DirFS(o.path("saved"))))
		changed := d.change(dice, bytes.Clone(file))
		o.must(os.WriteFile(o.path("state/"+state.FileName), changed, 0o600))
		if !clean {
			o.must(os.WriteFile(o.path("state/unclean"), nil, 0o600))
		}
		if !backup {
			o.must(os.RemoveAll(o.path("state/backups")))
		}
		what := fmt.Sprintf("%s, clean %t, backup %t", d.name, clean, backup)
		end := o.afterDamage(what, clean)
		if d.name == damages[0].name && end != "sound" {
			t.Errorf("%s: %s", what, end)
		}
		ends[d.name+": "+end]++
		got := erp.lines(o)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: the destination changed:\n%s", what, diff)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		t.Logf("%4d × %s", ends[name], name)
	}
}

// afterDamage runs headgate on a state and tells how that ended.
func (o *operator) afterDamage(what string, clean bool) string {
	o.Helper()
	p := o.start("run", "--once")
	<-p.ended
	told := p.told.String()
	switch {
	case p.code == exitUncertain && strings.Contains(told, "damaged"):
		if clean { // the mark it leaves has the next one check it
			return "met and told, then " + o.afterDamage(what, false)
		}
		return "refused, with what to do"
	case p.code == exitOpen && strings.Contains(told, "takes its place"):
		o.verify()
		aside, err := filepath.Glob(o.path("state/*.aside-*"))
		if o.must(err); len(aside) != 1 {
			o.Fatalf("%s: the damaged file is not kept: %v", what, aside)
		}
		return "restored"
	case p.code == exitOpen && clean:
		return o.auditDamage(what)
	case p.code == exitOpen:
		o.verify()
		return "sound"
	}
	o.Fatalf("%s: left with %d:\n%s", what, p.code, told)
	return ""
}

// auditDamage looks for what a run after a clean stop had no need to read.
func (o *operator) auditDamage(what string) string {
	o.Helper()
	p := o.start("verify")
	<-p.ended
	switch told := p.told.String(); {
	case p.code == exitOK:
		return "sound"
	case p.code == exitFailed && (strings.Contains(told, "damaged") || strings.Contains(told, "violation")):
		return "not met by the run, and told by verify"
	default:
		o.Fatalf("%s: verify left with %d:\n%s", what, p.code, told)
		return ""
	}
}

// used is a state file without the room that is kept at its end.
func used(file []byte) []byte {
	pages := (len(bytes.TrimRight(file, "\x00")) + pageSize - 1) / pageSize
	return file[:max(pages, 4)*pageSize]
}
