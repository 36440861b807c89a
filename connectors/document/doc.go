// Package document is what connectors to systems of JSON documents share: rows as
// objects, in which a column is a path ("meta.erp_no") and a list an array of objects.
package document
