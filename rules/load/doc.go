// Package load is the only door to HCL: a directory of files becomes a compiled
// *rules.Ruleset, or diagnostics that say what is wrong, where, and what would be
// right. Reading can fail only on I/O; every mistake in every file is told at once.
package load
