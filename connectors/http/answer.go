package http

import (
	"fmt"
	"mime"
	nethttp "net/http"
	"strings"
	"time"

	"headgate/connectors"
	"headgate/connectors/document"
	"headgate/engine/record"
)

// maxWords is how much of an answer is told as the words of the destination.
const maxWords = 500

// answer is what a request was answered.
type answer struct {
	status int
	header nethttp.Header
	after  time.Duration // Retry-After; 0: it said nothing
	body   string
	hide   func(string) string // takes secrets out of words for people; nil: there are none
}

func (a *answer) positive() bool { return a.status >= 200 && a.status <= 299 }

// is evaluates what the ruleset says of an answer; what it does not say is false.
func (a *answer) is(logic connectors.Logic) (bool, error) {
	if logic.Eval == nil {
		return false, nil
	}
	names, err := a.names(logic.Uses)
	if err != nil {
		return false, err
	}
	v, err := logic.Eval(names)
	return v.Bool(), err
}

// done reports whether the answer is a success: what the ruleset says is one, or
// else any 2xx that is a document, or nothing, and does not speak of an error.
func (a *answer) done(ok connectors.Logic) (bool, error) {
	if a.isPage() {
		return false, nil // whatever a proxy or a login says, the system itself said nothing
	}
	if ok.Eval != nil {
		return a.is(ok)
	}
	if !a.positive() {
		return false, nil
	}
	if strings.TrimSpace(a.body) == "" {
		return true, nil
	}
	for _, name := range []string{"error", "errors"} {
		text, is, err := document.At(a.body, name)
		if err != nil {
			return false, fmt.Errorf("the answer %d is no JSON: %w", a.status, err)
		}
		if is && text != "null" && text != "false" && text != "[]" && text != "{}" && text != `""` {
			return false, nil
		}
	}
	return true, nil
}

// item is one answer of several, with the status that it gives itself.
func (a *answer) item(text string) *answer {
	one := &answer{status: a.status, header: a.header, after: a.after, body: text, hide: a.hide}
	if status, ok, err := document.At(text, "status"); err == nil && ok {
		var n int
		if _, err := fmt.Sscanf(status, "%d", &n); err == nil && n >= 100 && n < 600 {
			one.status = n
		}
	}
	return one
}

// names are what a logic uses of the answer.
func (a *answer) names(uses []string) (connectors.Names, error) {
	names := make(connectors.Names, len(uses))
	var columns []record.Column
	for _, use := range uses {
		root, path, _ := strings.Cut(use, ".")
		switch root {
		case nameStatus:
			names[use] = record.IntValue(int64(a.status))
		case nameHeaders:
			if text := a.header.Get(path); text != "" {
				names[use] = record.StringValue(text)
			}
		case nameBody:
			columns = append(columns, record.Column{Name: path, Kind: record.Unknown})
		}
	}
	text := strings.TrimSpace(a.body)
	if len(columns) == 0 || text == "" || text[0] == '[' {
		return names, nil
	}
	row := make(record.Row, len(columns))
	if err := document.NewReader(columns).Read(text, row); err != nil {
		return nil, fmt.Errorf("the answer %d is no JSON object as expected: %w", a.status, err)
	}
	for i, c := range columns {
		names[nameBody+"."+c.Name] = row[i]
	}
	return names, nil
}

// isPage reports whether the answer is a page for people, as a login or an error of a
// proxy is.
func (a *answer) isPage() bool {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml")
}

// words are what the answer says to people.
func (a *answer) words() string {
	if a.isPage() {
		return fmt.Sprintf("%d with a page for people instead of data", a.status)
	}
	for _, path := range []string{"error.message", "error", "message", "detail", "title", "errors"} {
		if text, ok, err := document.At(a.body, path); err == nil && ok && text != "null" {
			return a.quoted(document.Plain(text))
		}
	}
	text := strings.Join(strings.Fields(a.body), " ")
	if text == "" {
		text = nethttp.StatusText(a.status)
	}
	return a.quoted(text)
}

// quoted quotes what was said. It is cut last: of a secret, nothing is left behind.
func (a *answer) quoted(text string) string {
	if a.hide != nil {
		text = a.hide(text)
	}
	return fmt.Sprintf("%d %s", a.status, cut(text, maxWords))
}

// classOf says what a status means for a request with an effect; ok is false where it
// means a record, not the destination.
func classOf(status int) (class connectors.Class, ok bool) {
	switch status {
	case 401, 402, 403, 407:
		return connectors.Denied, true
	case 405, 406, 411, 415:
		return connectors.Broken, true
	case 423, 425, 429:
		return connectors.Down, true
	case 408:
		return connectors.Unclear, true
	}
	return connectors.Unclear, status < 400 || status > 499
}
