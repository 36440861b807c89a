package shopapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// Order is one order as the shop keeps it.
type Order struct {
	ID      int64          `json:"id"`
	Stored  time.Time      `json:"stored"`
	Updated time.Time      `json:"updated"`
	Fields  map[string]any `json:"fields"` // as they were sent; numbers are json.Number
}

// Text returns the text of a member, "" where there is none.
func (o *Order) Text(name string) string {
	switch v := o.Fields[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// shown is what the API answers of an order.
func (o *Order) shown() map[string]any {
	all := maps.Clone(o.Fields)
	all["id"], all["updated_at"] = o.ID, o.Updated.UTC().Format(time.RFC3339Nano)
	return all
}

// entry is one line of the file: an order as it is from now on, one that is gone,
// or what was answered under an idempotency key.
type entry struct {
	Order *Order  `json:"order,omitempty"`
	Gone  int64   `json:"gone,omitempty"`
	Keyed *answer `json:"keyed,omitempty"`
}

// answer is what a request was answered.
type answer struct {
	Key    string          `json:"key"`
	Digest string          `json:"digest"` // of the request
	At     time.Time       `json:"at"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// store keeps the orders, in a file as well where it has one.
type store struct {
	file   *os.File
	orders map[int64]*Order
	ids    []int64 // in the order of storing, with those that are gone
	index  map[string]map[string][]int64
	keys   map[string]*answer
	last   int64
}

// indexed are the members orders are found by.
var indexed = []string{"external_id", "number"}

func openStore(path string) (*store, error) {
	s := &store{orders: make(map[int64]*Order), index: make(map[string]map[string][]int64), keys: make(map[string]*answer)}
	for _, name := range indexed {
		s.index[name] = make(map[string][]int64)
	}
	if path == "" {
		return s, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s.file = file
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), file.Close())
	}
	return s, nil
}

// load reads the file and cuts off what a killed process left half written: nobody
// was answered of it.
func (s *store) load() error {
	r, whole := bufio.NewReader(s.file), int64(0)
	for {
		text, err := r.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		var e entry
		if err := decode(text, &e); err != nil {
			return fmt.Errorf("at byte %d: %w", whole, err)
		}
		s.apply(e)
		whole += int64(len(text))
	}
	if err := s.file.Truncate(whole); err != nil {
		return err
	}
	_, err := s.file.Seek(whole, io.SeekStart)
	return err
}

// decode reads JSON with exact numbers.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// commit makes entries durable, in one sync, and applies them.
func (s *store) commit(entries []entry) error {
	if s.file != nil {
		var text bytes.Buffer
		lines := json.NewEncoder(&text)
		for _, e := range entries {
			if err := lines.Encode(e); err != nil {
				return err
			}
		}
		if _, err := s.file.Write(text.Bytes()); err != nil {
			return err
		}
		if err := s.file.Sync(); err != nil {
			return err
		}
	}
	for _, e := range entries {
		s.apply(e)
	}
	return nil
}

func (s *store) apply(e entry) {
	switch {
	case e.Order != nil:
		s.put(e.Order)
	case e.Gone != 0:
		delete(s.orders, e.Gone)
	case e.Keyed != nil:
		s.keys[e.Keyed.Key] = e.Keyed
	}
}

func (s *store) put(o *Order) {
	old := s.orders[o.ID]
	if old == nil {
		s.ids = append(s.ids, o.ID)
	}
	s.orders[o.ID], s.last = o, max(s.last, o.ID)
	for name, ids := range s.index {
		if text := o.Text(name); text != "" && !slices.Contains(ids[text], o.ID) {
			ids[text] = append(ids[text], o.ID)
		}
	}
}

// by returns the orders whose member has this text.
func (s *store) by(name, text string) []*Order {
	var found []*Order
	for _, id := range s.index[name][text] {
		if o := s.orders[id]; o != nil && o.Text(name) == text {
			found = append(found, o)
		}
	}
	return found
}

// all returns all orders, in the order of storing.
func (s *store) all() []*Order {
	var found []*Order
	for _, id := range s.ids {
		if o := s.orders[id]; o != nil {
			found = append(found, o)
		}
	}
	return found
}

// doubles counts the orders beyond the first of each number.
func (s *store) doubles() int64 {
	count, seen := int64(0), make(map[string]bool)
	for _, o := range s.orders {
		if number := o.Text("number"); number != "" {
			if seen[number] {
				count++
			}
			seen[number] = true
		}
	}
	return count
}
