package engine

import (
	"fmt"
	"slices"
	"time"
)

// windowSlots is how finely a window forgets: by so many parts of its length.
const windowSlots = 60

// window counts outcomes of the time just past. The journal says when each batch
// was settled, so a window needs no memory of its own and outlives the process.
type window struct {
	per   time.Duration
	slots []slot // oldest first
}

// slot is a part of a window that is forgotten as one.
type slot struct {
	last   time.Time // the latest that was counted in it
	began  time.Time
	counts Counts
}

// readWindow counts what the journal has of the time just past, from its end.
func readWindow(l Ledger, journal uint64, per time.Duration, floor, now time.Time) (*window, error) {
	w := &window{per: per}
	from := now.Add(1 - per)
	if floor.After(from) {
		from = floor
	}
	var pages [][]JournalRow
	for end := journal; end > 0; {
		after := end - min(end, verifyPage)
		rows, err := l.Journal(after, int(end-after))
		if err != nil {
			return w, fmt.Errorf("read the journal: %w", err)
		}
		rows = slices.DeleteFunc(rows, func(row JournalRow) bool { return row.Number > end }) // the first rows were dropped
		pages = append(pages, rows)
		if len(rows) == 0 || rows[0].Time.Before(from) {
			break
		}
		end = after
	}
	for i := len(pages) - 1; i >= 0; i-- {
		for k := range pages[i] {
			if row := &pages[i][k]; !row.Time.Before(from) {
				w.add(row.Time, &row.Counts)
			}
		}
	}
	return w, nil
}

func (w *window) add(at time.Time, counts *Counts) {
	if w == nil {
		return
	}
	if n := len(w.slots); n == 0 || at.Sub(w.slots[n-1].began) > w.per/windowSlots {
		w.slots = append(w.slots, slot{began: at})
	}
	s := &w.slots[len(w.slots)-1]
	s.last = at
	s.counts.Add(counts)
}

// slide forgets what is older than the window, and takes it off the sum.
func (w *window) slide(now time.Time, sum *Counts) {
	if w == nil {
		return
	}
	gone := 0
	for gone < len(w.slots) && now.Sub(w.slots[gone].last) >= w.per {
		for o, n := range w.slots[gone].counts {
			sum[o] -= n
		}
		gone++
	}
	w.slots = w.slots[gone:]
}

func (w *window) sum() (sum Counts) {
	for i := range w.slots {
		sum.Add(&w.slots[i].counts)
	}
	return sum
}
