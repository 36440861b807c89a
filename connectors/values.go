package connectors

import (
	"fmt"
	"io"
	"log/slog"

	"headgate/engine/record"
)

// Redacted is what a secret shows of itself.
const Redacted = "[redacted]"

// Secret names a secret and never holds it: credential("name"), file("path") or
// env("NAME"). Its zero value is no secret. Tools.Secret resolves it.
type Secret struct {
	From string // "credential", "file" or "env"
	Name string
}

// IsZero reports whether no secret was given.
func (s Secret) IsZero() bool { return s == Secret{} }

// Reference returns how the secret was named, which is not secret.
func (s Secret) Reference() string { return fmt.Sprintf("%s(%q)", s.From, s.Name) }

// String, GoString, Format, LogValue and MarshalJSON show nothing of the secret.
func (s Secret) String() string               { return Redacted }
func (s Secret) GoString() string             { return Redacted }
func (s Secret) Format(w fmt.State, _ rune)   { _, _ = io.WriteString(w, Redacted) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(Redacted) }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// Names are the values a Text or a Logic may use.
type Names map[string]record.Value

// Text is a template of the language, compiled. Its zero value renders "".
type Text struct {
	Source string   // as written
	Uses   []string // the names it uses
	Render func(Names) (string, error)
}

// Logic is an expression of the language, compiled. A zero one has no Eval.
type Logic struct {
	Source string
	Uses   []string
	Eval   func(Names) (record.Value, error)
}
