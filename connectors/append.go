package connectors

import (
	"fmt"
	"strings"

	"headgate/engine/record"
)

// AppendOnly is implemented by resource settings whose records may be added only. Each
// is added once: every change carries headgate's reference of its record, and what is
// there under that reference is Same, or Refused where it is known to be other content.
type AppendOnly interface{ AppendOnly() bool }

// IsAppendOnly reports whether records of a resource with such settings are added only.
func IsAppendOnly(settings any) bool {
	a, ok := settings.(AppendOnly)
	return ok && a.AppendOnly()
}

// CodeAppendOnly is the code of a record that has changed since it was added.
const CodeAppendOnly = "append_only"

// ReferenceTable is the table, beside a table without a column for headgate's reference,
// that lists the records added to it; ReferenceColumns are its columns: the table that
// was added to, the reference, and the digest of what was added (ContentOf).
const (
	ReferenceTable   = "headgate_reference"
	ReferenceColumns = "added_to text NOT NULL, reference text NOT NULL, content text NOT NULL, PRIMARY KEY (added_to, reference)"
)

// Presence says whether a record that is to be added was added before.
type Presence uint8

// The presences.
const (
	New          Presence = iota
	Present               // with no other content, as far as is known
	PresentOther          // with other content
	Nameless              // it cannot be told: its column for the reference is empty
)

// AddOnce applies changes to what is only added to: before says what is there of each,
// and add adds what is not.
func AddOnce(lot Lot, receipts []Receipt, before []Presence, add func(Lot, []Receipt) error) error {
	var fresh Lot
	var at []int
	adding := make(map[string]bool)
	for i, c := range lot.Changes {
		switch {
		case before[i] != New:
			receipts[i] = notAdded(before[i])
		case adding[c.Reference]:
			receipts[i] = Receipt{Status: Refused, Code: CodeAppendOnly, Words: "another record has its reference"}
		default:
			adding[c.Reference] = true
			fresh.Changes, at = append(fresh.Changes, c), append(at, i)
		}
	}
	added := make([]Receipt, len(at))
	err := add(fresh, added)
	for k, i := range at {
		receipts[i] = added[k]
	}
	return err
}

// notAdded is the answer to a change that is not new.
func notAdded(p Presence) Receipt {
	switch p {
	case Present:
		return Receipt{Status: Same}
	case Nameless:
		return Receipt{Status: Refused, Code: CodeAppendOnly, Words: "its column for the reference is empty: nothing would tell that it was added"}
	}
	return Receipt{Status: Refused, Code: CodeAppendOnly, Words: "it was added before, with other content"}
}

// ReferenceValue is what a change writes to the column for the reference; missing: nothing.
func (r *Resource) ReferenceValue(c *Change) record.Value {
	for i, w := range r.Write {
		if w.Name == r.Reference {
			return c.Values[i]
		}
	}
	return record.Value{}
}

// CheckAppend reports a change that a table to which is only added cannot take: the
// engine sends none.
func CheckAppend(c *Change) error {
	if c.Op != Create || c.Reference == "" {
		return fmt.Errorf("cannot %s a record of reference %q where records are added only", c.Op, c.Reference)
	}
	return nil
}

// IsContent reports whether the i-th column of Write tells what the record is. What a
// look-up, a constant or a clock fills may differ each time the same record is sent, and
// what the destination owns is its own.
func (r *Resource) IsContent(i int) bool { return r.Content == nil || r.Content[i] }

// ContentOf digests what is added, for who keeps it beside the reference: the names of
// the columns that are content, and their values.
func (r *Resource) ContentOf(c *Change) string {
	var names, values []byte
	for i, v := range c.Values {
		if r.IsContent(i) && !v.IsAbsent() {
			names = append(append(names, r.Write[i].Name...), 0)
			values = v.AppendCanonical(values)
		}
	}
	columnsOf, content := record.FingerprintOf(names), record.FingerprintOf(values)
	return fmt.Sprintf("%x:%x", columnsOf[:4], content[:8]) // short: each record of the table has one
}

// CompareContent compares the content a record was added with and what it has now:
// contents of other columns are not known to differ.
func CompareContent(there, added string) Presence {
	columns, _, _ := strings.Cut(there, ":")
	others, _, _ := strings.Cut(added, ":")
	if there == added || columns != others {
		return Present
	}
	return PresentOther
}
