package wire

import (
	"math/rand/v2"
	"time"
)

// Fault is one way in which a connection goes wrong.
type Fault uint8

// The faults.
const (
	None         Fault = iota
	Slow               // each piece is held back for Fate.Delay
	Reset              // reset for both ends in mid-question
	CutAnswer          // closed for both ends in mid-answer
	LoseQuestion       // a black hole that begins in mid-question: neither end hears anything any more
	LoseAnswer         // a black hole that begins in mid-answer: the server has done what it was asked
	faults             // how many there are
)

var faultNames = [faults]string{"none", "slow", "reset", "cut-answer", "lose-question", "lose-answer"}

// String returns the name of f.
func (f Fault) String() string { return faultNames[f] }

// inQuestion reports whether f counts the bytes of questions, not those of answers.
func (f Fault) inQuestion() bool { return f == Reset || f == LoseQuestion }

// Fate is what becomes of one connection. Its zero value lets everything pass.
type Fate struct {
	Fault Fault
	After int64         // how many bytes of questions, or of answers, pass before it
	Delay time.Duration // of Slow
}

// maxAfter is the exponent of two that ends the bytes a seeded fate lets pass.
const maxAfter = 16

// Seeded lets so many connections go wrong, each in one of all the ways and after up
// to 64 KiB, early as often as late; those behind them are well. The n-th connection
// has the same fate with the same seed.
func Seeded(seed uint64, wrong int64) func(n int64) Fate {
	return func(n int64) Fate {
		if n > wrong {
			return Fate{}
		}
		dice := rand.New(rand.NewPCG(seed, uint64(n)))
		return Fate{
			Fault: Slow + Fault(dice.IntN(int(faults-Slow))),
			After: 1 + dice.Int64N(1<<dice.IntN(maxAfter+1)),
			Delay: time.Duration(1+dice.IntN(10)) * time.Millisecond,
		}
	}
}
