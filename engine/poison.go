package engine

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// A record whose handling kills the process would kill every process that comes
// after it. So a run notes that it goes on, which costs no fsync: what a process
// wrote outlives that process. Where one crashed in a run, the next one handles what
// may have been on its way then one by one, noting each, and of all flows only one
// at a time; where that crashes too, the record it was handling is held.

// codePoison is the code of records that are held because handling them kills.
const codePoison = "poison"

// poisonStarts is how many processes have to crash before one record is to blame.
const poisonStarts = 2

// Notes keep what a process handles for the process that comes after it.
type Notes interface {
	// Crashed reports whether the process before this one died of itself.
	Crashed() bool
	// Read returns the note of a ledger, if there is one.
	Read(ledger string) (note Note, found bool)
	Write(ledger string, note Note) error
	Clear(ledger string) error
	// Quiet returns until when a system asked to be left alone, and KeepQuiet keeps
	// that: also the next process asks nothing before.
	Quiet(system string) time.Time
	KeepQuiet(system string, until time.Time) error
}

// Note is what is known of a run that goes on, or went on when its process died.
type Note struct {
	Crashes int                // processes that crashed in a run of this flow, one behind the other
	Step    step               `json:",omitempty"` // what was being done, where that is noted
	Where   string             `json:",omitempty"` // part and position, for people
	Row     record.Fingerprint // of the row that was being handled; zero: no row
}

// step is what a careful run is doing.
type step string

const (
	stepUnknown step = ""
	stepList    step = "list"    // the parts of the source are listed
	stepRead    step = "read"    // rows are read
	stepUnit    step = "unit"    // a whole part is judged
	stepJudge   step = "judge"   // a row is mapped and judged
	stepDeliver step = "deliver" // a record is compared and written
	stepEnd     step = "end"     // the pass is ended
)

// care is how carefully a run goes on after a crash.
type care struct {
	note   Note
	left   int                         // records still to be handled one by one; -1: all
	held   bool                        // this run has the turn to handle a record
	dying  atomic.Int32                // stages that began and did not end: they panic
	poison map[record.Fingerprint]bool // rows that are held, by digest: true where they must not even be mapped
}

// careful reports whether what comes next is handled one by one.
func (c *care) careful() bool { return c.left != 0 }

// beginCare notes that a run goes on, and finds out how it has to.
func (r *run) beginCare() error {
	notes := r.engine.Notes
	if notes == nil || r.observer != nil {
		return r.knowPoison() // a plan does not handle it either
	}
	before, found := notes.Read(r.ledgerName())
	c := &r.care
	c.note = Note{Crashes: before.Crashes}
	if found && notes.Crashed() && r.engine.firstRun(r.ledgerName()) {
		c.note.Crashes++
	}
	switch {
	case c.note.Crashes == 0:
	case c.note.Crashes < poisonStarts:
		c.left = max(r.flow.Batch.Size, 1) * (ahead + r.mostDecided() + r.mostOpen() + 2) // as much as may have been on its way
	default:
		c.left = -1
	}
	blamed := c.note.Crashes >= poisonStarts && c.note.Crashes > before.Crashes
	if blamed && before.Step != stepUnknown {
		if err := r.blame(&before); err != nil || r.header.Paused != "" {
			return err
		}
	}
	if c.careful() {
		r.log.Warn("the process crashed while this flow ran: records are handled one by one", "crashes", c.note.Crashes)
	}
	r.takeNote(stepUnknown, "", record.Fingerprint{})
	return r.knowPoison()
}

// blame holds what two processes crashed of: a row, or, where it was none, the flow.
func (r *run) blame(n *Note) error {
	if n.Row.IsZero() {
		r.care.note.Crashes = 0 // a person resumes it
		r.takeNote(stepUnknown, "", n.Row)
		return r.pause(PausedByCrash, fmt.Sprintf("the process crashed %d times, the last time at this: %s", n.Crashes+1, strings.TrimSpace(string(n.Step)+" "+n.Where)))
	}
	r.log.Error("a record made the process crash; it is held", "step", string(n.Step), "where", n.Where)
	r.header.Poison = true
	r.care.poison = map[record.Fingerprint]bool{n.Row: n.Step == stepJudge}
	return nil
}

// knowPoison finds the rows that are held because handling them kills: they are read
// again wherever a source is read as a whole.
func (r *run) knowPoison() error {
	if !r.header.Poison {
		return nil
	}
	r.header.Poison = len(r.care.poison) > 0
	for o, err := range allOpen(r.ledger) {
		if err != nil {
			return err
		}
		if o.Code != codePoison {
			continue
		}
		if r.care.poison == nil {
			r.care.poison = make(map[record.Fingerprint]bool)
		}
		row := rowByColumns(&o, r.flow.From.Columns.Names)
		r.care.poison[brokenDigest(row, "", "")] = o.Broken != ""
		r.header.Poison = true
	}
	return nil
}

// isPoison keeps a row from being handled that is held because that kills. A row
// that a person wants handled again is.
func (r *run) isPoison(it *item) bool {
	if len(r.care.poison) == 0 || it.broken != "" || r.named && it.waited != nil {
		return false
	}
	unread, poison := r.care.poison[it.rowDigest()]
	if !poison {
		return false
	}
	what := "written to " + r.summary.To
	if unread {
		it.broken, what = codePoison, "mapped and judged"
	}
	it.verdict = poisoned("the process crashed each time it was " + what)
	return true
}

func poisoned(message string) rules.Verdict {
	return rules.Verdict{Severity: rules.Hold, Failures: []record.Reason{{Stage: record.StageRule, Code: codePoison, Message: message}}}
}

// takeNote notes what is done next. That it cannot be noted stops nothing.
func (r *run) takeNote(s step, where string, row record.Fingerprint) {
	if r.engine.Notes == nil || r.observer != nil {
		return
	}
	n := &r.care.note
	n.Step, n.Where, n.Row = s, where, row
	if err := r.engine.Notes.Write(r.ledgerName(), *n); err != nil {
		r.log.Warn("what is being handled could not be noted", "error", err)
	}
}

// endCare ends the note of a run. After a crash it is kept until a run came through.
func (r *run) endCare(err error) {
	if r.engine.Notes == nil || r.observer != nil || r.care.dying.Load() > 0 {
		return
	}
	if r.care.note.Crashes > 0 && (err != nil || r.summary.Limited) {
		r.takeNote(stepUnknown, "", record.Fingerprint{})
	} else if err := r.engine.Notes.Clear(r.ledgerName()); err != nil {
		r.log.Warn("a note of what was handled could not be taken away", "error", err)
	}
	r.giveTurn()
}

// stage returns f as a stage of the run. Where it panics, the process goes on for a
// moment: the other stages see its channels closed and end as if all were well, and
// the note of the run has to survive that.
func (r *run) stage(f func() error) func() error {
	r.care.dying.Add(1)
	return func() error {
		err := f()
		r.care.dying.Add(-1)
		return err
	}
}

// takeTurn waits until no other careful run handles anything: whose record made the
// process crash is known then.
func (rd *reader) takeTurn(ctx context.Context) error {
	if rd.care.held {
		return nil
	}
	select {
	case rd.engine.careful <- struct{}{}:
		rd.care.held = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-rd.work.Done():
		return rd.work.Err()
	}
}

func (r *run) giveTurn() {
	if r.care.held {
		r.care.held = false
		<-r.engine.careful
	}
}

// carefully notes what a careful run does next.
func (rd *reader) carefully(ctx context.Context, s step, where string, row record.Fingerprint) error {
	if !rd.care.careful() {
		return nil
	}
	if err := rd.takeTurn(ctx); err != nil {
		return err
	}
	rd.takeNote(s, where, row)
	return nil
}

// whereIs says what is read next. A position that is made of a sensitive key is not shown.
func (r *run) whereIs(part connectors.Part, behind record.Position) string {
	where := "the source"
	if part.Name != "" {
		where = part.Name
	}
	switch {
	case behind == "":
		return where + " from its beginning"
	case !ShowsPosition(r.flow.From):
		return where + " behind " + connectors.Redacted
	}
	return where + " behind " + string(behind)
}

// sendCarefully judges the one record of a batch and sends it, alone.
func (rd *reader) sendCarefully(ctx context.Context, b *batch) error {
	row, where := record.Row(nil), "what waits"
	if b.again {
		row = rowByColumns(b.items[0].open, rd.flow.From.Columns.Names)
	} else {
		where = rd.whereIs(b.part, b.from)
		if b.page.Len() > 0 {
			row, _ = b.page.Row(0) // its error is told where it is judged
		}
	}
	digest := brokenDigest(row, "", "")
	if err := rd.carefully(ctx, stepJudge, where, digest); err != nil {
		return err
	}
	judge := rd.judge.page
	if b.again {
		judge = rd.judge.opens
	}
	if err := judge(rd.work, b); err != nil {
		return err
	}
	if rd.keys != nil {
		b.keep(rd.keys)
	}
	if rd.left > 0 && !b.again {
		rd.left -= b.page.Len()
	}
	b.sortItems()
	if err := rd.carefully(ctx, stepDeliver, where, digest); err != nil {
		return err
	}
	return rd.alone(ctx, b)
}

// alone sends a batch and waits until it is settled: nothing else is on its way then.
func (rd *reader) alone(ctx context.Context, b *batch) error {
	gone, records := make(chan struct{}), len(b.items)
	b.gone = gone
	if err := rd.emit(b); err != nil {
		return err
	}
	select {
	case <-gone:
	case <-ctx.Done(): // asked to end, or a guard tripped
	case <-rd.work.Done():
		return rd.work.Err()
	}
	if rd.care.left > 0 {
		rd.care.left = max(0, rd.care.left-records)
	}
	rd.takeNote(stepUnknown, "", record.Fingerprint{})
	rd.giveTurn()
	return nil
}

// leave tells that nothing more becomes of a batch.
func (b *batch) leave() {
	if b.gone != nil {
		close(b.gone)
	}
}

// firstRun reports whether this is the first run over a ledger in this process: only
// it may find what another process left.
func (e *Engine) firstRun(ledger string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !e.ran[ledger]
	if e.ran == nil {
		e.ran = make(map[string]bool)
	}
	e.ran[ledger] = true
	return first
}
