package load

import (
	"regexp"
	"strings"

	"headgate/rules"
)

// orders are the operators that null has no place at.
const orders = `(<=?|>=?|\+|-|\*|/)`

// unguarded reports whether a rule orders or computes with a field without asking
// whether it is nil, neither in check nor in when.
func unguarded(rule *rules.Rule, name string) bool {
	quoted := regexp.QuoteMeta(name)
	texts := rule.Check.Text()
	if rule.When != nil {
		texts += "\n" + rule.When.Text()
	}
	if regexp.MustCompile(`\b`+quoted+`\s*(==|!=|\?\?)`).MatchString(texts) || strings.Contains(texts, "coalesce("+name) {
		return false
	}
	used := regexp.MustCompile(`\b` + quoted + `\s*` + orders + `|` + orders + `\s*` + quoted + `\b`)
	return used.MatchString(rule.Check.Text())
}
