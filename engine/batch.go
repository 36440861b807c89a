package engine

import (
	"slices"
	"sync"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// Ledger keys begin with one of these: what stands behind it.
const (
	keylessSpace = '\x00' // a row without a usable key: the digest of the row
	keyedSpace   = '\x01' // a record: its key
	unitSpace    = '\x02' // a whole part that its unit rules refused: its name
)

// batch is the small lot a flow moves at a time, on its way through the stages.
type batch struct {
	part     connectors.Part
	page     connectors.Page // nil when again, or for a refused unit
	from, to record.Position
	again    bool // open records, judged again
	shared   bool // its slabs belong to more than one batch
	unit     bool // one item: a whole part that was refused
	end      bool // nothing comes behind it in its part
	final    bool // nothing comes behind it in this run: the source has ended
	atLimit  bool // nothing comes behind it in this run: as many records were read as one may
	items    []item
	order    []int32 // items by key, then by place: what a sorted ledger walk needs

	links    []link       // of the items
	examined []record.Key // suspects that it settles, whether they are still there or not
	suspects []Suspects   // records of other flows that do not look as they were delivered
	wake     []*witness   // whose flows are to be told

	records, values, sends []record.Value // the slabs of the items' own slices
	hashes                 []record.Hash

	changes []*item        // what is to be sent, in key order
	intent  *Intent        // of changes, or nil
	parcels []*parcel      // the messages that carry them, where the destination cannot repeat
	sending sync.WaitGroup // parcels that are on their way, or wait for it

	forgotten []Waited // open records that wait as they waited

	vanishing bool // records that the source has no more, at the end of a pass

	gone chan struct{} // closed when nothing more becomes of it; nil: nobody waits for that

	pausing string // the guard's reason: the batch is not settled
	news    []Event
	retold  []Exception // of what waited before: they are no news
	counts  Counts
}

// item is one record of a batch.
type item struct {
	at      int        // in the page
	row     record.Row // as read
	broken  string     // the code of the row's own error, or ""
	where   string     // of an open record: where it was read
	key     record.Key // in the ledger
	record  record.Record
	values  []record.Value // by column of the ownership
	print   record.Fingerprint
	hashes  []record.Hash      // one a column that an update may write
	digest  record.Fingerprint // of the row; only where it was asked for
	id      record.Value       // the source's
	keyless string             // why it has no usable key, or ""
	skip    bool               // the filter does not want it
	verdict rules.Verdict
	reread  bool // judged again because a fact was lacking

	link     *link         // the ids known of the record; nil: its systems give none
	entry    Entry         // what the ledger had
	open     *OpenRecord   // what waits under its key, or nil
	waited   *OpenRecord   // the open record whose kept row this is, or nil: it was read
	look     bool          // the destination is asked even when nothing changed in the source
	gone     bool          // the source has it no more
	refused  bool          // by the destination
	known    bool          // the ledger says the same already
	current  record.Row    // the destination's columns this flow may write, or nil
	held     record.Record // the record as the destination has it, or nil: only where rules need it
	decided  bool
	conflict *conflict // nil: nobody else changed it
	outcome  Outcome
	waits    Outcome // it was stopped before, with this content, and still is: its outcome is unchanged then
	asked    bool    // the destination was asked
	learned  bool    // its entry says more than was settled: what the last process wrote, or columns written since
	unshown  bool    // it may not show yet what it was given: the ledger knows
	op       connectors.Op
	send     []record.Value // what is sent: values without what is equal or not ours
	toID     record.Value
	answer   string      // the destination's words
	sent     *SendIntent // the message that carried its change, or nil
	sentAs   int         // which of its changes
	resent   bool        // by this run
	doubted  *OpenRecord // it waited in doubt, and what became of its message is known
	behind   bool        // an earlier version of it is in doubt
	becomes  *Entry      // once it is applied, where that was worked out before: its record is not at hand
}

// empty reports whether there is nothing to settle: no record, and no position that moves.
func (b *batch) empty() bool {
	return len(b.items) == 0 && len(b.examined) == 0 && (b.again || b.unit || b.from == b.to)
}

// stopped reports whether judging stopped the item.
func (it *item) stopped() bool { return it.verdict.Severity >= rules.Hold }

// rowDigest digests the row as read: the content of a record that was stopped.
func (it *item) rowDigest() record.Fingerprint {
	if it.digest.IsZero() {
		it.digest = brokenDigest(it.row, "", "")
	}
	return it.digest
}

// brokenDigest digests a row that has an error of its own. Its text counts too: two
// broken rows of which no value could be read are not copies of each other.
func brokenDigest(row record.Row, code, raw string) record.Fingerprint {
	var buf []byte
	for _, v := range row {
		buf = v.AppendCanonical(buf)
	}
	buf = append(append(buf, code...), raw...)
	return xxh3.Hash128(buf).Bytes()
}

// content is what makes two items of one key copies of each other.
func (it *item) content() record.Fingerprint {
	if it.stopped() || it.skip {
		return it.rowDigest()
	}
	return it.print
}

// sortItems orders the items by key, and by place within one key.
func (b *batch) sortItems() {
	orderSlabs.put(b.order)
	b.order = orderSlabs.take(len(b.items))
	sorted := true
	for i := range b.items {
		b.order[i] = int32(i)
		sorted = sorted && (i == 0 || b.items[i-1].key <= b.items[i].key)
	}
	if sorted {
		return
	}
	slices.SortFunc(b.order, func(x, y int32) int {
		switch {
		case b.items[x].key < b.items[y].key:
			return -1
		case b.items[x].key > b.items[y].key:
			return 1
		}
		return int(x - y)
	})
}

// group calls f with the items of each key, in key order, each group in the order read.
func (b *batch) group(f func(items []int32)) {
	for start := 0; start < len(b.order); {
		end := start + 1
		for end < len(b.order) && b.items[b.order[end]].key == b.items[b.order[start]].key {
			end++
		}
		f(b.order[start:end])
		start = end
	}
}

// secondVersion returns the place of the first item that is another version of
// an item before it, or len(items): a batch holds one version of a record, so that
// what becomes of a record never depends on where batches end.
func (b *batch) secondVersion() int {
	cut := len(b.items)
	b.group(func(items []int32) {
		for i := 1; i < len(items); i++ {
			if b.items[items[i]].content() != b.items[items[0]].content() {
				cut = min(cut, int(items[i]))
				return
			}
		}
	})
	return cut
}

// keysOverlap reports whether a and b share a key.
func keysOverlap(a, b *batch) bool {
	if len(a.order) == 0 || len(b.order) == 0 || a.lastKey() < b.firstKey() || b.lastKey() < a.firstKey() {
		return false
	}
	for i, j := 0, 0; i < len(a.order) && j < len(b.order); {
		x, y := a.items[a.order[i]].key, b.items[b.order[j]].key
		switch {
		case x == y:
			return true
		case x < y:
			i++
		default:
			j++
		}
	}
	return false
}

// chosen are the items at some places.
func (b *batch) chosen(places []int32) []*item {
	items := make([]*item, len(places))
	for k, i := range places {
		items[k] = &b.items[i]
	}
	return items
}

func (b *batch) firstKey() record.Key { return b.items[b.order[0]].key }
func (b *batch) lastKey() record.Key  { return b.items[b.order[len(b.order)-1]].key }
