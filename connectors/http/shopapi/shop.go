package shopapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxBody is the largest request there may be.
const maxBody = 16 << 20

// Config says what a shop keeps and how it misbehaves. Its zero value keeps all in
// memory and behaves.
type Config struct {
	Path  string                               // the file of the orders; "": none are kept
	Token string                               // who does not bear it is answered 401; "": everybody may
	Fault func(n int64, r *http.Request) Fault // the fate of the n-th request, from 1; nil: None

	Stall      time.Duration // how long a stalled answer does not come; 0: a minute
	RetryAfter time.Duration // how long it is closed after 429 and 503; 0: a second
	Grace      time.Duration // requests this soon after closing were on their way

	Idempotency time.Duration // how long it knows an Idempotency-Key; 0: it ignores them
	Lag         time.Duration // how long an order is not found after it was stored
	Unique      bool          // a second order with an external_id is refused: 409

	Refuse func(fields map[string]any) string // why an order is refused: 422; nil: none is
	Mix    func(results []any) []any          // what becomes of the answers to several orders on their way; nil: nothing

	Now func() time.Time // nil: time.Now
}

// Stats are what a shop counted since it was opened, but for Orders and Doubles: they
// count what it has.
type Stats struct {
	Requests int64            `json:"requests"`
	Stored   int64            `json:"stored"`   // orders by POST or PUT
	Orders   int64            `json:"orders"`   // there now
	Doubles  int64            `json:"doubles"`  // of them, those whose number another has
	Repeated int64            `json:"repeated"` // answered again under an idempotency key
	Early    int64            `json:"early"`    // before the Retry-After had passed
	Faults   map[string]int64 `json:"faults"`   // by name
}

// Shop is the API. It is safe for use by several goroutines.
type Shop struct {
	Config
	requests atomic.Int64

	mu           sync.Mutex
	store        *store
	stats        Stats
	closedStatus int
	closedAt     time.Time
	closedUntil  time.Time
}

// Open opens a shop with the orders of its file.
func Open(c Config) (*Shop, error) {
	store, err := openStore(c.Path)
	if err != nil {
		return nil, err
	}
	s := &Shop{Config: c, store: store, stats: Stats{Faults: make(map[string]int64)}}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Stall == 0 {
		s.Stall = time.Minute
	}
	if s.RetryAfter == 0 {
		s.RetryAfter = time.Second
	}
	return s, nil
}

// Close closes the file.
func (s *Shop) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store.file == nil {
		return nil
	}
	return s.store.file.Close()
}

// Stats returns what was counted until now.
func (s *Shop) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Requests, stats.Orders, stats.Doubles = s.requests.Load(), int64(len(s.store.orders)), s.store.doubles()
	stats.Faults = make(map[string]int64)
	for name, n := range s.stats.Faults {
		stats.Faults[name] = n
	}
	return stats
}

// Orders returns the orders there are, in the order of storing.
func (s *Shop) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var orders []Order
	for _, o := range s.store.all() {
		orders = append(orders, *o)
	}
	return orders
}

// ServeHTTP answers a request, or does not.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/stats" {
		write(w, http.StatusOK, s.Stats())
		return
	}
	n := s.requests.Add(1)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // who sent it is gone
	}
	if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		fail(w, http.StatusUnauthorized, "who are you?")
		return
	}
	if s.closed(w) {
		return
	}
	fault := s.fate(n, r)
	if s.before(w, fault) {
		return
	}
	status, answered := s.answer(r, body)
	if s.after(w, r, fault) {
		return
	}
	writeRaw(w, status, answered)
}

// Do does what somebody else asks who works in the shop: it never fails on purpose, and
// is open always.
func (s *Shop) Do(method, path, body string) (status int, answered []byte) {
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		return http.StatusBadRequest, encode(failure(err.Error()))
	}
	return s.answer(r, []byte(body))
}

func (s *Shop) fate(n int64, r *http.Request) Fault {
	if s.Fault == nil {
		return None
	}
	fault := s.Fault(n, r)
	if fault != None {
		s.mu.Lock()
		s.stats.Faults[fault.String()]++
		s.mu.Unlock()
	}
	return fault
}

// answer does what is asked, as one.
func (s *Shop) answer(r *http.Request, body []byte) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{shop: s, r: r, body: body, now: s.Now()}
	key, digest := s.key(r), sha256.Sum256(append([]byte(r.Method+" "+r.URL.RequestURI()+"\n"), body...))
	if known := s.store.keys[key]; known != nil && c.now.Sub(known.At) < s.Idempotency {
		if known.Digest != hex.EncodeToString(digest[:]) {
			return http.StatusUnprocessableEntity, encode(failure("the idempotency key was used for another request"))
		}
		s.stats.Repeated++
		return known.Status, known.Body
	}
	status, value := c.do()
	answered := encode(value)
	if key != "" && status < http.StatusInternalServerError {
		c.entries = append(c.entries, entry{Keyed: &answer{Key: key, Digest: hex.EncodeToString(digest[:]), At: c.now, Status: status, Body: answered}})
	}
	if err := s.store.commit(c.entries); err != nil {
		return http.StatusInternalServerError, encode(failure(err.Error()))
	}
	s.stats.Stored += c.stored
	return status, answered
}

// key is the idempotency key of an effect, "" where there is none.
func (s *Shop) key(r *http.Request) string {
	if s.Idempotency == 0 || r.Method == http.MethodGet {
		return ""
	}
	return r.Header.Get("Idempotency-Key")
}

func failure(words string) map[string]any { return map[string]any{"error": words} }

func fail(w http.ResponseWriter, status int, words string) { write(w, status, failure(words)) }

func write(w http.ResponseWriter, status int, value any) { writeRaw(w, status, encode(value)) }

func writeRaw(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// encode writes what the shop made itself: it has no value without a JSON text.
func encode(value any) []byte {
	if value == nil {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}
