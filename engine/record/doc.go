// Package record holds the values that travel through headgate: values, rows,
// records, keys, positions, fingerprints and the reasons a record was stopped.
//
// It is a leaf: it imports nothing of headgate, does no I/O, reads no clock and
// starts no goroutine. Numbers are exact: there is no float in it.
package record
