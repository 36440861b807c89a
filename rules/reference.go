package rules

import (
	"crypto/sha256"
	"encoding/base32"

	"headgate/engine/record"
)

// referenceLength is how much of the digest a reference shows: 130 bits.
const referenceLength = 26

// referenceText writes references: safe in a column of any collation, a URL and a file name.
var referenceText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Reference is headgate's name of one record of one flow, the same on every try. It
// holds no secret and nothing of this installation, so that it survives a lost state.
func Reference(flowsFirstName string, key record.Key) string {
	text := make([]byte, 0, len(flowsFirstName)+1+len(key))
	text = append(append(append(text, flowsFirstName...), 0), key...)
	sum := sha256.Sum256(text)
	return referenceText.EncodeToString(sum[:])[:referenceLength]
}

// FirstName returns the name that a flow without any state had first.
func (f *Flow) FirstName() string {
	if f.Was != "" {
		return f.Was
	}
	return f.Name
}
