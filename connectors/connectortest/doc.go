// Package connectortest is the conformance suite every connector must pass, and
// a wrapper that makes a connector fail at the call a test chooses.
//
// A connector's tests say how to make a fresh system, how to put rows into it and
// how to look at what it holds; Run does the rest. What a connector is able to do
// is probed; what it is not able to do must be declared, so that an ability that
// disappears is a failed test and not a skipped one.
package connectortest
