package http

import (
	"errors"

	"headgate/connectors"
)

// Source implements connectors.Connector.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	return nil, broken("read "+r.Name, errors.New("records cannot be read over HTTP yet"))
}
