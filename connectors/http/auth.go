package http

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"headgate/connectors"
)

// renewBefore is how long before its end a token is renewed.
const renewBefore = 30 * time.Second

// inBody is the word of send_in for a login that stands in the body. The style is never
// guessed: that would be a second request, before any Retry-After has passed.
const inBody = "body"

// token is the access token that is in use. It is kept in memory only: client
// credentials make another at any time.
type token struct {
	mu    sync.Mutex
	text  string
	until time.Time // zero: it does not say
}

// secret resolves a secret once.
func (c *connector) secret(s connectors.Secret) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text, ok := c.secrets[s.Reference()]; ok {
		return text, nil
	}
	text, err := c.tools.Secret(s)
	if err != nil {
		return "", denied("log in", err)
	}
	c.secrets[s.Reference()] = text
	return text, nil
}

// know keeps a secret, to hide it in what a system says.
func (c *connector) know(name, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets[name] = secret
}

// hide takes what is secret out of a text for people.
func (c *connector) hide(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return connectors.Hide(text, slices.Collect(maps.Values(c.secrets))...)
}

// logIn puts what headgate logs in with into a request.
func (c *connector) logIn(ctx context.Context, r *nethttp.Request) error {
	a := c.settings.Auth
	switch {
	case a == nil:
		return nil
	case a.Basic != nil:
		password, err := c.secret(a.Basic.Password)
		if err == nil {
			r.SetBasicAuth(a.Basic.User, password)
			c.know(nameBasic, basicText(a.Basic.User, password))
		}
		return err
	case a.Header != nil:
		value, err := c.secret(a.Header.Value)
		if err == nil {
			r.Header.Set(a.Header.Name, value)
		}
		return err
	case a.OAuth2 != nil:
		text, err := c.accessToken(ctx, a.OAuth2)
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+text)
		}
		return err
	}
	text, err := c.secret(a.Bearer)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+text)
	}
	return err
}

// accessToken returns a token that is good for a while, asking for one if need be.
func (c *connector) accessToken(ctx context.Context, s *OAuth2) (string, error) {
	c.token.mu.Lock()
	defer c.token.mu.Unlock()
	if c.token.text != "" && (c.token.until.IsZero() || c.tools.Now().Add(renewBefore).Before(c.token.until)) {
		return c.token.text, nil
	}
	secret, err := c.secret(s.ClientSecret)
	if err != nil {
		return "", err
	}
	clients, err := c.connected()
	if err != nil {
		return "", err
	}
	if err := c.tools.Wait(ctx); err != nil {
		return "", err
	}
	config := clientcredentials.Config{ClientID: s.ClientID, ClientSecret: secret, TokenURL: s.TokenURL, Scopes: strings.Fields(s.Scope), AuthStyle: oauth2.AuthStyleInHeader}
	if s.SendIn == inBody {
		config.AuthStyle = oauth2.AuthStyleInParams
	}
	c.know(nameBasic, basicText(url.QueryEscape(s.ClientID), url.QueryEscape(secret)))
	asked := c.tools.Now()
	t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, clients.effect))
	if err != nil {
		return "", c.tokenFailure(ctx, err)
	}
	c.token.text, c.token.until = t.AccessToken, time.Time{}
	if !t.Expiry.IsZero() {
		c.token.until = asked.Add(time.Until(t.Expiry)) // by our own clock
	}
	c.know(nameToken, t.AccessToken)
	return t.AccessToken, nil
}

// What is sent in place of a secret is one, too. It is kept under these names.
const (
	nameToken = "access token"
	nameBasic = "basic login"
)

// basicText is what a name and a password are sent as.
func basicText(name, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
}

// renewable forgets a token that was refused, and reports whether another can be
// asked for. One that another request has renewed meanwhile is kept.
func (c *connector) renewable(refused *nethttp.Request) bool {
	if c.settings.Auth == nil || c.settings.Auth.OAuth2 == nil {
		return false
	}
	c.token.mu.Lock()
	defer c.token.mu.Unlock()
	if refused.Header.Get("Authorization") == "Bearer "+c.token.text {
		c.token.text = ""
	}
	return true
}

// tokenFailure is a token that was not given. The answer is not shown: it may hold one.
func (c *connector) tokenFailure(ctx context.Context, err error) error {
	const op = "ask for a token"
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || e.Response == nil {
		return c.unanswered(ctx, op, err, false)
	}
	status := e.Response.StatusCode
	why := fmt.Errorf("it was answered with %d", status)
	if e.ErrorCode != "" {
		why = fmt.Errorf("it was answered with %d %s", status, cut(c.hide(e.ErrorCode), maxWords))
	}
	failure := &connectors.Error{Class: connectors.Denied, Code: fmt.Sprint(status), Op: op, Err: why, Hint: "see client_id, client_secret and scope"}
	if status == nethttp.StatusTooManyRequests || status >= 500 {
		failure.Class, failure.Hint = connectors.Down, ""
		failure.After = retryAfter(e.Response.Header, c.tools.Now())
	}
	return failure
}
