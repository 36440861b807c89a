package rules

import "headgate/engine/record"

// Verdict is what judging a record gave.
type Verdict struct {
	Severity Severity
	// Failures holds every failure, warnings included: the first of the worst
	// first, the others in the order of judging.
	Failures []record.Reason
	Rule     *Rule // the rule of the first failure; nil when a field check failed
	Lacking  bool  // a lookup's answer was not known yet: judge again when it is
}
