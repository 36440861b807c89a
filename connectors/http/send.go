package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"strconv"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// Apply prepares and sends, in order, until the first error: what comes behind it is
// untried.
func (d *destination) Apply(ctx context.Context, lot connectors.Lot) ([]connectors.Receipt, error) {
	messages, err := d.Prepare(lot)
	receipts := make([]connectors.Receipt, 0, len(lot.Changes))
	for i := 0; i < len(messages) && err == nil; i++ {
		var some []connectors.Receipt
		some, err = d.Send(ctx, messages[i])
		receipts = append(receipts, some...)
	}
	return append(receipts, make([]connectors.Receipt, len(lot.Changes)-len(receipts))...), err
}

// Send sends a message and reads what became of its changes from the answer.
func (d *destination) Send(ctx context.Context, msg connectors.Message) ([]connectors.Receipt, error) {
	if msg.Refusal != nil {
		return []connectors.Receipt{*msg.Refusal}, nil
	}
	if err := ctx.Err(); err != nil {
		return all(connectors.Untried, msg.Changes), err
	}
	m, err := decodeMessage(msg.Bytes)
	if err != nil {
		return all(connectors.Untried, msg.Changes), d.failed(connectors.Broken, "send", "", err)
	}
	e := d.effects[m.op]
	if e == nil {
		err := fmt.Errorf("the resource does not say any more how to %s", m.op)
		return all(connectors.Untried, m.changes), d.failed(connectors.Broken, m.op.String(), "", err)
	}
	if m.key != "" {
		m.headers = append(m.headers, [2]string{d.keyHeader, m.key})
	}
	a, err := d.do(ctx, d.opText(m.op.String()), m, true)
	if err != nil {
		status := connectors.Untried
		if connectors.ClassOf(err) == connectors.Unclear {
			status = connectors.Unknown
		}
		return all(status, m.changes), err
	}
	return d.read(e, m, a)
}

// read reads an answer: one for all changes, or one each.
func (d *destination) read(e *effect, m *message, a *answer) ([]connectors.Receipt, error) {
	receipt, err := d.judge(e, m.op, a)
	if !m.many || receipt.Status != connectors.Applied {
		receipts := all(receipt.Status, m.changes)
		for i := range receipts {
			receipts[i] = receipt
		}
		if receipt.Status == connectors.Applied {
			receipts[0].Row, err = d.returned(a.body, e.answer)
		}
		return receipts, err
	}
	return d.readMany(e, m, a)
}

// judge says what the answer to a request means for its changes. One that says yes,
// but not as a success does, has said nothing.
func (d *destination) judge(e *effect, op connectors.Op, a *answer) (connectors.Receipt, error) {
	if no, err := a.is(e.refused); err == nil && no {
		return refused(strconv.Itoa(a.status), a.words()), nil
	}
	done, err := a.done(e.ok)
	switch {
	case err == nil && done:
		return connectors.Receipt{Status: connectors.Applied}, nil
	case !a.positive():
		return d.negative(op, a)
	case err == nil:
		err = fmt.Errorf("the answer is not what the ruleset takes for a success: %s", a.words())
	}
	return connectors.Receipt{Status: connectors.Unknown}, d.failed(connectors.Unclear, op.String(), "shape", err)
}

// negative says what a status means that is no 2xx.
func (d *destination) negative(op connectors.Op, a *answer) (connectors.Receipt, error) {
	class, failed := classOf(a.status)
	switch {
	case failed && class == connectors.Unclear:
		return connectors.Receipt{Status: connectors.Unknown}, d.unable(class, op.String(), a)
	case failed:
		return connectors.Receipt{}, d.unable(class, op.String(), a)
	case op == connectors.Delete && isGone(a.status):
		return connectors.Receipt{Status: connectors.Same}, nil
	case op == connectors.Update && isGone(a.status):
		return refused("missing_row", a.words()), nil
	case a.status == nethttp.StatusConflict:
		return refused("unique", a.words()), nil
	}
	return refused(strconv.Itoa(a.status), a.words()), nil
}

func isGone(status int) bool {
	return status == nethttp.StatusNotFound || status == nethttp.StatusGone
}

// returned are the columns that an answer gives beside: nil where it has none.
func (d *destination) returned(body, path string) (record.Row, error) {
	if len(d.resource.Returning) == 0 || body == "" {
		return nil, nil
	}
	object, ok, err := document.At(body, path)
	if err != nil || !ok || object[0] != '{' {
		return nil, nil // it is done, and says nothing more
	}
	row := make(record.Row, len(d.resource.Returning))
	if err := d.returns.reader.Read(object, row); err != nil {
		return nil, nil
	}
	return row, nil
}

// opText says what was tried.
func (d *destination) opText(verb string) string { return verb + " in " + d.resource.Name }

// failed is a failure that no answer, or one without a sense, is the reason of.
func (d *destination) failed(class connectors.Class, verb, code string, err error) *connectors.Error {
	return &connectors.Error{Class: class, Code: code, Op: d.opText(verb), Err: err}
}

// unable is an answer of a system that cannot or will not do what was asked now.
func (d *destination) unable(class connectors.Class, verb string, a *answer) *connectors.Error {
	e := d.failed(class, verb, strconv.Itoa(a.status), errors.New(a.words()))
	e.After = a.after
	return e
}

func all(status connectors.Status, n int) []connectors.Receipt {
	receipts := make([]connectors.Receipt, n)
	for i := range receipts {
		receipts[i].Status = status
	}
	return receipts
}

func refused(code, words string) connectors.Receipt {
	return connectors.Receipt{Status: connectors.Refused, Code: code, Words: words}
}
