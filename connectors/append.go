package connectors

import (
	"fmt"
	"strings"

	"headgate/engine/record"
)

// AppendOnly is implemented by resource settings whose records may be added only. Each
// is added once: every change carries headgate's reference of its record, and what is
// there under that reference is Same, or Refused where it is known to be other content.
type AppendOnly interface{ AppendOnly() bool }

// IsAppendOnly reports whether records of a resource with such settings are added only.
func IsAppendOnly(settings any) bool {
	a, ok := settings.(AppendOnly)
	return ok && a.AppendOnly()
}

// CodeAppendOnly is the code of a record that has changed since it was added.
const CodeAppendOnly = "append_only"

// AddedBefore is the answer to a change of a record that is there already.
func AddedBefore(sameContent bool) Receipt {
	if sameContent {
		return Receipt{Status: Same}
	}
	return Receipt{Status: Refused, Code: CodeAppendOnly, Words: "it was added before, with other content"}
}

// CheckAppend reports a change that a table to which is only added cannot take: the
// engine sends none.
func CheckAppend(c *Change) error {
	if c.Op != Create || c.Reference == "" {
		return fmt.Errorf("cannot %s a record of reference %q where records are added only", c.Op, c.Reference)
	}
	return nil
}

// ContentOf digests what is added, for who keeps it beside the reference: the names of
// the columns, and their values.
func ContentOf(columns []record.Column, c *Change) string {
	var names, values []byte
	for i, v := range c.Values {
		if !v.IsAbsent() {
			names = append(append(names, columns[i].Name...), 0)
			values = v.AppendCanonical(values)
		}
	}
	columnsOf, content := record.FingerprintOf(names), record.FingerprintOf(values)
	return fmt.Sprintf("%x:%x", columnsOf[:4], content[:8]) // short: each record of the table has one
}

// SameContent reports whether two contents are not known to differ: those of other
// columns cannot be compared.
func SameContent(there, added string) bool {
	columns, _, _ := strings.Cut(there, ":")
	others, _, _ := strings.Cut(added, ":")
	return there == added || columns != others
}
