// Package engine moves records: it decides order, time and durability. It reads
// what a source has after the last settled position, has rules judge it, asks the
// destination what it holds, writes what may be written, and settles every record
// with an outcome before the position passes it.
//
// It owns concurrency, retries and checkpoints. It needs no HCL, no database and
// no network: connectors, ledger, exception log and clock are interfaces.
package engine
