package engine

import "fmt"

// Outcome is what became of a record. The zero value is none yet.
type Outcome uint8

// The outcomes. Rejected, Held and InDoubt are open: they wait for a person.
const (
	NoOutcome  Outcome = iota
	Created            // the destination has it now
	Updated            // the destination was changed
	Deleted            // the destination was told that it is gone
	Unchanged          // settled before with the same content, or equal in the destination
	Skipped            // the filter or the flow does not want it
	Duplicate          // an identical copy came before in the same pass
	Superseded         // a newer version is known
	Rejected           // a rule, its mapping or the destination refused it
	Held               // it waits: for a lookup, an approval, a person
	InDoubt            // nobody can tell whether the destination has it
	outcomes           // how many there are
)

var outcomeNames = [outcomes]string{"none", "created", "updated", "deleted", "unchanged", "skipped", "duplicate", "superseded", "rejected", "held", "in_doubt"}

// String returns the word of the vocabulary.
func (o Outcome) String() string { return outcomeNames[o] }

// Open reports whether o waits for a person.
func (o Outcome) Open() bool { return o >= Rejected && o <= InDoubt }

// MarshalText returns the word of the vocabulary.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word of the vocabulary.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if name == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("no outcome is called %q", text)
}

// Outcomes returns all outcomes in the order of the vocabulary.
func Outcomes() []Outcome {
	all := make([]Outcome, 0, outcomes-1)
	for o := Created; o < outcomes; o++ {
		all = append(all, o)
	}
	return all
}

// Counts is how many records had each outcome.
type Counts [outcomes]int64

// Sum returns how many records were counted.
func (c *Counts) Sum() (sum int64) {
	for _, n := range c {
		sum += n
	}
	return sum
}

// Add adds the counts of other.
func (c *Counts) Add(other *Counts) {
	for i, n := range other {
		c[i] += n
	}
}
