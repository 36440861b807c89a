package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// The codes of what is in doubt.
const (
	lostAnswer  = "unknown_answer" // the answer was lost, and nothing settles that
	overWindow  = "unknown_window" // the key of idempotency is not known any more
	severalRows = "several_rows"   // the look-up found more than one
	unreadable  = "unreadable"     // the look-up fails for this record, and not for others
	notDone     = "not_done"       // it is not in doubt: it was found not done, and is sent anew
)

// uniqueCode is the code of a refusal that says that the record is there.
const uniqueCode = "unique"

// lost notes that an attempt has no answer.
func (p *parcel) lost(now time.Time) {
	if !p.unknown {
		p.Attempts++
	}
	p.unknown, p.repeated, p.Last = true, true, now
}

// doubtNo keeps a refusal that proves nothing by itself.
func (p *parcel) doubtNo(i int, no *Answer) {
	if p.noes == nil {
		p.noes = make(map[int]*Answer)
	}
	p.noes[i] = no
}

// proven notes that no attempt so far did anything: what was refused is refused.
func (p *parcel) proven() {
	p.unknown = false
	for i, no := range p.noes {
		if p.Changes[i].Answer == nil {
			p.Changes[i].Answer = no
		}
	}
}

// isProof reports whether a refusal behind an unknown answer says that the record was
// not written: the key of idempotency is answered as it was the first time; else a
// look-up has to tell. That a record is there is never a no.
func (c *courier) isProof(p *parcel, receipt *connectors.Receipt) bool {
	ways := p.ways(c.sender)
	switch {
	case ways.Find && receipt.Code == uniqueCode:
		return false
	case p.unknown:
		return c.inWindow(p, ways.Window) && receipt.Code != uniqueCode
	}
	return true // a look-up said that no attempt before had done anything
}

// settleUnknown settles what nobody answered, by the best way there is. Where the
// parcel has answers to all then, nothing is sent any more; else it is sent again.
func (c *courier) settleUnknown(ctx context.Context, p *parcel) error {
	ways := p.ways(c.sender)
	sameAgain := p.noes == nil // to be refused once more proves no more
	switch {
	case ways.Repeat && sameAgain, sameAgain && c.inWindow(p, ways.Window):
		return nil
	case ways.Find && c.finder != nil:
		return c.lookUp(ctx, p, ways.Lag)
	case ways.Double && sameAgain:
		c.log.Warn("sent again, though it may double: on_unknown = retry", "reference", c.shownReference(&p.Changes[0]))
		return nil
	}
	code := lostAnswer
	if ways.Window > 0 {
		code = overWindow
	}
	c.doubt(p, code, nil)
	return nil
}

// lookUp asks the destination for what it was sent. What is there was done; that it is
// not there counts only after the destination's lag and our own timeout (R8).
func (c *courier) lookUp(ctx context.Context, p *parcel, lag time.Duration) error {
	if err := c.lookOnce(ctx, p, false); err != nil || p.answered() {
		return err
	}
	if err := c.awaitLag(p, lag); err != nil {
		return err
	}
	if err := c.lookOnce(ctx, p, true); err != nil || p.answered() {
		return err
	}
	if p.proven(); p.partly() {
		p.sendAnew() // the message carries what was done, too
	}
	return nil
}

// awaitLag waits until absence counts, and lets other messages have the slot.
func (c *courier) awaitLag(p *parcel, lag time.Duration) error {
	now := c.now()
	since := p.Last
	if since.IsZero() || since.After(now) {
		since = now
	}
	wait := since.Add(lag + c.flow.To.Connector.Timeout).Sub(now)
	if wait <= 0 {
		return nil
	}
	c.log.Info("an answer was lost: it is looked up again when that counts", "reference", c.shownReference(&p.Changes[0]), "wait", wait)
	c.leave()
	err := c.sleep(c.waits, wait+c.engine.jitter(wait/10))
	c.slots <- struct{}{}
	if err != nil {
		return err
	}
	return c.engine.MayAsk(c.flow.To.Connector)
}

// lookOnce asks once for all that has no answer. Absence counts where it is late. What
// a look-up fails for, though the system answers, is in doubt; the rest goes on.
func (c *courier) lookOnce(ctx context.Context, p *parcel, late bool) error {
	var asked []int
	for i := range p.Changes {
		if p.Changes[i].Answer == nil {
			asked = append(asked, i)
		}
	}
	err := c.lookFor(ctx, p, asked, late)
	if err == nil || !c.failsForRecord(ctx, p, err) {
		return err
	}
	for _, i := range asked {
		err := c.lookFor(ctx, p, []int{i}, late)
		if err != nil && !c.answersOthers(ctx) {
			return err
		}
		if err != nil {
			words := "the answer was lost, and looking for it fails, though " + c.summary.To + " answers for others: " + err.Error()
			p.Changes[i].Answer = &Answer{Status: connectors.Unknown, Code: unreadable, Words: c.hidden(p.items[i], words)}
		}
	}
	return nil
}

// lookFor asks for some changes of a message.
func (c *courier) lookFor(ctx context.Context, p *parcel, asked []int, late bool) error {
	var query connectors.Query
	for _, i := range asked {
		x := &p.Changes[i]
		key := x.Find
		if len(key) != len(c.flow.To.WriteKey) {
			key = make([]record.Value, len(c.flow.To.WriteKey)) // it was known by other columns then
		}
		id := x.ID
		if x.Op == connectors.Create {
			id = record.Value{} // an id that is known is that of a record that is gone
		}
		query.Keys, query.References, query.IDs = append(query.Keys, key), append(query.References, x.Reference), append(query.IDs, id)
	}
	found, err := c.finder.Find(ctx, query)
	partly, some := errors.AsType[*connectors.PartlyFound](err)
	if some {
		found = partly.Found
	} else if err != nil {
		return c.hiddenError(p.items, err)
	}
	rows := make([][]connectors.Found, len(asked))
	for _, f := range found {
		rows[f.At] = append(rows[f.At], f)
	}
	for k, i := range asked {
		if !some || partly.Answered[k] {
			c.judgeFound(p, &p.Changes[i], rows[k], late)
		}
	}
	return c.hiddenError(p.items, err)
}

// chokesFor is how long an answer must have been lost before one record that the system
// chokes on is left in doubt: what fails now and then, as APIs do, is tried again.
const chokesFor = 10 * time.Minute

// failsForRecord reports whether a look-up fails for what is asked for: it has failed as
// often as the system may in a row, and does for long, or no try mends it; and others
// are answered for. A system that is down pauses its flow; one record does not.
func (c *courier) failsForRecord(ctx context.Context, p *parcel, err error) bool {
	connector := c.flow.To.Connector
	err = c.engine.system(connector).classed(err)
	if connectors.ClassOf(err) == connectors.Denied || connectors.AfterOf(err) > 0 {
		return false
	}
	since := p.Last
	if since.IsZero() {
		since = p.First
	}
	p.unread++
	lately := p.unread < connector.Retry.Attempts-1 || c.now().Sub(since) < chokesFor // the lost answer was one, too
	if worthRetrying(err) && lately {
		return false
	}
	return c.answersOthers(ctx)
}

// answersOthers reports whether the destination can be asked for a record that is nowhere.
func (c *courier) answersOthers(ctx context.Context) bool {
	_, err := c.finder.Find(ctx, c.nowhere())
	return err == nil
}

// judgeFound answers a change by what the look-up found, where that is proof.
func (c *courier) judgeFound(p *parcel, x *ChangeIntent, rows []connectors.Found, late bool) {
	switch {
	case len(rows) > 1:
		x.Answer = &Answer{Status: connectors.Unknown, Code: severalRows, Words: fmt.Sprintf("the look-up finds %d records", len(rows))}
	case x.Op == connectors.Delete:
		if len(rows) == 0 && late {
			x.Answer = &Answer{Status: connectors.Applied}
		}
	case len(rows) == 0:
	case c.shows(rows[0].Write, x):
		x.Answer = &Answer{Status: connectors.Applied, ID: c.destinationID(rows[0].Returning)}
	case x.Op == connectors.Create && late:
		// It is there, and not as it was sent: what is to be done is for the decider.
		x.Answer = &Answer{Status: connectors.Untried, ID: c.destinationID(rows[0].Returning)}
	}
}

// shows reports whether a row shows all that was sent.
func (c *courier) shows(row record.Row, x *ChangeIntent) bool {
	compared := false
	for i, name := range x.SentTo {
		at := slices.Index(c.sentTo, name)
		if at < 0 || i >= len(x.Sent) || x.Sent[i].IsAbsent() {
			continue
		}
		if compared = true; !record.Same(x.Sent[i], row[at]) {
			return false
		}
	}
	return compared
}

// doubt leaves all that has no answer to a person.
func (c *courier) doubt(p *parcel, code string, why error) {
	words := "nothing tells whether " + c.summary.To + " has it"
	if code == overWindow {
		words = "the answer was lost, and " + c.summary.To + " does not know the message any more"
	}
	switch {
	case why == nil && !p.sent:
		words += ": the run that announced it ended before its answer was settled, and may not have sent it"
	case why != nil:
		words += ": " + why.Error()
	}
	for i := range p.Changes {
		if p.Changes[i].Answer == nil {
			p.Changes[i].Answer = &Answer{Status: connectors.Unknown, Code: code, Words: c.hidden(p.items[i], words)}
		}
	}
}

func (c *courier) destinationID(returning record.Row) record.Value {
	if c.flow.To.ID == nil || len(returning) == 0 {
		return record.Value{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.worker.DestinationID(returning)
}

// take gives an item the answer to its change.
func (r *run) take(it *item, a *Answer) {
	switch a.Status {
	case connectors.Applied, connectors.Same:
		if !a.ID.Missing() || it.op == connectors.Create && a.Status == connectors.Applied { // what was made has no id of before
			it.toID = a.ID
		}
		if a.Status == connectors.Same {
			it.outcome, it.asked = Unchanged, true
		}
	case connectors.Refused:
		if a.Code == connectors.CodeAppendOnly && !r.flow.Update { // it was added before, and has changed
			it.outcome = Skipped
			return
		}
		it.verdict = rejected(record.Reason{Stage: record.StageDestination, Code: a.Code, Message: r.summary.To + " refused it: " + a.Words})
		it.outcome, it.answer, it.refused = Rejected, a.Code+": "+a.Words, true
		if it.waited != nil {
			it.waitOn()
		}
	case connectors.Untried:
		it.verdict, it.outcome = heldFor(notDone, "it was sent, and was found not done as it was sent: the next run sends it anew"), Held
		if !a.ID.Missing() {
			it.toID = a.ID
		}
	case connectors.Unknown:
		it.verdict, it.outcome = heldFor(a.Code, a.Words), InDoubt
	}
}

func heldFor(code, message string) rules.Verdict {
	return rules.Verdict{Severity: rules.Hold, Failures: []record.Reason{{Stage: record.StageDestination, Code: code, Message: message}}}
}
