package expression

import "headgate/engine/record"

// Program is a compiled expression. It may be run by many machines at once.
type Program struct {
	text string
}

// Compile compiles text, which must give want, against scope.
func Compile(text string, scope *Scope, want Want) (*Program, *Mistake) { panic("not built") }

// Text returns the expression as written.
func (p *Program) Text() string { return p.text }

// Fields returns the positions of the entity's fields the expression reads, in order, each once.
func (p *Program) Fields() []int { panic("not built") }

// Columns returns the positions in Scope.Row of the columns it reads.
func (p *Program) Columns() []int { panic("not built") }

// Lookups returns the names of the lookups it asks.
func (p *Program) Lookups() []string { panic("not built") }

// UsesCurrent reports whether it reads `current`.
func (p *Program) UsesCurrent() bool { panic("not built") }

// UsesNow reports whether it reads `now`.
func (p *Program) UsesNow() bool { panic("not built") }

// PlainField returns the field when the expression is nothing but a field's name.
func (p *Program) PlainField() (int, bool) { panic("not built") }

// PlainColumn returns the position of the column when the expression is nothing but `row.x`.
func (p *Program) PlainColumn() (int, bool) { panic("not built") }

// Kind returns the kind of its result, Unknown when only a run can tell.
func (p *Program) Kind() record.Kind { panic("not built") }

// Constant returns its result when it reads nothing.
func (p *Program) Constant() (record.Value, bool) { panic("not built") }

// Machine runs programs for one goroutine, reusing its scratch.
type Machine struct{}

// NewMachine returns a machine.
func NewMachine() *Machine { return &Machine{} }

// Run returns the result of p on in. A result of nil is null. A RunError says
// why there is none; an error that wraps ErrLacking says which fact is not known yet.
func (m *Machine) Run(p *Program, in *Input) (record.Value, error) { panic("not built") }

// Check runs p and returns its truth.
func (m *Machine) Check(p *Program, in *Input) (bool, error) { panic("not built") }
