package engine

import (
	"fmt"

	"headgate/engine/record"
)

// verifyPage is how much of a ledger is looked at at a time.
const verifyPage = 1000

// Report is what verifying one ledger found.
type Report struct {
	Ledger     string   `json:"ledger"`
	Batches    int64    `json:"batches"`
	Read       int64    `json:"read"`
	Entries    int64    `json:"entries"`
	Open       int64    `json:"open"`
	Unsettled  int64    `json:"unsettled,omitempty"` // messages without a settled answer
	Violations []string `json:"violations,omitempty"`
	Notes      []string `json:"notes,omitempty"`
}

// Verify audits one ledger (promise 1): in each journal row, rows read are the sum
// of its outcomes; the intervals of a part follow each other without a gap; totals
// equal the counters; entries name journal rows there are; open records are the
// entries whose outcome is open; no key is in two messages that are kept. exceptions, when not nil, are the ids of the
// exceptions of this flow that the log tells of, true where no line closes them.
func Verify(name string, l Ledger, exceptions map[string]bool) (*Report, error) {
	v := &verifier{Report: Report{Ledger: name}, ledger: l, positions: make(map[string]record.Position)}
	var err error
	if v.header, err = l.Header(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{v.journal, v.ends, v.entries, func() error { return v.opens(exceptions) }, v.sends} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("verify %s: %w", name, err)
		}
	}
	return &v.Report, nil
}

type verifier struct {
	Report
	ledger      Ledger
	header      Header
	counts      Counts
	positions   map[string]record.Position
	openEntries int64
}

func (v *verifier) violate(format string, args ...any) {
	const most = 100 // more of them say nothing new
	if len(v.Violations) < most {
		v.Violations = append(v.Violations, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) journal() error {
	base, err := v.ledger.Base()
	if err != nil {
		return err
	}
	v.Batches, v.Read, v.counts = base.Batches, base.Read, base.Counts
	if base.Positions != nil {
		v.positions = base.Positions
	}
	for after := base.Row; ; {
		rows, err := v.ledger.Journal(after, verifyPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			v.journalRow(&rows[i], after)
			after = rows[i].Number
		}
	}
}

func (v *verifier) journalRow(row *JournalRow, before uint64) {
	if row.Number != before+1 {
		v.violate("journal row %d follows row %d: batches between them are missing", row.Number, before)
	}
	if sum := row.Counts.Sum(); sum != row.Read {
		v.violate("journal row %d: %d rows read and %d outcomes", row.Number, row.Read, sum)
	}
	v.Batches += max(row.Batches, 1)
	v.Read += row.Read
	v.counts.Add(&row.Counts)
	if row.Again {
		return
	}
	if at := v.positions[row.Part]; at != row.From {
		v.violate("journal row %d begins at %q of part %q, and the batch before ended at %q", row.Number, row.From, row.Part, at)
	}
	v.positions[row.Part] = row.To
}

// ends compares totals and last positions with what the ledger keeps.
func (v *verifier) ends() error {
	if v.header.Read != v.Read {
		v.violate("the counter says %d rows read, the journal %d", v.header.Read, v.Read)
	}
	if v.header.Counts != v.counts {
		v.violate("the counters of outcomes are not the sums of the journal")
	}
	positions, err := v.ledger.Positions()
	if err != nil {
		return err
	}
	for part, at := range positions {
		if v.positions[part] != at {
			v.violate("part %q stands at %q, and its last batch ended at %q", part, at, v.positions[part])
		}
	}
	return nil
}

func (v *verifier) entries() error {
	for after := record.Key(""); ; {
		page, err := v.ledger.Entries(after, verifyPage)
		if err != nil {
			return err
		}
		for i := range page {
			e := page[i].Entry
			v.Entries++
			if e.Outcome.Open() {
				v.openEntries++
			}
			if e.Journal == 0 || e.Journal > v.header.Journal {
				v.violate("the entry of key %q names journal row %d, which is not there", page[i].Key, e.Journal)
			}
			after = page[i].Key
		}
		if len(page) == 0 {
			break
		}
	}
	if v.Entries != v.header.Known {
		v.violate("the counter says %d keys known, there are %d", v.header.Known, v.Entries)
	}
	return nil
}

func (v *verifier) opens(exceptions map[string]bool) error {
	closed := 0
	for after := record.Key(""); ; {
		page, err := v.ledger.Opens(after, verifyPage)
		if err != nil {
			return err
		}
		for i := range page {
			v.Open++
			after = page[i].Key
			if doubt := page[i].Doubt; doubt != nil && (page[i].Outcome != InDoubt || len(doubt.Changes) != 1 || doubt.Key() != after) {
				v.violate("record %q waits with what was sent of another", after)
			}
			open, told := exceptions[page[i].Exception]
			switch {
			case exceptions != nil && !told:
				v.violate("record %q waits, and its exception %s is not in the log", page[i].Key, page[i].Exception)
			case told && !open:
				closed++
			}
			delete(exceptions, page[i].Exception)
		}
		if len(page) == 0 {
			break
		}
	}
	if v.Open != v.openEntries {
		v.violate("%d records wait, and %d entries say so", v.Open, v.openEntries)
	}
	v.unconfirmed(len(exceptions), "opened")
	v.unconfirmed(closed, "closed")
	return nil
}

// sends looks at the messages that have no settled answer.
func (v *verifier) sends() error {
	seen := make(map[record.Key]bool)
	for s, err := range allSends(v.ledger) {
		if err != nil {
			return err
		}
		v.Unsettled++
		for i := range s.Changes {
			if key := s.Changes[i].Key; seen[key] {
				v.violate("two messages carry key %q", key)
			} else {
				seen[key] = true
			}
		}
	}
	if v.Unsettled > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%d messages have no settled answer: the next run resolves them", v.Unsettled))
	}
	return nil
}

// unconfirmed notes lines of the exception log that a crash kept from the state. They
// say nothing: the state decides what waits.
func (v *verifier) unconfirmed(n int, what string) {
	if n > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%d exceptions were %s in the log just before a crash, and that was not confirmed", n, what))
	}
}
