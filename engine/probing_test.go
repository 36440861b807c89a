package engine

import (
	"errors"
	"testing"
	"time"

	"headgate/rules"
)

// probed is a system that was found down at an effect of the flow "a", and whose rest
// is over.
func probed(t *testing.T) (s *system, a, b *run, now time.Time) {
	t.Helper()
	now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s = &system{name: "erp", attempts: 2, quiet: new(quiet)}
	a, b = &run{flow: &rules.Flow{Name: "a"}}, &run{flow: &rules.Flow{Name: "b"}}
	for want := range 2 {
		if changed := s.answered(&asking{run: a, effect: true}, errors.New("reset"), now, whole); changed != change(want) {
			t.Fatalf("failure %d: %d", want+1, changed)
		}
	}
	if s.admit(a, true, now.Add(firstRest-1)).alone == nil {
		t.Fatal("it is left alone until its rest is over")
	}
	return s, a, b, now.Add(firstRest)
}

func whole(d time.Duration) time.Duration { return d }

// TestProbeIsOneEffect: of all runs one probes a system, with one effect at a time;
// what it only asks is no proof, and the first effect that is taken lets all in.
func TestProbeIsOneEffect(t *testing.T) {
	t.Parallel()
	s, a, b, now := probed(t)
	if may := s.admit(a, true, now); may != (admission{}) {
		t.Fatalf("the first to come probes it: %+v", may)
	}
	if may := s.admit(b, false, now); may.alone == nil || !may.alone.Probing {
		t.Errorf("another run: %+v", may)
	}
	if may := s.admit(a, false, now); may != (admission{}) {
		t.Errorf("what the effect itself asks: %+v", may)
	}
	second := s.admit(a, true, now)
	if second.busy == nil {
		t.Fatalf("another effect of the run: %+v", second)
	}
	if s.answered(&asking{run: a, effect: false}, nil, now, whole) != nothing || s.alone() == nil {
		t.Error("an answer to a question shows that effects are taken")
	}
	if s.answered(&asking{run: a, effect: true}, nil, now, whole) != isWell || s.alone() != nil {
		t.Error("an effect that is taken shows nothing")
	}
	<-second.busy
	if may := s.admit(b, true, now); may != (admission{}) {
		t.Errorf("all are let in: %+v", may)
	}
}

// TestProbeFails: a probe that fails lets go of who waits for it, and the rest is longer.
func TestProbeFails(t *testing.T) {
	t.Parallel()
	s, a, b, now := probed(t)
	s.admit(a, true, now)
	second := s.admit(a, true, now)
	if s.answered(&asking{run: a, effect: true}, errors.New("reset"), now, whole) != nothing {
		t.Error("that it is still down is told again")
	}
	<-second.busy
	if s.admit(b, true, now.Add(2*firstRest-1)).alone == nil {
		t.Error("it is asked before twice the rest is over")
	}
	if s.admit(b, true, now.Add(2*firstRest)).alone != nil {
		t.Error("it is left alone for longer than twice the rest")
	}
}

// TestProbeEnds: a run that had nothing to write does not show that a system is well
// that fails at effects, unless it is the flow that failed: what it failed at is gone.
func TestProbeEnds(t *testing.T) {
	t.Parallel()
	s, a, b, now := probed(t)
	s.admit(b, false, now)
	if s.release(b, true) != nothing || s.alone() == nil {
		t.Error("another flow had nothing to write, and the system is well")
	}
	s.admit(a, false, now)
	if s.release(a, false) != nothing || s.alone() == nil {
		t.Error("the run ended with an error, and the system is well")
	}
	s.admit(a, false, now)
	if s.release(a, true) != isWell || s.alone() != nil {
		t.Error("what failed is gone, and the system is not well")
	}
}

// TestOneHiccupOfMany: what fails of several questions that are asked at the same time
// counts once: a system is left alone when one of them has failed as often as its
// attempts say, or others have, one behind the other in time.
func TestOneHiccupOfMany(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	reset := errors.New("reset")
	open := func() (*system, []*asking) {
		s := &system{name: "erp", attempts: 3, backoff: time.Second, quiet: new(quiet)}
		r := &run{flow: &rules.Flow{Name: "a"}}
		questions := make([]*asking, 8)
		for i := range questions {
			questions[i] = &asking{run: r, effect: true}
		}
		return s, questions
	}
	t.Run("again and again", func(t *testing.T) {
		s, questions := open()
		for round := range 3 {
			for i, q := range questions {
				changed := s.answered(q, reset, now.Add(time.Duration(round)*100*time.Millisecond), whole)
				if (changed == wentDown) != (round == 2 && i == 0) {
					t.Errorf("failure %d of question %d: %d", round+1, i, changed)
				}
			}
		}
	})
	t.Run("well between", func(t *testing.T) {
		s, questions := open()
		for range 3 {
			for _, q := range questions[1:] {
				if s.answered(q, reset, now, whole) != nothing {
					t.Error("it is left alone, though it answers between")
				}
			}
			s.answered(questions[0], nil, now, whole)
		}
	})
	t.Run("one behind the other", func(t *testing.T) {
		s, questions := open()
		for i, q := range questions[:3] {
			if changed := s.answered(q, reset, now.Add(time.Duration(i)*time.Second), whole); (changed == wentDown) != (i == 2) {
				t.Errorf("failure %d: %d", i+1, changed)
			}
		}
	})
}
