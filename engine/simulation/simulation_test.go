package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/engine"
)

// simulation is one run of one plan.
type simulation struct {
	plan
	world     *world
	random    *rand.Rand
	mu        sync.Mutex
	calm      bool // nothing fails or happens any more
	telling   bool
	storyMu   sync.Mutex
	story     []string
	summaries []engine.Summary
	left      plan          // what may still happen
	behind    time.Duration // our clock
	paused    time.Duration // passed between processes
	sleeps    atomic.Int64
	strike    *strike // what fails, and nothing else does; nil: it is drawn
	steps     int
	calmed    int // processes since nothing fails any more
}

// run runs a plan in a bubble of its own and returns what was wrong, and the story.
func (pl plan) run(t *testing.T, telling bool) (problems, story string) {
	return pl.struck(t, telling, nil)
}

// struck runs a plan in which one call fails, and else only what the plan says.
func (pl plan) struck(t *testing.T, telling bool, k *strike) (problems, story string) {
	synctest.Test(t, func(*testing.T) {
		s := &simulation{plan: pl, left: pl, telling: telling, strike: k, random: rand.New(rand.NewPCG(pl.Seed, 1)), world: newWorld(pl)}
		s.all()
		problems, story = s.world.text(), strings.Join(s.story, "\n")
	})
	return problems, story
}

// all lives through crashes until everything has come to rest, and judges that.
func (s *simulation) all() {
	for n := range s.Items {
		s.world.sell(n)
		s.world.stock(n)
	}
	for life := range s.Lives {
		s.note("process %d", life+1)
		s.life(2)
		for n := range s.Items { // much happens until somebody starts it anew
			if s.left.Changes > 0 && s.random.IntN(2) == 0 {
				s.world.sell(n)
				s.note("the shop sells version %d of %s", s.world.model.last, sku(n))
			}
		}
		s.pause()
	}
	s.calm = true
	s.note("nothing fails any more")
	const most = 8
	for quiet := 0; quiet < 2; { // the first may only end a pass that was begun before
		if s.calmed++; s.calmed > most {
			s.world.problem("it does not come to rest: %s", s.restless())
			break
		}
		s.life(1)
		if quiet++; s.restless() != "" {
			quiet = 0
		}
	}
	s.note("the ERP has %v", s.world.erp.Rows())
	s.world.judge()
}

// pause lets time pass until somebody starts it anew, or the clock be set back.
func (s *simulation) pause() {
	if s.left.Pauses == 0 {
		return
	}
	s.left.Pauses--
	if s.random.IntN(4) == 0 {
		s.behind += 1000 * time.Hour
		s.world.api.over = true
		s.note("the clock is set back")
		return
	}
	d := []time.Duration{time.Minute, 40 * time.Minute, 50 * time.Minute}[s.random.IntN(3)]
	s.paused += d
	s.world.api.over = s.world.api.over || s.paused > 41*time.Minute // a message is announced, and may have been sent, before all of them
	s.note("%s pass", d)
	time.Sleep(d)
}

// life is one process: it runs the flows some times, unless it dies before.
func (s *simulation) life(runs int) {
	p := s.start()
	defer p.end()
	for range runs {
		p.run()
		p.live()
		if p.dead || p.broken {
			return
		}
	}
}

// restless says what the last run still had to do, "" when nothing.
func (s *simulation) restless() string {
	for _, f := range s.summaries {
		if f.Err != nil {
			return f.Err.Error()
		}
		if f.Paused != "" {
			return f.Paused
		}
		if n := f.Counts[engine.Created] + f.Counts[engine.Updated]; n > 0 {
			return fmt.Sprintf("%s still writes %d records", f.Flow, n)
		}
	}
	if len(s.summaries) == 0 {
		return "nothing ran"
	}
	return ""
}

// fateOf draws what becomes of a call.
func (s *simulation) fateOf(op string) fate {
	s.steps++
	switch {
	case s.calm:
		return made
	case s.strike != nil:
		return s.strike.fateOf(op)
	}
	rate := 40 // one call in so many
	send := strings.HasPrefix(op, "api.send")
	if send || strings.HasSuffix(op, "apply") || strings.HasSuffix(op, "settle") {
		rate = 12 // what is half done is found there
	}
	if s.left.Crashes > 0 && s.random.IntN(rate) == 0 {
		s.left.Crashes--
		return []fate{killed, undone}[s.random.IntN(2)]
	}
	if s.left.Faults > 0 && s.random.IntN(rate/2) == 0 {
		s.left.Faults--
		if send {
			fates := s.world.api.faults()
			return fates[s.random.IntN(len(fates))]
		}
		return []fate{failed, lost}[s.random.IntN(2)]
	}
	return made
}

// happen lets the world go on beside the engine.
func (p *process) happen() {
	s := p.simulation
	if s.calm {
		return
	}
	const rate = 12
	if s.random.IntN(rate) == 0 {
		s.change(s.random.IntN(2))
	}
	if s.left.Acts > 0 && s.random.IntN(rate) == 0 {
		s.left.Acts--
		p.act()
	}
	if s.left.Reloads > 0 && s.random.IntN(rate) == 0 {
		s.left.Reloads--
		s.world.setting.size = 1 + s.random.IntN(4)
		if s.API > 0 && s.random.IntN(2) == 0 {
			s.world.setting.remapped, s.world.api.remapped = !s.world.setting.remapped, true
		}
		s.note("reload: batches of %d, the API is told of less: %t", s.world.setting.size, s.world.setting.remapped)
		p.engine.Apply(s.world.ruleset(), s.random.IntN(2) == 0)
	}
}

// change lets the systems change some records, as long as the plan has changes left.
func (s *simulation) change(times int) {
	for ; times >= 0 && s.left.Changes > 0; times-- {
		s.left.Changes--
		n := s.random.IntN(s.Items + 1) // one more than there are: items that come late
		switch s.random.IntN(6) {
		case 0:
			s.world.stock(n)
			s.note("the depot counts %d of %s", s.world.model.counts[sku(n)], sku(n))
		case 1:
			s.world.remark(s.random)
		default:
			s.world.sell(n)
			s.note("the shop sells version %d of %s", s.world.model.last, sku(n))
		}
	}
}
