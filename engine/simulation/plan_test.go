package simulation

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// plan says what a simulated run may consist of. It is drawn from a seed; a smaller
// plan of the same seed is another run, which may show the same mistake more simply.
type plan struct {
	Seed    uint64
	Flows   int // which flows there are, a bit each: items, copies, stock
	Cursor  int // 1: the shop is read by a cursor
	Batch   int // records
	Items   int // that there are from the beginning
	Lives   int // processes before nothing fails any more
	Crashes int
	Faults  int
	Changes int // of the systems, while the engine runs
	Acts    int // of a person
	Reloads int

	API      int // what kind of API there is; 0: none
	InFlight int // messages to it at a time, beside one
	Many     int // changes that a message carries, beside one
	Unique   int // 1: it takes no second row of an item
	Pauses   int // between processes, or the clock is set back

	Register int // 1: items are added to a register
}

// planOf draws the plan of a seed.
func planOf(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 0))
	pl := plan{
		Seed: seed, Flows: 1 + r.IntN(7), Cursor: r.IntN(2), Batch: 1 + r.IntN(4), Items: 1 + r.IntN(6),
		Lives: 1 + r.IntN(3), Crashes: r.IntN(3), Faults: r.IntN(4), Changes: r.IntN(10), Acts: r.IntN(4), Reloads: r.IntN(2),
	}
	if pl.API = max(0, r.IntN(2*len(apis)-1)-len(apis)+1); pl.API > 0 {
		pl.Flows &= r.IntN(8) // it may be alone
		pl.InFlight, pl.Many, pl.Unique, pl.Pauses = r.IntN(3), max(0, r.IntN(5)-2), r.IntN(2), r.IntN(3)
	}
	pl.Register = max(0, r.IntN(4)-2)
	return pl
}

func (pl plan) setting() setting {
	s := setting{erp: pl.Flows&1 > 0, tape: pl.Flows&2 > 0, depot: pl.Flows&4 > 0, cursor: pl.Cursor > 0, size: pl.Batch, register: pl.Register > 0}
	if pl.API > 0 {
		s.inFlight = 1 + pl.InFlight
	}
	return s
}

// String writes a plan as SEED takes it: "7" or "7,Items=2,Faults=0".
func (pl plan) String() string {
	text := fmt.Sprint(pl.Seed)
	drawn, v := reflect.ValueOf(planOf(pl.Seed)), reflect.ValueOf(pl)
	for i := 1; i < v.NumField(); i++ {
		if v.Field(i).Int() != drawn.Field(i).Int() {
			text += fmt.Sprintf(",%s=%d", v.Type().Field(i).Name, v.Field(i).Int())
		}
	}
	return text
}

// parsePlan reads what String writes.
func parsePlan(text string) (pl plan, err error) {
	parts := strings.Split(text, ",")
	var seed uint64
	if _, err := fmt.Sscan(parts[0], &seed); err != nil {
		return pl, fmt.Errorf("seed %q: %w", parts[0], err)
	}
	pl = planOf(seed)
	for _, part := range parts[1:] {
		name, number, _ := strings.Cut(part, "=")
		field := reflect.ValueOf(&pl).Elem().FieldByName(name)
		var n int64
		if _, err := fmt.Sscan(number, &n); err != nil || !field.IsValid() {
			return pl, fmt.Errorf("part %q of plan %q is none of a plan: %v", part, text, err)
		}
		field.SetInt(n)
	}
	return pl, nil
}

// shrink looks for the smallest plan that fails too: it takes from each part what it can.
func (pl plan) shrink(fails func(plan) bool) plan {
	for smaller := true; smaller; {
		smaller = false
		for i := 1; i < reflect.TypeFor[plan]().NumField(); i++ {
			for _, less := range []func(int64) int64{func(int64) int64 { return 0 }, func(n int64) int64 { return n / 2 }, func(n int64) int64 { return n - 1 }} {
				try := pl
				field := reflect.ValueOf(&try).Elem().Field(i)
				n := field.Int()
				if field.SetInt(less(n)); less(n) < 0 || less(n) == n || try.Flows+try.API == 0 || try.Batch == 0 || try.Items == 0 || !fails(try) {
					continue
				}
				pl, smaller = try, true
				break
			}
		}
	}
	return pl
}

func TestPlanText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"7", "7,Items=99,Faults=0"} {
		if pl, err := parsePlan(text); err != nil || pl.String() != text {
			t.Errorf("%q became %q, %v", text, pl, err)
		}
	}
	if _, err := parsePlan("7,Nonsense=1"); err == nil {
		t.Error("a part that there is not was taken")
	}
	small := plan{Seed: 7, Flows: 7, Batch: 4, Items: 8, Faults: 3, Acts: 2}.shrink(func(pl plan) bool { return pl.Items >= 3 && pl.Faults >= 1 })
	if small != (plan{Seed: 7, Flows: 1, Batch: 1, Items: 3, Faults: 1}) {
		t.Errorf("shrunk to %+v", small)
	}
}
