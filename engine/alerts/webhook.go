package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"headgate/connectors"
	"headgate/rules"
)

// webhook posts the digest. The address is a secret, resolved each time so that a
// new one counts at once.
func (s *Sender) webhook(ctx context.Context, alert *rules.Alert, body []byte) error {
	secret, ok := alert.Webhook.(connectors.Secret)
	if !ok {
		return errors.New("post to the webhook: it has no address")
	}
	text, err := s.Secret(secret)
	if err != nil {
		return fmt.Errorf("post to the webhook: %w", err)
	}
	address, err := url.Parse(text)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return fmt.Errorf("post to the webhook: %s holds no address: write https://…", secret.Reference())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, text, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to the webhook: %s holds no address: write https://…", secret.Reference())
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "headgate")
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("post to the webhook: %w", withoutAddress(err, address))
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // what it answers beyond its code says nothing
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("post to the webhook: it answers %d, a redirect, and none is followed: give its final address", code)
	default:
		return fmt.Errorf("post to the webhook: it answers %d %s", code, http.StatusText(code))
	}
}

// client follows no redirect and keeps no connection: alerts are rare.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, Control: noLinkLocal}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 20 * time.Second,
		DisableKeepAlives:     true,
		ForceAttemptHTTP2:     true,
	},
}

// noLinkLocal refuses the addresses under which clouds give away their keys.
func noLinkLocal(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().Unmap().IsLinkLocalUnicast() {
		return errors.New("a link-local address is refused")
	}
	return nil
}

// withoutAddress says what failed without the address, which is a secret.
func withoutAddress(err error, address *url.URL) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	text := err.Error()
	for _, part := range []string{address.Host, address.Hostname()} {
		text = strings.ReplaceAll(text, part, "[webhook]")
	}
	return errors.New(text)
}
