package http

import (
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"headgate/connectors"
	"headgate/connectors/http/shopapi"
	"headgate/engine/record"
)

func query(numbers ...string) connectors.Query {
	var q connectors.Query
	for _, n := range numbers {
		q.Keys = append(q.Keys, []record.Value{record.StringValue(n)})
		q.References = append(q.References, "ref-"+n)
	}
	return q
}

var (
	byID     = Find{Path: text("/orders/${id}")}
	byName   = Find{Path: text("/orders"), Query: texts("external_id", "${reference}"), Records: "data.items"}
	byNumber = Find{Path: text("/orders"), Query: texts("number", "${number}"), Records: "data.items"}
)

// TestFind asks by whatever is known, and takes only what equals it.
func TestFind(t *testing.T) {
	t.Parallel()
	shop, err := shopapi.Open(shopapi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	create := &Effect{Path: text("/orders")}
	resource := orders(&Resource{Create: create, Finds: []Find{byID, byName, byNumber}})
	resource.Read = []record.Column{{Name: "total", Kind: record.Decimal}}
	d := serve(t, shop, resource)
	three := change(connectors.Create)
	three.Key, three.Reference = []record.Value{record.StringValue("3")}, "ref-3"
	three.Values[0] = three.Key[0]
	lot := connectors.Lot{Changes: []connectors.Change{numbered(connectors.Create, "1"), numbered(connectors.Create, "2"), three, numbered(connectors.Create, "2")}}
	if _, err := d.Apply(t.Context(), lot); err != nil {
		t.Fatal(err)
	}
	all := query("3", "404", "2")
	byKey := query("3", "404", "2")
	byKey.References = nil
	ids := query("3", "404", "2")
	ids.IDs = []record.Value{record.IntValue(3), record.IntValue(404), {}}
	matched := connectors.Query{Columns: []string{"id"}, Keys: [][]record.Value{{record.IntValue(3)}}}
	for name, test := range map[string]struct {
		query connectors.Query
		want  string
	}{
		"by reference":    {all, "0:id 3 total 10.50; 2:id 2 total ; 2:id 4 total ; "},
		"by key":          {byKey, "0:id 3 total 10.50; 2:id 2 total ; 2:id 4 total ; "},
		"by id":           {ids, "0:id 3 total 10.50; 2:id 2 total ; 2:id 4 total ; "},
		"the id is a key": {matched, "0:id 3 total 10.50; "},
		"nothing":         {connectors.Query{}, ""},
	} {
		found, err := d.(connectors.Finder).Find(t.Context(), test.query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := ""
		for _, f := range found {
			got += fmt.Sprintf("%d:id %s total %s; ", f.At, f.Returning[0].Text(), f.Read[0].Text())
			if !f.Write[1].Equal(f.Read[0]) {
				t.Errorf("%s: wrote %v, read %v", name, f.Write[1], f.Read[0])
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestFindIsNoAnswer: what does not equal what was asked for, and what is no answer
// at all, never says that a record is not there.
func TestFindIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		answer string
		class  connectors.Class
	}{
		"all there is":   {200, `{"data":{"items":[{"external_id":"ref-2","id":1},{"external_id":"ref-3"}]}}`, connectors.Broken},
		"no items":       {200, `{"data":{}}`, connectors.Unclear},
		"a page":         {200, `<html>`, connectors.Unclear},
		"an error":       {200, `{"error":"session","data":{"items":[]}}`, connectors.Unclear},
		"not found":      {404, `{}`, connectors.Broken}, // the place is not there, not the record
		"internal error": {500, ``, connectors.Down},
		"busy":           {429, ``, connectors.Down},
		"stranger":       {401, ``, connectors.Denied},
	} {
		d := serve(t, &recorder{status: test.status, answer: test.answer}, orders(&Resource{Finds: []Find{byName}}))
		found, err := d.(connectors.Finder).Find(t.Context(), query("1"))
		if err == nil || len(found) > 0 || connectors.ClassOf(err) != test.class {
			t.Errorf("%s: %v %v (%s), want %s", name, found, err, connectors.ClassOf(err), test.class)
		}
	}
}

// TestFindAbsent: an empty answer, and no such place where the place is the record.
func TestFindAbsent(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"data":{"items":[]}}`, `{"data":{"items":null}}`} {
		d := serve(t, &recorder{status: 200, answer: answer}, orders(&Resource{Finds: []Find{byName}}))
		if found, err := d.(connectors.Finder).Find(t.Context(), query("1")); err != nil || len(found) > 0 {
			t.Errorf("%s: %v %v", answer, found, err)
		}
	}
	d := serve(t, &recorder{status: 404}, orders(&Resource{Finds: []Find{byID}}))
	q := query("1")
	q.IDs = []record.Value{record.IntValue(9)}
	if found, err := d.(connectors.Finder).Find(t.Context(), q); err != nil || len(found) > 0 {
		t.Errorf("%v %v", found, err)
	}
}

// TestFindOfNothingKnown: who cannot be asked has not said that it is not there.
func TestFindOfNothingKnown(t *testing.T) {
	t.Parallel()
	d := serve(t, &recorder{status: 200}, orders(&Resource{Finds: []Find{byID}}))
	if _, err := d.(connectors.Finder).Find(t.Context(), query("1")); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("error %v", err)
	}
}

// TestFindPartly: what was answered before one key failed counts, and the others can be
// asked for alone.
func TestFindPartly(t *testing.T) {
	t.Parallel()
	var failed atomic.Bool
	h := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		name := r.URL.Query().Get("external_id")
		if name == "ref-6" && failed.CompareAndSwap(false, true) {
			w.WriteHeader(nethttp.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"items":[{"external_id":"`+name+`"}]}}`)
	})
	finder := serve(t, h, orders(&Resource{Finds: []Find{byName}})).(connectors.Finder)
	q := query("1", "2", "3", "4", "5", "6", "7", "8")
	found, err := finder.Find(t.Context(), q)
	partly, ok := errors.AsType[*connectors.PartlyFound](err)
	if !ok || found != nil || partly.Answered[5] || !slices.Contains(partly.Answered, true) || connectors.ClassOf(err) != connectors.Down {
		t.Fatalf("%v, %v: %+v", found, err, partly)
	}
	var left []int
	answered := make([]int, len(q.Keys))
	for i, done := range partly.Answered {
		if !done {
			left = append(left, i)
		}
	}
	for _, f := range partly.Found {
		answered[f.At]++
	}
	if found, err = finder.Find(t.Context(), q.Only(left)); err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		answered[left[f.At]]++
	}
	if slices.ContainsFunc(answered, func(n int) bool { return n != 1 }) {
		t.Errorf("found %v, of which first %v", answered, partly.Answered)
	}
}

// TestFindMustShow: a find by something that no record shows cannot be told right
// from wrong, and is refused when it is opened.
func TestFindMustShow(t *testing.T) {
	t.Parallel()
	r := orders(&Resource{Finds: []Find{byName}})
	r.Reference = ""
	if _, err := (&connector{}).Destination(r); connectors.ClassOf(err) != connectors.Broken {
		t.Errorf("error %v", err)
	}
}

// TestAskedAtOnce: some keys are asked for at the same time, and their answers keep
// their places.
func TestAskedAtOnce(t *testing.T) {
	t.Parallel()
	together := make(chan struct{}, findsAtOnce)
	full := make(chan struct{})
	h := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		select {
		case together <- struct{}{}:
			if len(together) == findsAtOnce {
				close(full)
			}
		default:
		}
		<-full // until as many have come as may
		_, _ = io.WriteString(w, `{"data":{"items":[{"external_id":"`+r.URL.Query().Get("external_id")+`"}]}}`)
	})
	d := serve(t, h, orders(&Resource{Finds: []Find{byName}}))
	found, err := d.(connectors.Finder).Find(t.Context(), query(strings.Split("a b c d e f g h", " ")...))
	if err != nil || len(found) != 8 {
		t.Fatalf("%v %v", found, err)
	}
	for i, f := range found {
		if f.At != i {
			t.Errorf("answer %d is to %d", i, f.At)
		}
	}
}
