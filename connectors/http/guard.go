package http

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// guard says which addresses may be dialled. It judges the address itself, when it
// is dialled: what a name leads to may change between any two looks at it.
type guard struct {
	allowed  []netip.Prefix
	loopback bool // the url names localhost
}

// addressError says that a name leads to where headgate must not go.
type addressError struct{ address, why string }

// Error implements error.
func (e *addressError) Error() string { return e.address + " is " + e.why }

var (
	// secretPlaces are where clouds keep what a machine may know, beside 169.254.0.0/16.
	secretPlaces = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200")}
	// special are networks that are not public beside those that netip knows.
	special = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
		netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
		netip.MustParsePrefix("::/96"), netip.MustParsePrefix("fec0::/10"),
	}
)

// newGuard allows what the settings allow, and the addresses that stand in them.
func newGuard(s *Settings) (*guard, error) {
	allowed, err := networks(s.Allow)
	if err != nil {
		return nil, wrong("allow", err)
	}
	g := &guard{allowed: allowed}
	written := []string{s.URL}
	if s.Auth != nil && s.Auth.OAuth2 != nil {
		written = append(written, s.Auth.OAuth2.TokenURL)
	}
	for _, text := range written {
		u, err := url.Parse(text)
		if err != nil {
			continue // told by what reads it
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			a = a.Unmap().WithZone("")
			g.allowed = append(g.allowed, netip.PrefixFrom(a, a.BitLen()))
		}
		g.loopback = g.loopback || strings.EqualFold(u.Hostname(), "localhost")
	}
	return g, nil
}

// control is called with each address before it is dialled.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &addressError{address, "no address"}
	}
	if why := g.refusal(ap.Addr().Unmap().WithZone("")); why != "" {
		return &addressError{ap.Addr().String(), why}
	}
	return nil
}

// refusal says why an address must not be dialled, or "".
func (g *guard) refusal(a netip.Addr) string {
	switch {
	case a.IsUnspecified():
		return "no address of a system"
	case a.IsLinkLocalUnicast(), isOneOf(a, secretPlaces):
		return "where a machine keeps its own secrets: it is never asked"
	case a.IsMulticast():
		return "no address of one system"
	case g.loopback && a.IsLoopback():
		return ""
	}
	for _, p := range g.allowed {
		if p.Contains(a) {
			return ""
		}
	}
	if a.IsLoopback() || a.IsPrivate() {
		return "in a private network that is not allowed"
	}
	for _, p := range special {
		if p.Contains(a) {
			return "in a network that is not public and not allowed"
		}
	}
	return ""
}

func isOneOf(a netip.Addr, all []netip.Addr) bool {
	for _, one := range all {
		if a == one {
			return true
		}
	}
	return false
}

// hint says what to write so that the address is dialled.
func (e *addressError) hint() string {
	if !strings.Contains(e.why, "not allowed") {
		return "mend the url, or whoever answers for its name"
	}
	return fmt.Sprintf("if it is the right one: allow = [%q]", e.address+suffix(e.address))
}

func suffix(address string) string {
	if strings.Contains(address, ":") {
		return "/128"
	}
	return "/32"
}
