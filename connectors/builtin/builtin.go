// Package builtin is the one list of the connector types headgate has.
package builtin

import (
	"headgate/connectors"
	"headgate/connectors/files"
	"headgate/connectors/http"
	"headgate/connectors/postgres"
	"headgate/connectors/sqlite"
)

// Kinds returns all connector types, by name.
func Kinds() []connectors.Kind {
	return []connectors.Kind{
		files.Kind(),
		http.Kind(),
		postgres.Kind(),
		sqlite.Kind(),
	}
}
