package rules

import (
	"fmt"
	"strconv"
	"strings"

	"headgate/engine/record"
)

// Limit is a count, or a percentage. Its zero value is no limit: see Set.
type Limit struct {
	Set     bool
	Count   int
	Percent *record.Number // of 100; nil: Count
}

// ParseLimit reads a limit as rulesets and operators write it: 200, or 20%.
func ParseLimit(text string) (Limit, error) {
	if digits, ok := strings.CutSuffix(strings.TrimSpace(text), "%"); ok {
		n, err := record.ParseNumber(strings.TrimSpace(digits), false)
		if err == nil && n.Sign() >= 0 && n.Cmp(record.IntNumber(100)) <= 0 {
			return Limit{Set: true, Percent: &n}, nil
		}
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return Limit{Set: true, Count: n}, nil
	}
	return Limit{}, fmt.Errorf("%q is neither a count nor a percentage: write 200, or 20%%", text)
}

// String writes the limit as it is read.
func (l Limit) String() string {
	switch {
	case !l.Set:
		return "no limit"
	case l.Percent != nil:
		return l.Percent.String() + "%"
	}
	return strconv.Itoa(l.Count)
}
