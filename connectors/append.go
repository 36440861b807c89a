package connectors

import (
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"

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
// was added to, the reference, and a digest of what was added (ContentOf).
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

// AddedBefore is a destination to which records are only added that can tell, without
// writing anything, which were: one presence a change. Its probe looks for the columns.
type AddedBefore interface {
	Prober
	Added(ctx context.Context, changes []Change) ([]Presence, error)
}

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
			receipts[i] = Receipt{Status: Refused, Code: "unique", Words: "another record has its reference"}
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
		return Receipt{Status: Refused, Code: "not_null", Words: "its column for the reference is empty: nothing would tell that it was added"}
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

// contentBytes is the length of the two digests, of the name of a column and of its value,
// that a content has for each column: each record of the table has them.
const contentBytes = 3

// ContentOf digests what is added, for who keeps it beside the reference: of each column
// that is content the name and the value.
func (r *Resource) ContentOf(c *Change) string {
	var content, canonical []byte
	for i, v := range c.Values {
		if !r.IsContent(i) || v.IsAbsent() {
			continue
		}
		canonical = v.AppendCanonical(canonical[:0])
		name, value := record.FingerprintOf([]byte(r.Write[i].Name)), record.FingerprintOf(canonical)
		content = append(append(content, name[:contentBytes]...), value[:contentBytes]...)
	}
	return base64.RawStdEncoding.EncodeToString(content)
}

// CompareContent compares the content a record was added with and what it has now, by the
// columns that both have: others say nothing.
func CompareContent(there, added string) Presence {
	if there == added {
		return Present
	}
	before := make(map[string]string)
	for name, value := range digests(there) {
		before[name] = value
	}
	for name, value := range digests(added) {
		if was, ok := before[name]; ok && was != value {
			return PresentOther
		}
	}
	return Present
}

// digests yields the digests of the columns of a content, name and value.
func digests(content string) iter.Seq2[string, string] {
	all, _ := base64.RawStdEncoding.DecodeString(content) // what is no content has none
	return func(yield func(string, string) bool) {
		for x := range slices.Chunk(all, 2*contentBytes) {
			if len(x) == 2*contentBytes && !yield(string(x[:contentBytes]), string(x[contentBytes:])) {
				return
			}
		}
	}
}
