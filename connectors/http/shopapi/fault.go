package shopapi

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Fault is one way to misbehave.
type Fault uint8

// The faults. What fails after storing fails a reading request as well, with nothing stored.
const (
	None        Fault = iota
	FailBefore        // 500, nothing stored
	FailAfter         // 500, stored
	ResetAfter        // stored, and the connection is reset
	StallAfter        // stored, and no answer for Config.Stall
	TooMany           // 429 with Retry-After, nothing stored
	Maintenance       // 503 with Retry-After, nothing stored
	LoginPage         // 200 with a page to log in, nothing stored
	ErrorBody         // 200 with {"error": …}, nothing stored
	faults            // how many there are
)

var faultNames = [faults]string{"none", "fail-before", "fail-after", "reset-after", "stall-after", "too-many", "maintenance", "login-page", "error-body"}

// String returns the name of f.
func (f Fault) String() string { return faultNames[f] }

// FaultNamed returns the fault with that name.
func FaultNamed(name string) (Fault, error) {
	for f, n := range faultNames {
		if n == name {
			return Fault(f), nil
		}
	}
	return None, fmt.Errorf("no fault %q: there are %v", name, faultNames)
}

// All are all the faults.
func All() []Fault {
	all := make([]Fault, 0, faults-1)
	for f := None + 1; f < faults; f++ {
		all = append(all, f)
	}
	return all
}

// Seeded makes a share of all requests fail, each in one of these ways. The n-th
// request has the same fate with the same seed, whoever sends it.
func Seeded(seed uint64, share float64, ways ...Fault) func(n int64, r *http.Request) Fault {
	return func(n int64, _ *http.Request) Fault {
		chance := rand.New(rand.NewPCG(seed, uint64(n)))
		if len(ways) == 0 || chance.Float64() >= share {
			return None
		}
		return ways[chance.IntN(len(ways))]
	}
}

// before misbehaves where nothing was done yet, and reports whether that was the answer.
func (s *Shop) before(w http.ResponseWriter, f Fault) bool {
	switch f {
	case FailBefore:
		fail(w, http.StatusInternalServerError, "internal error")
	case TooMany:
		s.close(w, http.StatusTooManyRequests)
	case Maintenance:
		s.close(w, http.StatusServiceUnavailable)
	case LoginPage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Log in</title><form method=post><input name=user></form>"))
	case ErrorBody:
		write(w, http.StatusOK, map[string]any{"error": map[string]any{"code": "session_expired", "message": "log in again"}})
	default:
		return false
	}
	return true
}

// after misbehaves where all was done, and reports whether that was the answer.
func (s *Shop) after(w http.ResponseWriter, r *http.Request, f Fault) bool {
	switch f {
	case FailAfter:
		fail(w, http.StatusInternalServerError, "internal error")
	case ResetAfter:
		reset(w)
	case StallAfter:
		wait := time.NewTimer(s.Stall)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
		}
		reset(w)
	default:
		return false
	}
	return true
}

// reset ends the connection without an answer and without a farewell.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// close asks everybody to come back later, and remembers until when.
func (s *Shop) close(w http.ResponseWriter, status int) {
	s.mu.Lock()
	now := s.Now()
	s.closedStatus, s.closedAt, s.closedUntil = status, now, now.Add(s.RetryAfter)
	s.mu.Unlock()
	later(w, status, s.RetryAfter)
}

// closed answers who comes too early. What was on its way when the first was told
// is not counted as early.
func (s *Shop) closed(w http.ResponseWriter) bool {
	s.mu.Lock()
	now := s.Now()
	left, status := s.closedUntil.Sub(now), s.closedStatus
	if left > 0 && now.Sub(s.closedAt) > s.Grace {
		s.stats.Early++
	}
	s.mu.Unlock()
	if left > 0 {
		later(w, status, left)
	}
	return left > 0
}

// later answers in whole seconds, rounded up: who obeys is never early.
func later(w http.ResponseWriter, status int, left time.Duration) {
	seconds := (left + time.Second - 1) / time.Second
	w.Header().Set("Retry-After", fmt.Sprint(int64(seconds)))
	fail(w, status, "come back later")
}
