package shopapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The pages of a listing.
const (
	defaultPage = 50
	maxPage     = 500
)

// call is one request: what it asks, and what it changes.
type call struct {
	shop    *Shop
	r       *http.Request
	body    []byte
	now     time.Time
	entries []entry
	added   []*Order // of entries, those not yet in the store
	stored  int64
}

// do does what is asked and says how that ends.
func (c *call) do() (int, any) {
	path := strings.Split(strings.Trim(c.r.URL.EscapedPath(), "/"), "/")
	for i := range path {
		path[i], _ = url.PathUnescape(path[i])
	}
	what := c.r.Method + " " + path[0]
	switch {
	case path[0] != "orders" || len(path) > 3 || len(path) == 3 && path[1] != "number":
		return http.StatusNotFound, failure("there is no such place")
	case len(path) == 3:
		return c.upsert(path[2])
	case len(path) == 2 && path[1] == "bulk":
		return c.bulk()
	case len(path) == 2:
		return c.one(path[1])
	case what == "POST orders":
		return c.create()
	case what == "GET orders":
		return c.list()
	}
	return http.StatusMethodNotAllowed, failure("not here")
}

func (c *call) fields() (map[string]any, bool) {
	var fields map[string]any
	err := decode(c.body, &fields)
	return fields, err == nil && fields != nil
}

func (c *call) create() (int, any) {
	fields, ok := c.fields()
	if !ok {
		return http.StatusBadRequest, failure("the body is no object")
	}
	return c.add(fields)
}

// add stores a new order, whatever is there already.
func (c *call) add(fields map[string]any) (int, any) {
	o := &Order{ID: c.shop.store.last + int64(len(c.added)) + 1, Stored: c.now, Updated: c.now, Fields: fields}
	if why := c.refusal(fields); why != "" {
		return http.StatusUnprocessableEntity, failure(why)
	}
	if name := o.Text("external_id"); c.shop.Unique && name != "" && c.taken(name) {
		return http.StatusConflict, map[string]any{"error": "external_id is taken", "code": "unique"}
	}
	c.added = append(c.added, o)
	c.put(o)
	c.stored++
	return http.StatusCreated, o.shown()
}

func (c *call) taken(externalID string) bool {
	is := func(o *Order) bool { return o.Text("external_id") == externalID }
	return len(c.shop.store.by("external_id", externalID)) > 0 || slices.ContainsFunc(c.added, is)
}

func (c *call) put(o *Order) { c.entries = append(c.entries, entry{Order: o}) }

// bulk does what is asked of several orders, as far as it can, and answers each by its
// place.
func (c *call) bulk() (int, any) {
	var many struct {
		Items []map[string]any `json:"items"`
	}
	if decode(c.body, &many) != nil {
		return http.StatusBadRequest, failure(`the body is no {"items": […]}`)
	}
	results := make([]any, len(many.Items))
	for i, fields := range many.Items {
		status, value := c.oneOf(fields)
		result := map[string]any{"status": status}
		if status < http.StatusMultipleChoices {
			result["order"] = value
		} else {
			result["error"] = value.(map[string]any)["error"]
		}
		results[i] = result
	}
	if c.shop.Mix != nil {
		results = c.shop.Mix(results)
	}
	return http.StatusOK, map[string]any{"results": results}
}

// oneOf does what is asked of one of several orders: it is known by its id.
func (c *call) oneOf(fields map[string]any) (int, any) {
	if c.r.Method == http.MethodPost {
		return c.add(fields)
	}
	id, _ := fields["id"].(json.Number)
	delete(fields, "id")
	n, _ := id.Int64()
	o := c.shop.store.orders[n]
	switch {
	case o == nil:
		return http.StatusNotFound, failure("there is no order " + id.String())
	case c.r.Method == http.MethodPatch:
		return c.set(o, merged(o.Fields, fields))
	case c.r.Method == http.MethodDelete:
		c.entries = append(c.entries, entry{Gone: n})
		return http.StatusOK, o.shown()
	}
	return http.StatusMethodNotAllowed, failure("not here")
}

// one answers what is done with the order of an id.
func (c *call) one(id string) (int, any) {
	n, _ := strconv.ParseInt(id, 10, 64)
	o := c.shop.store.orders[n]
	if o == nil {
		return http.StatusNotFound, failure("there is no order " + id)
	}
	switch c.r.Method {
	case http.MethodGet:
		return http.StatusOK, o.shown()
	case http.MethodDelete:
		c.entries = append(c.entries, entry{Gone: n})
		return http.StatusNoContent, nil
	case http.MethodPatch, http.MethodPut:
		fields, ok := c.fields()
		if !ok {
			return http.StatusBadRequest, failure("the body is no object")
		}
		if c.r.Method == http.MethodPatch {
			fields = merged(o.Fields, fields)
		}
		return c.set(o, fields)
	}
	return http.StatusMethodNotAllowed, failure("not here")
}

// set makes an order another one.
func (c *call) set(o *Order, fields map[string]any) (int, any) {
	if why := c.refusal(fields); why != "" {
		return http.StatusUnprocessableEntity, failure(why)
	}
	changed := &Order{ID: o.ID, Stored: o.Stored, Updated: c.now, Fields: fields}
	c.put(changed)
	return http.StatusOK, changed.shown()
}

func (c *call) refusal(fields map[string]any) string {
	switch {
	case (&Order{Fields: fields}).Text("number") == "":
		return "number is missing"
	case c.shop.Refuse != nil:
		return c.shop.Refuse(fields)
	}
	return ""
}

// merged is an object with some members set; objects in it are merged as well.
func merged(old, set map[string]any) map[string]any {
	all := maps.Clone(old)
	for name, v := range set {
		inner, isObject := v.(map[string]any)
		if before, was := all[name].(map[string]any); isObject && was {
			v = merged(before, inner)
		}
		all[name] = v
	}
	return all
}

// upsert makes the order of a number what is sent, whatever it was: done twice it is
// done once.
func (c *call) upsert(number string) (int, any) {
	fields, ok := c.fields()
	if c.r.Method != http.MethodPut || !ok {
		return http.StatusBadRequest, failure("the body is no object")
	}
	fields["number"] = number
	there := c.shop.store.by("number", number)
	if len(there) == 0 {
		return c.add(fields)
	}
	return c.set(there[0], fields)
}

// list answers a page of what is asked for.
func (c *call) list() (int, any) {
	q := c.r.URL.Query()
	found := c.asked(q)
	number, size := atLeast(q.Get("page"), 1, 1), min(atLeast(q.Get("per_page"), 1, defaultPage), maxPage)
	pages := max((len(found)+size-1)/size, 1)
	items := []any{}
	for i := (number - 1) * size; i < min(number*size, len(found)); i++ {
		items = append(items, found[i].shown())
	}
	return http.StatusOK, map[string]any{"data": map[string]any{"items": items}, "page": number, "pages": pages}
}

func (c *call) asked(q url.Values) []*Order {
	for _, name := range indexed {
		if q.Has(name) {
			hidden := func(o *Order) bool { return c.now.Sub(o.Stored) < c.shop.Lag }
			return slices.DeleteFunc(c.shop.store.by(name, q.Get(name)), hidden)
		}
	}
	found := c.shop.store.all()
	if q.Has("updated_since") {
		since, _ := time.Parse(time.RFC3339Nano, q.Get("updated_since"))
		found = slices.DeleteFunc(found, func(o *Order) bool { return o.Updated.Before(since) })
		slices.SortStableFunc(found, func(a, b *Order) int { return a.Updated.Compare(b.Updated) })
	}
	return found
}

func atLeast(text string, least, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n >= least {
		return n
	}
	return otherwise
}
