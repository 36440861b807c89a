package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"headgate/connectors"
)

// failures reads what failures mean where that is not what the kind of the connector
// says: { "503" = down, "53xxx" = down, "timeout" = unclear }.
func (b *block) failures(kind connectors.Kind) map[string]string {
	pairs := b.pairs("failures")
	if len(pairs) == 0 {
		return nil
	}
	classes := make(map[string]string, len(pairs))
	for _, p := range pairs {
		if !slices.ContainsFunc(kind.Codes, func(known string) bool { return fitsCode(p.key, known) }) {
			b.fail(p.at, "code", fmt.Sprintf("no failure of a %s connector has the code %q", kind.Name, p.key), suggest(p.key, kind.Codes))
		}
		class := hcl.ExprAsKeyword(p.value)
		if _, ok := connectors.ClassNamed(class); !ok {
			written := b.l.source(p.value.Range())
			b.fail(p.value.Range(), "word", fmt.Sprintf("a failure cannot be %s", written), suggest(strings.Trim(written, `"`), connectors.ClassNames()))
		}
		classes[p.key] = class
	}
	return classes
}

// fitsCode reports whether code, which may end in x but is not all x, is one that
// known stands for.
func fitsCode(code, known string) bool {
	fixed := strings.TrimRight(known, "x")
	if len(code) != len(known) || strings.Trim(code, "x") == "" || !strings.HasPrefix(code, fixed) {
		return false
	}
	return strings.IndexFunc(code[len(fixed):], func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && c != 'x'
	}) < 0
}
