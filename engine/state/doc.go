// Package state is the bbolt file behind the engine's ledgers: one file for all
// flows, one transaction a settlement, keys in their natural order.
//
// Every value has a version byte and a CRC32C, since bbolt's pages have no
// checksums: a value that does not fit its checksum is a *DamagedError, never
// wrong data. It is the only door to bbolt.
package state
