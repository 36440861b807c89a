package record

// Stage is where in its way a record was stopped.
type Stage string

// The stages, in the order a record passes them.
const (
	StageSource      Stage = "source"      // reading it
	StageMapping     Stage = "mapping"     // making a record of its row
	StageRule        Stage = "rule"        // judging it
	StageOwnership   Stage = "ownership"   // deciding what may be written
	StageGuard       Stage = "guard"       // limits of the whole flow
	StageDestination Stage = "destination" // writing it
)

// Reason says why a record was stopped, or warned of. Code is stable and for
// machines; Message is for people and holds no sensitive value.
type Reason struct {
	Stage   Stage  `json:"stage"`
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message"`
}
