package engine

import "errors"

// ErrStateUncertain says that a commit or an fsync failed: nobody knows what the
// durable state holds until it is read anew. The process must end (R4, exit 70).
var ErrStateUncertain = errors.New("the durable state is uncertain: stop, mend the disk, and start again; what is true is read from the state then")
