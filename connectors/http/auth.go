package http

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
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

// opToken is what is tried where a token is asked for.
const opToken = "ask for a token"

// token is the access token that is in use. It is kept in memory only: another can be
// asked for at any time.
type token struct {
	mu    sync.Mutex
	text  string
	until time.Time // zero: it does not say

	successor string // a refresh token that could not be kept; "": it was
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
	clients, err := c.connected()
	if err != nil {
		return "", err
	}
	if err := c.tools.Wait(ctx); err != nil {
		return "", err
	}
	asking := context.WithValue(ctx, oauth2.HTTPClient, clients.effect)
	asked := c.tools.Now()
	var t *oauth2.Token
	if s.RefreshToken.IsZero() {
		t, err = c.byCredentials(asking, s)
	} else {
		t, err = c.byRefreshToken(asking, s)
	}
	if err != nil {
		return "", err
	}
	c.token.text, c.token.until = t.AccessToken, time.Time{}
	if !t.Expiry.IsZero() {
		c.token.until = asked.Add(time.Until(t.Expiry)) // by our own clock
	}
	c.know(nameToken, t.AccessToken)
	return t.AccessToken, nil
}

// byCredentials asks for a token by client credentials.
func (c *connector) byCredentials(ctx context.Context, s *OAuth2) (*oauth2.Token, error) {
	secret, err := c.clientSecret(s)
	if err != nil {
		return nil, err
	}
	config := clientcredentials.Config{ClientID: s.ClientID, ClientSecret: secret, TokenURL: s.TokenURL, Scopes: strings.Fields(s.Scope), AuthStyle: s.style()}
	t, err := config.Token(ctx)
	if err != nil {
		return nil, c.tokenFailure(ctx, err, "see client_id, client_secret and scope")
	}
	return t, nil
}

// byRefreshToken asks for a token by the refresh token of the answer before. Its
// successor is kept before the token is used: from then on it may be the only one.
func (c *connector) byRefreshToken(ctx context.Context, s *OAuth2) (t *oauth2.Token, err error) {
	first, err := c.secret(s.RefreshToken)
	if err != nil {
		return nil, err
	}
	secret, err := c.clientSecret(s)
	if err != nil {
		return nil, err
	}
	if c.tools.Renew == nil {
		return nil, denied(opToken, errors.New("here is nowhere to keep the refresh token that the answer replaces this one by"))
	}
	config := oauth2.Config{ClientID: s.ClientID, ClientSecret: secret, Endpoint: oauth2.Endpoint{TokenURL: s.TokenURL, AuthStyle: s.style()}}
	var failure error
	err = c.tools.Renew(ctx, func(text string) (string, error) {
		last := successor(s, first, text)
		if c.token.successor != "" {
			last.RefreshToken = c.token.successor
		}
		c.know(nameRefresh, last.RefreshToken)
		if t, err = config.TokenSource(ctx, &oauth2.Token{RefreshToken: last.RefreshToken}).Token(); err != nil {
			failure = c.tokenFailure(ctx, err, "log in anew, and give the refresh token of that: see client_id and client_secret, too")
			return "", failure
		}
		c.know(nameSuccessor, t.RefreshToken)
		c.token.successor, last.RefreshToken = t.RefreshToken, t.RefreshToken
		kept, err := json.Marshal(last)
		return string(kept), err
	})
	switch {
	case failure != nil:
		return nil, failure
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, &connectors.Error{Class: connectors.Down, Code: "secret", Op: "keep the next refresh token", Err: err}
	}
	c.token.successor = ""
	return t, nil
}

// lineage is what is kept of refresh tokens: the last, and of which it descends, so
// that a person who gives another first one is heard.
type lineage struct {
	First        string `json:"first"` // a digest
	RefreshToken string `json:"refresh_token"`
}

// successor is the last of those that descend from first.
func successor(s *OAuth2, first, kept string) lineage {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.TokenURL, s.ClientID, first}, "\x00")))
	digest := hex.EncodeToString(sum[:])
	var last lineage
	if json.Unmarshal([]byte(kept), &last) != nil || last.First != digest || last.RefreshToken == "" {
		return lineage{First: digest, RefreshToken: first}
	}
	return last
}

// clientSecret is the secret of the client. It is not shown in the form in which it is sent either.
func (c *connector) clientSecret(s *OAuth2) (string, error) {
	secret, err := c.secret(s.ClientSecret)
	if err == nil {
		c.know(nameBasic, basicText(url.QueryEscape(s.ClientID), url.QueryEscape(secret)))
	}
	return secret, err
}

// style is where the login of the client stands.
func (s *OAuth2) style() oauth2.AuthStyle {
	if s.SendIn == inBody {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// What is sent in place of a secret is one, too. It is kept under these names.
const (
	nameToken     = "access token"
	nameBasic     = "basic login"
	nameRefresh   = "refresh token"
	nameSuccessor = "next refresh token"
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
func (c *connector) tokenFailure(ctx context.Context, err error, hint string) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || e.Response == nil {
		return c.unanswered(ctx, opToken, err, false)
	}
	status := e.Response.StatusCode
	why := fmt.Errorf("it was answered with %d", status)
	if e.ErrorCode != "" {
		why = fmt.Errorf("it was answered with %d %s", status, cut(c.hide(e.ErrorCode), maxWords))
	}
	failure := &connectors.Error{Class: connectors.Denied, Code: fmt.Sprint(status), Op: opToken, Err: why, Hint: hint}
	if status == nethttp.StatusTooManyRequests || status >= 500 {
		failure.Class, failure.Hint = connectors.Down, ""
		failure.After = retryAfter(e.Response.Header, c.tools.Now())
	}
	return failure
}
