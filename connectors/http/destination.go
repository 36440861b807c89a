package http

import (
	"errors"

	"headgate/connectors"
)

// Destination implements connectors.Connector.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	return nil, broken("write "+r.Name, errors.New("records cannot be written over HTTP yet"))
}
