package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"slices"
	"strconv"
	"syscall"

	"headgate/connectors"
)

// unanswered is a request without an answer. One that found no connection was heard
// by nobody; of any other nobody knows.
func (c *connector) unanswered(outer context.Context, op string, err error, sent bool) error {
	if outer.Err() != nil {
		return outer.Err()
	}
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		return e
	}
	e := &connectors.Error{Class: connectors.Unclear, Code: codeOf(err), Op: op, Err: unwrapped(err)}
	if refused, ok := errors.AsType[*addressError](err); ok {
		e.Class, e.Err, e.Hint = connectors.Broken, refused, refused.hint()
		return e
	}
	switch {
	case e.Code == "redirect":
		e.Class = connectors.Broken
	case e.Code == "certificate":
		e.Class, e.Hint = connectors.Denied, "see tls, the certificates of both sides, and the clock of this machine"
	case !sent:
		e.Class = connectors.Down
	}
	return e
}

// unwrapped is err without the address, whose query may hold values of a record.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// codeOf names what went wrong with a request.
func codeOf(err error) string {
	var (
		dns         *net.DNSError
		verify      *tls.CertificateVerificationError
		header      tls.RecordHeaderError
		authority   x509.UnknownAuthorityError
		name        x509.HostnameError
		invalid     x509.CertificateInvalidError
		timeout     interface{ Timeout() bool }
		badAddress  *addressError
		certificate = errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
	)
	switch {
	case errors.As(err, &badAddress):
		return "address"
	case errors.Is(err, errRedirect):
		return "redirect"
	case certificate, slices.Contains(certificateAlerts, alert(err)):
		return "certificate"
	case alert(err) != "", errors.As(err, &header), errors.Is(err, nethttp.ErrSchemeMismatch):
		return "tls"
	case errors.As(err, &dns) && !dns.IsTimeout:
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	}
	return "dial"
}

// certificateAlerts are the words of a system to which headgate is not who it should be.
// With TLS 1.3 they come behind the request, which nobody has heard for all that.
var certificateAlerts = []string{
	"tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate", "tls: expired certificate",
	"tls: unknown certificate", "tls: unknown certificate authority", "tls: access denied", "tls: certificate required",
}

// alert is what the other side said of TLS as it broke off, or "".
func alert(err error) string {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return e.Err.Error()
	}
	return ""
}

// readClass says what a status means for a read: it is not done, whatever it is.
func readClass(status int) connectors.Class {
	switch {
	case status == nethttp.StatusUnauthorized, status == nethttp.StatusForbidden, status == nethttp.StatusProxyAuthRequired, status == nethttp.StatusPaymentRequired:
		return connectors.Denied
	case status >= 500, status == nethttp.StatusRequestTimeout, status == nethttp.StatusTooManyRequests, status == nethttp.StatusTooEarly, status == nethttp.StatusLocked:
		return connectors.Down
	}
	return connectors.Broken
}

// answered is an answer that is no success of a read.
func (c *connector) answered(op string, a *answer) *connectors.Error {
	return &connectors.Error{Class: readClass(a.status), Code: strconv.Itoa(a.status), Op: op, After: a.after, Err: errors.New(a.words())}
}
