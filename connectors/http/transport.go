package http

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"time"

	"headgate/connectors"
)

// The limits of what is held open, and of what an answer may be beside its body.
const (
	maxIdle      = 32
	idleFor      = 90 * time.Second
	maxHeaders   = 256 << 10
	maxRedirects = 5
)

// errRedirect says that an answer led away from where it was asked.
var errRedirect = errors.New("it answered with a redirect to another place, which is not followed")

// connected returns the clients, made when they are needed first.
func (c *connector) connected() (*clients, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients != nil {
		return c.clients, nil
	}
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Control: c.guard.control}
	t := &nethttp.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: config, ForceAttemptHTTP2: true,
		MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleFor, MaxResponseHeaderBytes: maxHeaders,
	}
	c.clients = &clients{
		transport: t,
		read:      &nethttp.Client{Transport: t, CheckRedirect: c.redirected},
		effect:    &nethttp.Client{Transport: t, CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }},
	}
	return c.clients, nil
}

// redirected lets a read be led on within the origin it was sent to: what logs
// headgate in is sent along, and is nobody else's to see.
func (c *connector) redirected(next *nethttp.Request, before []*nethttp.Request) error {
	first := before[0].URL
	if len(before) > maxRedirects || next.URL.Scheme != first.Scheme || next.URL.Host != first.Host || next.URL.User != nil {
		return errRedirect
	}
	return c.tools.Wait(next.Context())
}

// tlsConfig reads the files of the tls block.
func (c *connector) tlsConfig() (*tls.Config, error) {
	s := c.settings.TLS
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s == nil {
		return config, nil
	}
	if s.MinVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	if s.CA != "" {
		pem, err := os.ReadFile(c.file(s.CA))
		if err != nil {
			return nil, broken("read the authorities to trust", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, broken("read the authorities to trust", fmt.Errorf("%s holds no certificate in PEM", s.CA))
		}
	}
	if s.Cert == "" {
		return config, nil
	}
	cert, err := os.ReadFile(c.file(s.Cert))
	if err != nil {
		return nil, broken("read the certificate", err)
	}
	key, err := c.tools.Secret(s.Key)
	if err != nil {
		return nil, denied("read the key of the certificate", err)
	}
	pair, err := tls.X509KeyPair(cert, []byte(key))
	if err != nil {
		return nil, broken("read the certificate", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func (c *connector) file(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.tools.Dir, path)
}

func broken(op string, err error) *connectors.Error {
	return &connectors.Error{Class: connectors.Broken, Op: op, Err: err}
}

func denied(op string, err error) *connectors.Error {
	return &connectors.Error{Class: connectors.Denied, Code: "secret", Op: op, Err: err}
}
