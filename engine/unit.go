package engine

import (
	"context"

	"github.com/zeebo/xxh3"

	"headgate/connectors"
	"headgate/engine/record"
	"headgate/rules"
)

// unitPage is how many rows are read at a time to judge a unit.
const unitPage = 1000

// judgeUnit judges a whole part before its first record is read, and reports
// whether it may be read. A part that is refused is one exception.
func (rd *reader) judgeUnit(ctx context.Context, part connectors.Part) (bool, error) {
	from := rd.flow.From
	if len(from.UnitRules) == 0 || from.Cursor != "" {
		return true, nil
	}
	var verdict rules.Verdict
	var rows int64
	judge := func() (err error) {
		verdict, rows, err = rd.unitVerdict(ctx, part)
		return err
	}
	if err := rd.retry(ctx, from, judge); err != nil {
		return false, err
	}
	if verdict.Severity < rules.Hold {
		return true, rd.sendUnit(part, verdict, rows)
	}
	return false, rd.sendUnit(part, verdict, rows)
}

func (rd *reader) unitVerdict(ctx context.Context, part connectors.Part) (verdict rules.Verdict, rows int64, err error) {
	unit := rules.NewUnit(rd.flow.From)
	var head, tail record.Row
	if enveloped, ok := rd.source.(connectors.Enveloped); ok {
		if head, tail, err = enveloped.Envelope(ctx, part); err != nil {
			return verdict, 0, err
		}
	}
	for position := record.Position(""); ; {
		page, err := rd.source.Read(ctx, part, position, unitPage)
		if err != nil {
			return verdict, rows, err
		}
		for i := range page.Len() {
			row, broken := page.Row(i)
			unit.Add(row, broken == nil)
			rows++
		}
		if position = page.EndPosition(); page.End() {
			return unit.Judge(head, tail, rows, rd.now()), rows, nil
		}
	}
}

// sendUnit sends what became of a unit: one item without a position, since
// nothing of the part was read. One that passes matters only where it was refused before.
func (rd *reader) sendUnit(part connectors.Part, verdict rules.Verdict, rows int64) error {
	it := item{key: record.Key(unitSpace) + record.Key(part.Name), verdict: verdict, where: "the whole of it"}
	if !it.stopped() {
		it.skip = true
		it.verdict = rules.Verdict{}
		entries := make([]Entry, 1)
		if err := rd.ledger.Find([]record.Key{it.key}, entries); err != nil || entries[0].Stopped.IsZero() {
			return err
		}
	}
	it.digest = unitDigest(verdict, rows)
	b := &batch{part: part, unit: true, items: []item{it}}
	b.sortItems()
	return rd.send(b)
}

// unitDigest is the content of a refused unit: what was wrong with it.
func unitDigest(v rules.Verdict, rows int64) record.Fingerprint {
	text := itoa(int(rows))
	for _, f := range v.Failures {
		text += "\x00" + f.Code + "\x00" + f.Rule + "\x00" + f.Message
	}
	return xxh3.HashString128(text).Bytes()
}
