package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// usage is what the processors did until now: all of it, and our own part.
type usage struct {
	at       time.Time
	all, own time.Duration
}

// tick is the unit of /proc/stat.
const tick = 10 * time.Millisecond

// used reads the usage; ok is false where the system does not tell.
func used() (u usage, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, false
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var user, nice, system time.Duration
	if _, err := fmt.Sscanf(line, "cpu %d %d %d", &user, &nice, &system); err != nil {
		return u, false
	}
	u = usage{at: time.Now(), all: (user + nice + system) * tick}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return u, false
		}
		u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u, true
}

// others says how much of the machine other programs had since begin. A floor runs
// on one processor and headgate on all of them: what others take, it lacks first.
func others(begin usage) string {
	end, ok := used()
	if !ok {
		return ""
	}
	share := float64(end.all-begin.all-end.own+begin.own) / float64(end.at.Sub(begin.at))
	return fmt.Sprintf("other programs used %.1f of %d processors meanwhile: measure on an idle machine", max(share, 0), runtime.NumCPU())
}
