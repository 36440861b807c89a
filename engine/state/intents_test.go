package state

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"headgate/connectors"
	"headgate/engine"
	"headgate/engine/record"
)

func sendIntents() []engine.SendIntent {
	created := engine.Entry{Outcome: engine.Created, Delivered: true, Hashes: []record.Hash{1, 2}}
	plain := engine.ChangeIntent{Key: "A-1", Op: connectors.Create, Reference: "ref-1", Becomes: created}
	answered := engine.ChangeIntent{
		Key: "\x00A-2", Op: connectors.Update, ID: record.IntValue(7), Becomes: created, Part: "a.csv", Where: "line 2",
		Find: []record.Value{record.StringValue("A-2")},
		Sent: record.Row{record.NullValue(), {}, record.DecimalValue(record.NewNumber(1050, 2))}, SentTo: []string{"a", "b.c", ""},
		Row: record.Row{record.StringValue("x")}, Columns: []string{"no"},
		Answer: &engine.Answer{Status: connectors.Refused, ID: record.StringValue("7"), Code: "422", Words: "no such customer"},
	}
	gone := engine.ChangeIntent{Key: "A-3", Op: connectors.Delete, Answer: &engine.Answer{Status: connectors.Unknown}}
	return []engine.SendIntent{
		{Bytes: []byte{0, 1, 0xff}, Text: "POST /orders", First: time.Unix(1, 5).UTC(), Carries: 1, Changes: []engine.ChangeIntent{plain}},
		{
			Bytes: []byte{}, First: time.Unix(1, 5).UTC(), Last: time.Unix(2, 0).UTC(), Attempts: 3, Again: true, Repeats: true, Keyed: true, Carries: 9,
			Changes: []engine.ChangeIntent{answered, gone, plain},
		},
	}
}

// TestSendIntentsKept: a message is read as it was written, byte for byte, and as
// nothing when any bit of it is another or its end is missing.
func TestSendIntentsKept(t *testing.T) {
	t.Parallel()
	for _, want := range sendIntents() {
		sealed := sealedSend(&want)
		got, err := decodeSend(sealed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty()); diff != "" || !bytes.Equal(sealedSend(got), sealed) {
			t.Fatalf("it is read as another: %s", diff)
		}
		for i := range sealed {
			for bit := range 8 {
				damaged := bytes.Clone(sealed)
				damaged[i] ^= 1 << bit
				if _, err := decodeSend(damaged); err == nil {
					t.Errorf("bit %d of byte %d is another, and nobody sees", bit, i)
				}
			}
			if _, err := decodeSend(sealed[:i]); err == nil {
				t.Errorf("it ends at byte %d, and nobody sees", i)
			}
		}
	}
}

// FuzzSendIntent: bytes with a good checksum and any content give a message that is
// written as it was read, and can be sent and settled, or damage; never a crash.
func FuzzSendIntent(f *testing.F) {
	for _, s := range sendIntents() {
		b := sealedSend(&s)
		f.Add(b[1 : len(b)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeSend(seal(append([]byte{version}, body...), 0))
		if err != nil {
			return
		}
		again, err := decodeSend(sealedSend(s))
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Fatalf("it becomes another: %v %s", err, diff)
		}
		if s.Attempts < 0 || s.Carries < 0 || len(s.Changes) == 0 {
			t.Fatalf("no message: %d attempts, carries %d, %d changes", s.Attempts, s.Carries, len(s.Changes))
		}
		for _, c := range s.Changes {
			if c.Op < connectors.Create || c.Op > connectors.Delete || c.Answer != nil && c.Answer.Status > connectors.Unknown {
				t.Fatalf("no change: op %d, answer %v", c.Op, c.Answer)
			}
		}
	})
}

// TestSendIntentsRefused: what nobody would have written is damage, whatever its
// checksum says.
func TestSendIntentsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*engine.SendIntent){
		"no changes":       func(s *engine.SendIntent) { s.Changes = nil },
		"no operation":     func(s *engine.SendIntent) { s.Changes[0].Op = 0 },
		"another one":      func(s *engine.SendIntent) { s.Changes[1].Op = connectors.Delete + 1 },
		"no such status":   func(s *engine.SendIntent) { s.Changes[0].Answer.Status = connectors.Unknown + 1 },
		"countless tries":  func(s *engine.SendIntent) { s.Attempts = -1 },
		"carries too many": func(s *engine.SendIntent) { s.Carries = 1 << 40 },
		"no such outcome":  func(s *engine.SendIntent) { s.Changes[0].Becomes.Outcome = 200 },
	} {
		s := sendIntents()[1]
		spoil(&s)
		if _, err := decodeSend(sealedSend(&s)); err == nil {
			t.Errorf("%s: it is read as a message", name)
		}
	}
	s := sendIntents()[1]
	sealed := sealedSend(&s)
	sealed[1] |= 0x80
	if _, err := decodeSend(seal(sealed[:len(sealed)-4], 0)); err == nil {
		t.Error("an unknown flag is not seen")
	}
}
