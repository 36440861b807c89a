package record

// Field is one field of a schema.
type Field struct {
	Name      string
	Kind      Kind    // String to Time, or List
	Optional  bool    // may be absent or null
	Sensitive bool    // shown nowhere
	Lines     *Schema // the fields of a line, when Kind is List
}

// Schema is the shape of a record: its fields by position, and which of them are its key.
type Schema struct {
	Name   string
	Fields []Field
	Key    []int // positions of the key fields, in key order

	index map[string]int
}

// NewSchema returns a schema of the given fields. Names are unique.
func NewSchema(name string, fields []Field, key []int) *Schema {
	s := &Schema{Name: name, Fields: fields, Key: key, index: make(map[string]int, len(fields))}
	for i, f := range fields {
		s.index[f.Name] = i
	}
	return s
}

// Index returns the position of the field called name.
func (s *Schema) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}

// KeyKinds returns the kinds of the key fields, in key order.
func (s *Schema) KeyKinds() []Kind {
	kinds := make([]Kind, len(s.Key))
	for i, f := range s.Key {
		kinds[i] = s.Fields[f].Kind
	}
	return kinds
}

// Column is one column of a system: its own name for a value.
type Column struct {
	Name  string
	Kind  Kind     // Unknown where the system does not say
	Lines []Column // the columns of a line, when Kind is List
}

// Position is how far a part of a source was read. It is made and read by its
// connector only; it is text a person can read, and "" is the beginning.
type Position string
