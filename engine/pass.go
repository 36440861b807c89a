package engine

import (
	"fmt"
	"sync"

	"headgate/engine/record"
)

// pass is what is remembered of one reading of a whole source, while it goes on. It
// is kept between runs that were interrupted between batches, and never on disk:
// absence is judged only where one process saw the whole pass, from its beginning to
// its end, without an error.
type pass struct {
	number  uint64
	seen    bitmap // entries met unchanged
	present bitmap // entries whose records were read
	rows    int64  // read
	going   bool   // its first part was begun
	unread  string // why the reader did not see everything, or ""
	unnamed string // why the decider cannot tell what it saw, or ""
}

// blind says why absence is not judged, or "".
func (p *pass) blind() string {
	switch {
	case p.unread != "":
		return p.unread
	case p.unnamed != "":
		return p.unnamed
	}
	return ""
}

// empty reports whether the whole source was read and has nothing: an export that went
// wrong looks like that, and all was deleted there almost never.
func (p *pass) empty() bool { return p.blind() == "" && p.rows == 0 }

// beginPass starts a pass, or goes on with the one that did not reach its end.
func (r *run) beginPass() error {
	restored := r.restored()
	next := r.header.Pass == 0 || r.header.Ended || !restored.IsZero()
	if next {
		r.header.Pass++
	}
	r.header.Ended = false
	r.pass = r.engine.passes.take(r.ledgerName(), r.header.Pass, next)
	if r.limit > 0 || r.keys != nil || r.fromStart {
		r.pass.unread = "only some of it was read"
	}
	if !restored.IsZero() {
		return r.sweepRestored(restored)
	}
	if next && r.sweepDue() {
		return r.beginSweep()
	}
	return nil
}

func (r *run) ledgerName() string { return LedgerName(r.flow.Name, r.flow.Mode) }

// sweepDue reports whether the whole source is to be read and compared again.
func (r *run) sweepDue() bool {
	return r.flow.Sweep > 0 && r.now().Sub(r.header.SweptAt) >= r.flow.Sweep
}

// beginSweep has every part read again from its beginning. A crash before it is
// settled leaves parts that are read again, and a sweep that is still due.
func (r *run) beginSweep() error {
	positions, err := r.ledger.Positions()
	if err != nil {
		return fmt.Errorf("read the positions of flow %s: %w", r.flow.Name, err)
	}
	for part, at := range positions {
		if at == "" {
			continue
		}
		if err := r.ledger.SetPosition(part, "", "sweep"); err != nil {
			return fmt.Errorf("begin a sweep of flow %s: %w: %w", r.flow.Name, ErrStateUncertain, err)
		}
	}
	after, err := r.ledger.Header()
	if err != nil {
		return fmt.Errorf("read the ledger of flow %s: %w", r.flow.Name, err)
	}
	r.header.Journal, r.header.Sweeping = after.Journal, true
	header := r.header
	if err := r.commit(&Settlement{Header: &header, Intent: r.unknown}); err != nil {
		return err
	}
	if r.observer == nil && len(positions) > 0 { // the first pass reads everything anyway
		r.log.Info("sweep: the whole source is read and compared again")
	}
	return nil
}

// wholeParts notes why the parts that are read are not the whole of what was ever
// read: absence then means nothing. A file that is gone says nothing about its records.
func (rd *reader) wholeParts(parts []string) error {
	if rd.flow.From.Cursor != "" && !rd.header.Sweeping {
		rd.pass.unread = "only changes were read"
		return nil
	}
	positions, err := rd.ledger.Positions()
	if err != nil {
		return fmt.Errorf("read the positions of flow %s: %w", rd.flow.Name, err)
	}
	listed := make(map[string]bool, len(parts))
	for _, name := range parts {
		listed[name] = true
		if name != "" && !rd.header.Sweeping {
			rd.pass.unread = "only new files were read"
		}
	}
	for name := range positions {
		if !listed[name] {
			rd.pass.unread = "a part that was read before is not there"
		}
	}
	return nil
}

// met notes what the source has: every record that was read, whatever became of it.
func (d *decider) met(b *batch) {
	if b.again || b.unit {
		return
	}
	d.pass.rows += int64(len(b.items))
	for i := range b.items {
		it := &b.items[i]
		if it.key[0] != keyedSpace {
			d.pass.unnamed = "a row without a usable key was read"
		} else if it.entry.Number > 0 {
			d.pass.present.set(it.entry.Number)
		}
	}
}

// passStore holds the passes that did not reach their end, by ledger.
type passStore struct {
	mu   sync.Mutex
	open map[string]*pass
}

// take returns the pass to go on with. One that another process began is not known
// to have seen everything.
func (p *passStore) take(ledger string, number uint64, fresh bool) *pass {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.open[ledger]
	delete(p.open, ledger)
	switch {
	case fresh:
		return &pass{number: number}
	case known != nil && known.number == number:
		return known
	}
	return &pass{number: number, unread: "it began in a process that has ended"}
}

// keep keeps a pass that was interrupted between batches.
func (p *passStore) keep(ledger string, unfinished *pass) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = make(map[string]*pass)
	}
	p.open[ledger] = unfinished
}

// keepPass keeps what the run saw of a pass that has not ended, unless an error or a
// guard ended the run.
func (r *run) keepPass(err error) {
	if r.pass != nil && r.chosen == nil && err == nil && r.header.Paused == "" && !r.header.Ended {
		r.engine.passes.keep(r.ledgerName(), r.pass)
	}
}

// goneKey returns the key of an entry whose record is not in the source any more.
func (d *decider) goneKey(e *KeyEntry) (record.Key, bool) {
	gone := e.Key != "" && e.Key[0] == keyedSpace && e.Entry.Delivered && e.Entry.Outcome != InDoubt &&
		e.Entry.Pass != d.header.Pass && !d.pass.present.has(e.Entry.Number)
	return e.Key, gone
}
