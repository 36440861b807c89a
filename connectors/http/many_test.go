package http

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"headgate/connectors"
	"headgate/engine/record"
)

// TestManyMapped: an answer is that to the record it shows, or to the one in its place
// where none shows that they stand otherwise; a change without one is unknown.
func TestManyMapped(t *testing.T) {
	t.Parallel()
	const (
		first   = `{"status":201,"order":{"id":11,"number":"A-1"}}`
		refused = `{"status":422,"error":"no"}`
		second  = `{"status":422,"number":"A-2","error":"no"}`
		third   = `{"status":201,"order":{"id":13,"external_id":"ref-A-3","number":"a-3"}}`
		strange = `{"status":201,"order":{"id":9,"number":"a 1"}}`
	)
	for name, test := range map[string]struct{ answers, want string }{
		"in order":                       {first + "," + refused + "," + third, "applied 11, refused, applied 13"},
		"in another order":               {third + "," + second + "," + first, "applied 11, refused, applied 13"},
		"one is missing":                 {first + "," + third, "applied 11, unknown, applied 13"},
		"none is told of":                {refused + "," + refused, "unknown, unknown, unknown"},
		"moved, and one shows nothing":   {third + "," + refused + "," + first, "applied 11, unknown, applied 13"},
		"one shows what nobody sent":     {strange + "," + refused + "," + third, "applied 9, refused, applied 13"},
		"one change has two answers":     {first + "," + first + "," + third, "unknown, unknown, unknown"},
		"more answers than changes":      {first + "," + second + "," + third + "," + strange, "applied 11, refused, applied 13"},
		"more answers, and none says of": {refused + "," + refused + "," + refused + "," + refused, "unknown, unknown, unknown"},
		"no answers":                     {"", "unknown, unknown, unknown"},
	} {
		rec := &recorder{status: 200, answer: `{"results":[` + test.answers + `]}`}
		d := serve(t, rec, orders(&Resource{Create: &Effect{Path: text("/bulk"), Answer: "order", Many: &Many{Items: "data.items", Answer: "results"}}}))
		m := prepared(t, d, numbered(connectors.Create, "A-1"), numbered(connectors.Create, "A-2"), numbered(connectors.Create, "A-3"))[0]
		receipts, err := d.Send(t.Context(), m)
		if unknown := strings.Contains(test.want, "unknown"); (err != nil) != unknown || unknown && connectors.ClassOf(err) != connectors.Unclear {
			t.Errorf("%s: error %v (%s)", name, err, connectors.ClassOf(err))
		}
		if got := said(receipts); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func said(receipts []connectors.Receipt) string {
	var all []string
	for _, r := range receipts {
		text := [...]string{"untried", "applied", "same", "refused", "unknown"}[r.Status]
		if r.Row != nil {
			text += " " + r.Row[0].Text()
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// TestManyNamed: where several changes go into one request, each names its record.
func TestManyNamed(t *testing.T) {
	t.Parallel()
	bulk := func() *Effect { return &Effect{Path: text("/bulk"), Many: &Many{Items: "items"}} }
	update := func(number string, id int64) connectors.Change {
		c := numbered(connectors.Update, number)
		c.Values[0], c.Values[1], c.ID = record.Value{}, record.IntValue(5), record.IntValue(id)
		return c
	}
	remove := func(number string, id int64) connectors.Change {
		c := update(number, id)
		c.Op = connectors.Delete
		return c
	}
	gone := orders(&Resource{Update: bulk()})
	gone.Delete = []connectors.DeleteColumn{{Column: "state", Value: record.StringValue("gone")}}
	for name, test := range map[string]struct {
		resource connectors.Resource
		changes  []connectors.Change
		want     string
	}{
		"updates": {orders(&Resource{Update: bulk()}), []connectors.Change{update("A", 1), update("B", 2)},
			`PATCH /bulk {"items":[{"number":"A","total":5,"id":1},{"number":"B","total":5,"id":2}]}`},
		"deletes": {orders(&Resource{Delete: bulk()}), []connectors.Change{remove("A", 1), remove("B", 2)},
			`DELETE /bulk {"items":[{"number":"A","id":1},{"number":"B","id":2}]}`},
		"told by columns": {gone, []connectors.Change{remove("A", 1), remove("B", 2)},
			`PATCH /bulk {"items":[{"state":"gone","number":"A","id":1},{"state":"gone","number":"B","id":2}]}`},
		"creates": {orders(&Resource{Create: bulk(), Update: bulk()}), []connectors.Change{numbered(connectors.Create, "A")},
			`POST /bulk {"items":[{"number":"A","external_id":"ref-A"}]}`},
	} {
		rec := &recorder{status: 200}
		d := serve(t, rec, test.resource)
		for _, m := range prepared(t, d, test.changes...) {
			_, _ = d.Send(t.Context(), m)
		}
		if diff := cmp.Diff(fmt.Sprint([]string{test.want}), fmt.Sprint(rec.came)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
