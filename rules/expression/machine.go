package expression

import (
	"errors"
	"fmt"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"headgate/engine/record"
)

// Machine runs programs for one goroutine, reusing its scratch.
type Machine struct {
	vm      vm.VM
	env     map[string]any
	numbers []record.Number
	asked   asked
}

// NewMachine returns a machine.
func NewMachine() *Machine {
	return &Machine{vm: vm.VM{MemoryBudget: maxElements}, env: make(map[string]any)}
}

// Run returns the result of p on in. A result of nil is null. A *RunError says why
// there is none; an error that wraps ErrLacking says that a fact is not known yet.
func (m *Machine) Run(p *Program, in *Input) (record.Value, error) {
	if p.isConst {
		return p.value, nil
	}
	if p.isPlain {
		return plainValue(&p.plain, in), nil
	}
	v, err := m.run(p, in)
	if err != nil {
		return record.Value{}, err
	}
	return fromExpr(v)
}

// Check runs p and returns its truth.
func (m *Machine) Check(p *Program, in *Input) (bool, error) {
	if p.isConst || p.isPlain {
		v, err := m.Run(p, in)
		if err == nil && v.Kind() != record.Bool {
			err = &RunError{"it is " + v.Kind().String() + ", not true or false"}
		}
		return v.Bool(), err
	}
	if p.direct != nil {
		if result, ok := p.direct(in); ok {
			return result, nil
		}
	}
	v, err := m.run(p, in)
	if err != nil {
		return false, err
	}
	truth, ok := v.(bool)
	if !ok {
		return false, &RunError{"it gives neither true nor false"}
	}
	return truth, nil
}

// run fails closed: whatever goes wrong inside expr is an error of this run.
func (m *Machine) run(p *Program, in *Input) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = runError(fmt.Errorf("%v", r))
		}
	}()
	if err := m.fill(p, in); err != nil {
		return nil, err
	}
	v, err = m.vm.Run(p.program, m.env)
	if err != nil {
		return nil, runError(err)
	}
	return v, nil
}

// fill puts the names that p reads into the environment.
func (m *Machine) fill(p *Program, in *Input) error {
	if len(m.numbers) < len(p.sources) {
		m.numbers = make([]record.Number, len(p.sources)+8)
	}
	for i := range p.sources {
		s := &p.sources[i]
		switch s.kind {
		case fromCurrent:
			current, err := recordToExpr(in.Current, p.scope.Current)
			if err != nil {
				return err
			}
			m.env[s.name] = current
		case fromNow:
			m.env[s.name] = in.Now
		case fromFacts:
			m.asked = asked{facts: in.Facts}
			m.env[s.name] = &m.asked
		default:
			v := plainValue(s, in)
			if v.Kind() == record.List {
				lines, err := linesToExpr(v.Lines(), s.list)
				if err != nil {
					return err
				}
				m.env[s.name] = lines
				continue
			}
			m.env[s.name] = toExpr(v, &m.numbers[i])
		}
	}
	return nil
}

// plainValue is the value a name stands for; absent where the input has none.
func plainValue(s *source, in *Input) record.Value {
	switch s.kind {
	case fromField:
		return at(in.Record, s.at)
	case fromRow:
		return at(in.Row, s.at)
	case fromParent:
		return at(in.Parent, s.at)
	case fromName:
		return at(in.Names, s.at)
	case fromGroup:
		if s.at < len(in.Groups) {
			return at(in.Groups[s.at], s.inner)
		}
	case fromNow:
		return record.TimeValue(in.Now)
	}
	return record.Value{}
}

func at[S ~[]record.Value](values S, i int) record.Value {
	if i < len(values) {
		return values[i]
	}
	return record.Value{}
}

// runError says in plain words why an expression has no result.
func runError(err error) error {
	if errors.Is(err, ErrLacking) {
		return err
	}
	if e, ok := errors.AsType[*RunError](err); ok {
		return e
	}
	message := err.Error()
	if e, ok := errors.AsType[*file.Error](err); ok {
		message = e.Message
	}
	return &RunError{plainMessage(message)}
}

func plainMessage(message string) string {
	switch {
	case contains(message, "zero Value"):
		return "a list is null where one is needed"
	case contains(message, "interface conversion"), contains(message, "nil"):
		return "a value is null where one is needed"
	case contains(message, "memory budget"):
		return "it makes too many elements"
	case contains(message, "out of range"), contains(message, "index out"):
		return "it asks for an element a list does not have"
	}
	return plainWords(message)
}
