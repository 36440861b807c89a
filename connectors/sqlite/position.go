package sqlite

import (
	"fmt"

	sqlitedb "zombiezen.com/go/sqlite"

	"headgate/engine/record"
)

// bindLiteral binds a literal with the type it was read with.
func bindLiteral(stmt *sqlitedb.Stmt, at int, v record.Value) {
	if n := v.Number(); v.Kind() == record.Decimal {
		if whole, ok := n.Int64(); ok {
			stmt.BindInt64(at, whole)
			return
		}
		var f float64
		if _, err := fmt.Sscan(n.String(), &f); err == nil {
			stmt.BindFloat(at, f)
			return
		}
	}
	if v.Missing() {
		stmt.BindNull(at)
		return
	}
	stmt.BindText(at, v.Text())
}
