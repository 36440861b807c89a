package engine

// Actor is who asks something of headgate. UID and PID are what the kernel says, so
// that an act can be traced to a person when names have changed, or share a number.
type Actor struct {
	Name   string   `json:"name"`
	UID    *int     `json:"uid,omitempty"` // nil: it is no user
	PID    int      `json:"pid,omitempty"` // of the command that asked a daemon
	Groups []string `json:"groups,omitempty"`
}
