package engine

// Actor is the person who asks something of headgate.
type Actor struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"`
}
