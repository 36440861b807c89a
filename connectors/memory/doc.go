// Package memory is a system that lives in memory: named tables of rows, which
// can be read, written, found and made to refuse. Tests use it in place of a real
// system; it is not among the builtin kinds.
//
// It keeps to the contract in every respect that a database does, so that what
// the engine does with it is what it does with a database.
package memory
