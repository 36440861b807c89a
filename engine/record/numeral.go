package record

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// ParseNumber reads an exact number: an optional sign, digits, an optional point
// (or, with comma, a decimal comma) and an optional exponent within ±MaxExponent.
// With comma, points between groups of three digits are accepted and ignored.
// It allocates only beyond 18 digits.
func ParseNumber(text string, comma bool) (Number, error) {
	if comma && strings.ContainsAny(text, ".,") {
		plain, ok := withoutComma(text)
		if !ok {
			return Number{}, fmt.Errorf("%w with a decimal comma: %q", ErrNumber, clip(text))
		}
		text = plain
	}
	if n, ok := parseSmall(text); ok {
		return n, nil
	}
	return parseBig(text)
}

// parseSmall reads what fits in 18 digits without an exponent.
func parseSmall(text string) (Number, bool) {
	s, negative := text, false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	if s == "" || len(s) > 19 {
		return Number{}, false
	}
	var coef int64
	digits, point := 0, -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			coef = coef*10 + int64(c-'0')
			digits++
		case c == '.' && point < 0:
			point = i
		default:
			return Number{}, false
		}
	}
	if digits == 0 || digits > 18 || point == 0 || point == len(s)-1 {
		return Number{}, false
	}
	if negative {
		coef = -coef
	}
	n := Number{coef: coef}
	if point >= 0 {
		n.scale = int32(len(s) - 1 - point)
	}
	return n, true
}

func parseBig(text string) (Number, error) {
	if len(text) > 2*MaxDigits+8 || !looksNumeric(text) {
		return Number{}, fmt.Errorf("%w: %q", ErrNumber, clip(text))
	}
	d, _, err := apd.NewFromString(text)
	if err != nil || d.Form != apd.Finite {
		return Number{}, fmt.Errorf("%w: %q", ErrNumber, clip(text))
	}
	n, err := fromBig(d)
	if err != nil {
		return Number{}, fmt.Errorf("%w: %q has more than %d digits or an exponent beyond ±%d", ErrNumber, clip(text), MaxDigits, MaxExponent)
	}
	return n, nil
}

func looksNumeric(text string) bool {
	digits := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return false
		}
	}
	first, last := text, text
	return digits > 0 && !strings.HasPrefix(strings.TrimLeft(first, "+-"), ".") && !strings.HasSuffix(last, ".")
}

func clip(text string) string {
	if len(text) > 60 {
		return text[:60] + "…"
	}
	return text
}

// withoutComma turns 1.234,50 into 1234.50; it refuses points that do not stand
// between groups of three digits.
func withoutComma(text string) (string, bool) {
	whole, fraction, hasComma := strings.Cut(text, ",")
	if strings.ContainsAny(fraction, ".,") || (hasComma && fraction == "") {
		return "", false
	}
	groups := strings.Split(whole, ".")
	for i, g := range groups {
		if i > 0 && len(g) != 3 || i == 0 && len(groups) > 1 && len(strings.TrimLeft(g, "+-")) > 3 {
			return "", false
		}
	}
	plain := strings.Join(groups, "")
	if hasComma {
		plain += "." + fraction
	}
	return plain, true
}
