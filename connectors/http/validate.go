package http

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"

	"headgate/connectors"
)

// Words of on_unknown.
const (
	unknownFind  = "find"
	unknownDoubt = "doubt"
	unknownRetry = "retry"
)

// effectMethods are those that change something.
var effectMethods = []string{nethttp.MethodPost, nethttp.MethodPut, nethttp.MethodPatch, nethttp.MethodDelete}

// ownHeaders are those that are not written in a ruleset: the client sets some of them,
// and what logs headgate in is a secret.
var ownHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection"}

// validateWriting checks the blocks that write and find.
func (r *Resource) validateWriting() error {
	for i := range r.Finds {
		f := &r.Finds[i]
		if err := validateTarget("find", f.Path, f.Headers); err != nil {
			return err
		}
	}
	for name, e := range map[string]*Effect{"create": r.Create, "update": r.Update, "delete": r.Delete, "upsert": r.Upsert} {
		if e == nil {
			continue
		}
		if err := e.validate(name, len(r.Finds) > 0); err != nil {
			return err
		}
	}
	if i := r.Idempotency; i != nil && i.Window <= 0 {
		return wrong("idempotency.window", errors.New("a window is longer than nothing"))
	} else if i != nil && i.Header != "" && !isHeader(i.Header) {
		return wrong("idempotency.header", fmt.Errorf("%q is not a header to be set", i.Header))
	}
	return nil
}

// DoubtfulChanges implements connectors.Doubtful. Where there is a find or a key, it
// depends on the record whether they help.
func (r *Resource) DoubtfulChanges() (names []string) {
	if len(r.Finds) > 0 || r.Idempotency != nil {
		return nil
	}
	if e := r.Create; e != nil && e.OnUnknown == "" {
		names = append(names, "create")
	}
	if e := r.Update; e != nil && e.OnUnknown == "" && e.Method != nethttp.MethodPut {
		names = append(names, "update")
	}
	return names
}

func (e *Effect) validate(name string, finds bool) error {
	switch {
	case e.Method != "" && !slices.Contains(effectMethods, e.Method):
		return wrong(name+".method", fmt.Errorf("%q changes nothing: write one of %s", e.Method, strings.Join(effectMethods, ", ")))
	case e.OnUnknown == unknownFind && !finds:
		return wrong(name+".on_unknown", errors.New("on_unknown = find needs a find block"))
	case e.Many != nil && (e.Many.Limit < 0 || e.Many.Limit > maxMany):
		return wrong(name+".many.limit", fmt.Errorf("limit is 1 to %d", maxMany))
	}
	return validateTarget(name, e.Path, e.Headers)
}

// validateTarget checks where a request goes. A path stands behind the url: one without
// its slash would name another host, and a value could choose which.
func validateTarget(name string, path connectors.Text, headers map[string]connectors.Text) error {
	if path.Source != "" && !strings.HasPrefix(path.Source, "/") {
		return wrong(name+".path", errors.New(`a path begins with "/", and stands behind the url of the connector`))
	}
	if strings.ContainsAny(path.Source, "?#") {
		return wrong(name+".path", errors.New("a path ends before ? and #: what stands behind them is written as query"))
	}
	for header := range headers {
		if !isHeader(header) {
			return wrong(name+".headers", fmt.Errorf("%q is not a header to be set here; a login is written as an auth block of the connector", header))
		}
	}
	return nil
}

// isHeader reports whether a header of this name may be set.
func isHeader(name string) bool {
	odd := func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}
	own := func(h string) bool { return strings.EqualFold(h, name) }
	return name != "" && !strings.ContainsFunc(name, odd) && !slices.ContainsFunc(ownHeaders, own)
}
