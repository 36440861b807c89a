package http

import (
	"encoding/json"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"headgate/connectors"
	"headgate/connectors/connectortest"
)

// rowsAPI keeps the rows of the conformance suite as an API would: by their key, and
// none without a code.
type rowsAPI struct {
	mu   sync.Mutex
	rows map[string]map[string]any
}

const bearer = "token-3b1f"

func (a *rowsAPI) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+bearer {
		w.WriteHeader(nethttp.StatusUnauthorized)
		return
	}
	no := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/rows"), "/")
	row := a.rows[no]
	switch {
	case no == "" && r.Method == nethttp.MethodGet:
		a.list(w, r.URL.Query().Get("note"))
	case no == "" && r.Method == nethttp.MethodPost:
		a.put(w, r, nil, nethttp.StatusCreated)
	case row == nil:
		respond(w, nethttp.StatusNotFound, map[string]any{"error": "there is no such row"})
	case r.Method == nethttp.MethodGet:
		respond(w, nethttp.StatusOK, row)
	case r.Method == nethttp.MethodPatch:
		a.put(w, r, row, nethttp.StatusOK)
	case r.Method == nethttp.MethodDelete:
		delete(a.rows, no)
		w.WriteHeader(nethttp.StatusNoContent)
	}
}

func (a *rowsAPI) list(w nethttp.ResponseWriter, note string) {
	items := []any{}
	for _, row := range a.rows {
		if row["note"] == note {
			items = append(items, row)
		}
	}
	respond(w, nethttp.StatusOK, map[string]any{"items": items})
}

// put stores a row, new or as it was with some columns set.
func (a *rowsAPI) put(w nethttp.ResponseWriter, r *nethttp.Request, was map[string]any, status int) {
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	row, set := maps.Clone(was), map[string]any(nil)
	if err := d.Decode(&set); err != nil {
		respond(w, nethttp.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	if row == nil {
		row = make(map[string]any)
	}
	maps.Copy(row, set)
	no, _ := row["no"].(json.Number)
	switch {
	case row["code"] == nil:
		respond(w, nethttp.StatusUnprocessableEntity, map[string]any{"error": "code is missing"})
	case was == nil && a.rows[no.String()] != nil:
		respond(w, nethttp.StatusConflict, map[string]any{"error": "there is a row with this no"})
	default:
		a.rows[no.String()] = row
		respond(w, status, row)
	}
}

func respond(w nethttp.ResponseWriter, status int, value any) {
	w.WriteHeader(status)
	text, _ := json.Marshal(value)
	_, _ = w.Write(text)
}

func TestConformanceOfTheDestination(t *testing.T) {
	connectortest.Run(t, connectortest.Suite{
		Destination: true, Finder: true, Sender: true, Schemaless: true,
		New: func(t *testing.T) connectortest.System {
			server := httptest.NewServer(&rowsAPI{rows: make(map[string]map[string]any)})
			t.Cleanup(server.Close)
			kind := Kind()
			settings := kind.Settings().(*Settings)
			settings.URL = server.URL
			settings.Auth = &Auth{Bearer: connectors.Secret{From: "env", Name: "TOKEN"}}
			return connectortest.System{
				Kind: kind, Settings: settings, Secrets: []string{bearer},
				Tools: connectors.Tools{Secret: func(connectors.Secret) (string, error) { return bearer, nil }},
				DestinationSettings: &Resource{
					Finds: []Find{
						{Path: text("/rows/${no}")},
						{Path: text("/rows"), Query: map[string]connectors.Text{"note": text("${note}")}, Records: "items"},
					},
					Create: &Effect{Path: text("/rows")},
					Update: &Effect{Path: text("/rows/${no}")},
					Delete: &Effect{Path: text("/rows/${no}")},
				},
			}
		},
	})
}
