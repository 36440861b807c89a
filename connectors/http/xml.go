package http

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// The limits of a document in XML, and the names of what stands in none of JSON.
const (
	maxElements  = 64 // how deep
	textName     = "#text"
	attributePre = "@"
)

// element is one element while it is read.
type element struct {
	name    string
	path    string
	text    strings.Builder
	members []member
	named   map[string]int // where a name stands among the members
	isNil   bool
}

// member is one name within an element: an attribute, or elements of that name.
type member struct {
	name   string
	values []string // as JSON
	many   bool     // an array, however many there are
}

// jsonOf makes JSON of XML. An element is an object of its elements and of its
// attributes ("@name"), or a text where it has neither, or null where it is empty;
// elements that stand several times, and those at the paths of arrays, are an array.
// Namespaces are left out.
func jsonOf(text string, arrays map[string]bool) (string, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		encoding, err := htmlindex.Get(label)
		if err != nil {
			return nil, fmt.Errorf("the encoding %q is not known", cut(label, 40))
		}
		return encoding.NewDecoder().Reader(in), nil
	}
	open := []*element{{}}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if open, err = step(open, token, arrays); err != nil {
			return "", err
		}
	}
	if len(open) != 1 || len(open[0].members) != 1 {
		return "", errors.New("it has no one element that holds all others")
	}
	return open[0].json(), nil
}

// step takes one token: open are the elements it stands in.
func step(open []*element, token xml.Token, arrays map[string]bool) ([]*element, error) {
	top := open[len(open)-1]
	switch t := token.(type) {
	case xml.StartElement:
		if len(open) > maxElements {
			return nil, fmt.Errorf("it nests deeper than %d", maxElements)
		}
		inner := &element{name: t.Name.Local, path: joined(top.path, t.Name.Local)}
		for _, a := range t.Attr {
			inner.attribute(a)
		}
		return append(open, inner), nil
	case xml.EndElement:
		outer := open[len(open)-2]
		outer.add(top.name, top.json(), arrays[top.path])
		return open[:len(open)-1], nil
	case xml.CharData:
		if len(open) > 1 {
			top.text.Write(t)
		}
	}
	return open, nil
}

func (e *element) attribute(a xml.Attr) {
	switch {
	case a.Name.Space == "xmlns" || a.Name.Local == "xmlns":
	case a.Name.Local == "nil" && (a.Value == "true" || a.Value == "1"):
		e.isNil = true
	default:
		e.add(attributePre+a.Name.Local, quoted(a.Value), false)
	}
}

func (e *element) add(name, value string, many bool) {
	i, ok := e.named[name]
	if !ok {
		if e.named == nil {
			e.named = make(map[string]int)
		}
		i = len(e.members)
		e.named[name] = i
		e.members = append(e.members, member{name: name, many: many})
	}
	e.members[i].values = append(e.members[i].values, value)
}

// json is the element as JSON.
func (e *element) json() string {
	text := e.text.String()
	switch {
	case e.isNil:
		return "null"
	case len(e.members) == 0 && text == "":
		return "null"
	case len(e.members) == 0:
		return quoted(text)
	}
	if strings.TrimSpace(text) != "" {
		e.add(textName, quoted(text), false)
	}
	var b strings.Builder
	for i, m := range e.members {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(quoted(m.name) + ":")
		if many := m.many || len(m.values) > 1; many {
			b.WriteString("[" + strings.Join(m.values, ",") + "]")
		} else {
			b.WriteString(m.values[0])
		}
	}
	b.WriteByte('}')
	return b.String()
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always has a JSON form
	}
	return string(b)
}
