package connectors_test

import (
	"testing"

	"headgate/connectors"
	"headgate/engine/record"
)

// TestContent: contents are compared by the columns that both have.
func TestContent(t *testing.T) {
	t.Parallel()
	contentOf := func(names string, values ...record.Value) string {
		r := &connectors.Resource{}
		for _, name := range names {
			r.Write = append(r.Write, record.Column{Name: string(name)})
		}
		r.Content = make([]bool, len(r.Write))
		for i, w := range r.Write {
			r.Content[i] = w.Name != "x"
		}
		return r.ContentOf(&connectors.Change{Values: values})
	}
	one, two, none := record.IntValue(1), record.IntValue(2), record.Value{}
	before := contentOf("abx", one, two, one)
	for _, x := range []struct {
		name, now string
		want      connectors.Presence
	}{
		{"the same", contentOf("abx", one, two, one), connectors.Present},
		{"the same in another order", contentOf("xba", one, two, one), connectors.Present},
		{"what is no content", contentOf("abx", one, two, two), connectors.Present},
		{"another column", contentOf("abc", one, two, two), connectors.Present},
		{"fewer columns", contentOf("ab", one, none), connectors.Present},
		{"no column", contentOf("x", one), connectors.Present},
		{"other columns alone", contentOf("c", one), connectors.Present},
		{"a change", contentOf("ab", one, one), connectors.PresentOther},
		{"a change beside another column", contentOf("acb", one, two, one), connectors.PresentOther},
		{"values that changed places", contentOf("ab", two, one), connectors.PresentOther},
		{"null", contentOf("ab", record.NullValue(), two), connectors.PresentOther},
		{"no content at all", "nonsense!", connectors.Present},
	} {
		if got := connectors.CompareContent(before, x.now); got != x.want {
			t.Errorf("%s: %d, want %d", x.name, got, x.want)
		}
	}
}
