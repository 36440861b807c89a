package state

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headgate/engine"
	"headgate/engine/record"
)

func entries() []engine.Entry {
	return []engine.Entry{
		{},
		{Outcome: engine.Created, Delivered: true, Fingerprint: record.Fingerprint{1}, Shape: 7, Hashes: []record.Hash{1, 2, 1 << 31}, Version: record.IntValue(-5), Pass: 1 << 40, Number: 1 << 31, Journal: 9},
		{Outcome: engine.Updated, Delivered: true, Hashes: []record.Hash{1, 2}, Shown: []record.Hash{0, 9}},
		{Outcome: engine.Rejected, Stopped: record.Fingerprint{1}, Refused: record.Fingerprint{2}},
		{Outcome: engine.Held, Stopped: record.Fingerprint{1}, Released: record.Fingerprint{1}, Passes: []record.Hash{3, 4}},
		{Outcome: engine.Rejected, Stopped: record.Fingerprint{15: 1}, Version: record.StringValue("v\x00")},
	}
}

func intents() []engine.Intent {
	return []engine.Intent{
		{Time: time.Unix(0, 0).UTC()},
		{Part: "a\x00b", From: "offset=1", Time: time.Unix(1, 5).UTC(), Keys: []record.Key{"", "\x00k"}, Hashes: []record.Fingerprint{{1}, {2}}},
	}
}

// TestValues: what is written is read as it was, and is read as nothing when any
// byte of it is another.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, want := range entries() {
		sealed := appendEntry(nil, &want)
		var got engine.Entry
		if err := decodeEntry(sealed, &got, &record.Hashes{}); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		for i := range sealed {
			damaged := bytes.Clone(sealed)
			damaged[i] ^= 0x10
			if decodeEntry(damaged, &got, &record.Hashes{}) == nil || decodeEntry(sealed[:i], &got, &record.Hashes{}) == nil {
				t.Errorf("damage at byte %d is not seen", i)
			}
		}
	}
	for _, want := range intents() {
		got, err := decodeIntent(sealedIntent(&want))
		if err != nil || !cmp.Equal(*got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

// FuzzValues: bytes with a good checksum and any content give a value that is
// written as it was read, or damage; never a crash, never memory they do not hold.
func FuzzValues(f *testing.F) {
	for _, e := range entries() {
		b := appendEntry(nil, &e)
		f.Add(b[1 : len(b)-4])
	}
	for _, intent := range intents() {
		b := sealedIntent(&intent)
		f.Add(b[1 : len(b)-4])
	}
	f.Add([]byte(`{"Outcome":1,"Row":"AQ=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sealed := seal(append([]byte{version}, body...), 0)
		var e engine.Entry
		if decodeEntry(sealed, &e, &record.Hashes{}) == nil {
			var again engine.Entry
			if err := decodeEntry(appendEntry(nil, &e), &again, &record.Hashes{}); err != nil || !cmp.Equal(e, again) {
				t.Errorf("%+v becomes %+v, %v", e, again, err)
			}
		}
		if intent, err := decodeIntent(sealed); err == nil {
			if again, err := decodeIntent(sealedIntent(intent)); err != nil || !cmp.Equal(intent, again) {
				t.Errorf("%+v becomes %+v, %v", intent, again, err)
			}
		}
		l := &ledger{}
		if open, err := l.decodeOpen(nil, sealed); err == nil {
			again, err := encodeOpen(&open)
			if err != nil {
				t.Fatal(err)
			}
			if same, err := l.decodeOpen(nil, again); err != nil || !cmp.Equal(open, same) {
				t.Errorf("%+v becomes %+v, %v", open, same, err)
			}
		}
	})
}
