package http_test

import (
	"testing"

	"headgate/connectors"
	"headgate/connectors/http"
	"headgate/rules/load"
)

// loaded compiles the settings of a connector and of one resource, as an operator
// writes them: what stands in connector "api", and in its resource "rows".
func loaded(t *testing.T, connector, resource string) (*http.Settings, *http.Resource) {
	t.Helper()
	text := `
connector "api" {
  type = "http"
  ` + connector + `
  resource "rows" {
    entity = entity.row
    ` + resource + `
  }
}
entity "row" {
  key   = [no]
  owner = connector.api
  field "no" {
    type = int
  }
  field "at" {
    type = time
    optional = true
  }
}
`
	set, diagnostics := load.Load("rules", []load.File{{Name: "rules.hcl", Bytes: []byte(text)}}, []connectors.Kind{http.Kind()})
	for _, d := range diagnostics {
		if d.Severity == load.Error {
			t.Fatalf("the ruleset is not good:\n%s\n%s", diagnostics, text)
		}
	}
	c := set.Connectors[0]
	return c.Settings.(*http.Settings), c.Resources[0].Settings.(*http.Resource)
}
